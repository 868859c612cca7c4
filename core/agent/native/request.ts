/**
 * From the server to the origin: a request of the native protocol, and its body piece by piece.
 *
 * The credit that the server gets back is for bytes that the origin's connection took, so a slow origin slows its own
 * upload and holds a window of it at most. What still comes for an origin that has done with the request is dropped, and
 * counts as taken: the server must be able to get to the end of it.
 */
import { assert } from "../../assert.ts";
import type { AgentEffect } from "../../effects.ts";
import { contentLength, endToEnd, headerValue, validHeaders, withoutHeader } from "../../http/headers.ts";
import { passedTrailers } from "../../http/trailers.ts";
import type { ExchangeId } from "../../ids.ts";
import type { Outbox } from "../../outbox.ts";
import { consume } from "../../session/credit.ts";
import type { Received } from "../../session/receive.ts";
import type { Stream } from "../../session/state.ts";
import { arm, createTimer } from "../../timers.ts";
import { countAbort, isFlooded } from "../exchange/aborts.ts";
import {
  endToEndBut,
  isRequestLine,
  originFor,
  originHeaders,
  UPGRADE_FIELDS,
} from "../exchange/request-headers.ts";
import type { AgentProblem } from "../problem.ts";
import { onProtocolError } from "../protocol-error.ts";
import type { AgentSession, AgentState, NativeExchange } from "../state.ts";
import { cutOrigin, refuseRequest } from "./response.ts";
import { forget } from "./session.ts";

type Opened = Extract<Received, { type: "opened" }>;
type Piece = Extract<Received, { type: "piece" }>;

/** The server wants something from an origin. */
export function onOpened(
  state: AgentState,
  session: AgentSession,
  opened: Opened,
  out: Outbox<AgentEffect>,
): void {
  const problem = refusalOf(state, session, opened);
  if (problem === null) {
    askOrigin(state, session, opened, out);
    return;
  }
  const { stream, head, body } = opened;
  if (problem === "bad_request") {
    onProtocolError(state, "a request has a method, target, header or length that HTTP cannot carry", out);
  }
  state.counters.exchangesRefused++;
  consumeAny(session, stream, body.length);
  refuseRequest(session, stream, head.method, headerValue(head.headers, "accept") ?? null, problem);
}

/** More of a request's body, or of an upgraded connection's bytes. */
export function onPiece(
  state: AgentState,
  session: AgentSession,
  piece: Piece,
  out: Outbox<AgentEffect>,
): void {
  const { stream, body, last } = piece;
  const exchange = session.byStream.get(stream.id);
  if (exchange === undefined || isUpgradeRefused(exchange)) {
    consumeAny(session, stream, body.length);
    return;
  }
  const left = exchange.requestLeft === null ? null : exchange.requestLeft - body.length;
  const isEarly = exchange.upgrade && !exchange.upgraded;
  const breaksLength = left !== null && (last ? left !== 0 : left < 0);
  if (isEarly || breaksLength) {
    const detail = isEarly
      ? "a request has bytes before its upgrade"
      : "a request body breaks its content-length";
    onProtocolError(state, detail, out);
    consumeAny(session, stream, body.length);
    cutOrigin(state, session, exchange, "bad_request", out);
    return;
  }
  exchange.requestLeft = left;
  exchange.heardMs = state.nowMs;
  sendOn(exchange, piece, out);
}

/** The origin's connection took body bytes. */
export function onOriginFlushed(
  state: AgentState,
  session: AgentSession,
  exchange: NativeExchange,
  bytes: number,
): void {
  assert(bytes >= 0 && bytes <= exchange.unflushedBytes, "an origin took more bytes than it was sent");
  exchange.unflushedBytes -= bytes;
  exchange.heardMs = state.nowMs;
  consumeAny(session, exchange.stream, bytes);
}

/** The server ended the exchange: nobody takes the answer, or the rest of the request will not come. */
export function onReset(
  state: AgentState,
  session: AgentSession,
  stream: Stream,
  out: Outbox<AgentEffect>,
): void {
  const exchange = session.byStream.get(stream.id);
  if (exchange === undefined) return;
  if (!exchange.headed) countAbort(state);
  forget(state, session, exchange);
  out.push({ type: "origin_abort", exchange: exchange.id });
  state.counters.exchangesAborted++;
}

/** Why no origin can have the request; null where one can. */
function refusalOf(state: AgentState, session: AgentSession, opened: Opened): AgentProblem | null {
  const { head, body, last } = opened;
  if (state.life.phase === "draining") return "draining";
  if (session.exchanges.size >= state.config.limits.exchangesMax) return "limit_exchanges";
  if (isFlooded(state)) return "limit_aborts";
  if (!isRequestLine(head.method, head.target) || !validHeaders(head.headers)) return "bad_request";
  const length = contentLength(head.headers);
  if (length === "invalid") return "bad_request";
  if (length !== null && (last ? body.length !== length : body.length > length)) return "bad_request";
  if (head.upgrade && (last || body.length > 0 || (length ?? 0) > 0)) return "bad_request";
  return originFor(state.config.origins, head.target) < 0 ? "no_origin" : null;
}

function askOrigin(state: AgentState, session: AgentSession, opened: Opened, out: Outbox<AgentEffect>): void {
  const { config } = state;
  const { stream, head, last } = opened;
  const { method, target, upgrade } = head;
  const length = contentLength(head.headers);
  assert(length !== "invalid", "a length was not checked");
  const body = upgrade ? null : bodyOf(opened, length);
  const isStreamed = body === "streamed";
  const exchange = createExchange(state, opened);
  exchange.requestLeft = upgrade || length === null ? null : length - opened.body.length;
  exchange.requestEnded = last;
  exchange.unflushedBytes = body === null || isStreamed ? 0 : body.length;
  session.exchanges.set(exchange.id, exchange);
  session.byStream.set(stream.id, exchange);
  state.counters.exchangesStarted++;
  arm(state.timers, exchange.originTimer, state.nowMs + config.limits.originHeadMs);
  const origin = originFor(config.origins, target);
  const passed = upgrade ? endToEndBut(head.headers, UPGRADE_FIELDS) : endToEnd(head.headers);
  out.push({
    type: "origin_request",
    exchange: exchange.id,
    origin,
    method,
    target,
    // The adapter frames the body anew, by `bodyBytes`.
    headers: originHeaders(config, origin, withoutHeader(passed, "content-length")),
    body,
    bodyBytes: isStreamed ? length : (body?.length ?? null),
    upgrade,
  });
  if (isStreamed) sendOn(exchange, opened, out);
}

/**
 * How the body is given to the origin. One that came whole with its head needs no stream, unless there are trailers, for
 * which HTTP/1.1 has a place in chunked bodies only.
 */
function bodyOf(opened: Opened, length: number | null): Uint8Array | "streamed" | null {
  const { body, last, trailers } = opened;
  if (!last || (trailers.length > 0 && length === null)) return "streamed";
  return body.length === 0 && length === null ? null : body;
}

function sendOn(exchange: NativeExchange, piece: Opened | Piece, out: Outbox<AgentEffect>): void {
  const { body, last } = piece;
  if (body.length > 0) {
    exchange.unflushedBytes += body.length;
    out.push({ type: "origin_send", exchange: exchange.id, bytes: body });
  }
  if (!last) return;
  exchange.requestEnded = true;
  // A body with a declared length has no place for trailers, and neither has a raw connection.
  const trailers = exchange.requestLeft === null && !exchange.upgrade ? passedTrailers(piece.trailers) : [];
  out.push({ type: "origin_send_end", exchange: exchange.id, trailers });
}

function createExchange(state: AgentState, { stream, head }: Opened): NativeExchange {
  const id = ++state.exchangesMade as ExchangeId;
  return {
    id,
    stream,
    method: head.method,
    accept: headerValue(head.headers, "accept") ?? null,
    upgrade: head.upgrade,
    originTimer: createTimer({ kind: "origin", exchange: id }),
    heardMs: state.nowMs,
    requestEnded: false,
    requestLeft: null,
    unflushedBytes: 0,
    interims: 0,
    headed: false,
    upgraded: false,
    hasBody: true,
    bodyLeft: null,
    released: false,
    fillTimer: createTimer({ kind: "fill", exchange: id }),
  };
}

/** Whether the origin answered instead of upgrading: then its connection takes nothing more. */
function isUpgradeRefused(exchange: NativeExchange): boolean {
  return exchange.upgrade && exchange.headed && !exchange.upgraded;
}

function consumeAny(session: AgentSession, stream: Stream, bytes: number): void {
  if (bytes > 0) consume(session.wire, stream, bytes);
}
