/**
 * From the server to the origin: a request, and its body piece by piece.
 *
 * The credit that the server gets back is for bytes that the origin's connection took, so a slow origin slows its own
 * upload and holds a window of it at most. What still comes for an origin that has done with the request is dropped, and
 * counts as taken: the server must be able to get to the end of it.
 */
import { assert, unreachable } from "../../assert.ts";
import type { AgentEffect } from "../../effects.ts";
import {
  contentLength,
  endToEndWithout,
  type HeaderList,
  validHeaders,
  withoutHeader,
} from "../../http/headers.ts";
import { passedTrailers } from "../../http/trailers.ts";
import { acceptFor } from "../../http/upgrade.ts";
import type { ExchangeId } from "../../ids.ts";
import type { Outbox } from "../../outbox.ts";
import { arm, createTimer } from "../../timers.ts";
import type { CarrierFact, Opened, RequestPiece } from "../carrier.ts";
import { accept, exchangeOf, giveCredit, isDuplex, refuse } from "../carriers.ts";
import type { AgentConfig } from "../config.ts";
import { endToEndBut, UPGRADE_FIELDS } from "../end-to-end.ts";
import { originIdleMs } from "../patience.ts";
import type { AgentProblem } from "../problem.ts";
import { onProtocolError } from "../protocol-error.ts";
import type { AgentState, Carried, Exchange, Places, Tunnel } from "../state.ts";
import { isFlooded } from "./aborts.ts";
import { cutOrigin, onAborted, onForgotten } from "./ends.ts";
import { placesOf, towardsService } from "./places.ts";
import { isRequestLine, mayEscape, originFor, originHeaders, unconfigured } from "./request-headers.ts";

/** What a message of the server came to, where its tunnel goes on. */
export function onFact(
  state: AgentState,
  tunnel: Tunnel,
  fact: Exclude<CarrierFact, { type: "violation" | "leaving" }>,
  out: Outbox<AgentEffect>,
): void {
  switch (fact.type) {
    case "nothing":
      break;
    case "opened":
      onOpened(state, fact, out);
      break;
    case "piece":
      onPiece(state, tunnel, fact, out);
      break;
    case "aborted":
      onAborted(state, fact.exchange, out);
      break;
    case "forgotten":
      onForgotten(state, fact.exchanges, out);
      break;
    default:
      unreachable(fact);
  }
}

/** The origin's connection took body bytes. */
export function onOriginFlushed(state: AgentState, id: ExchangeId, bytes: number): void {
  const exchange = state.exchanges.get(id);
  if (exchange === undefined || !isDuplex(exchange.carried)) return;
  assert(bytes >= 0 && bytes <= exchange.unflushedBytes, "an origin took more bytes than it was sent");
  exchange.unflushedBytes -= bytes;
  exchange.heardMs = state.nowMs;
  giveCredit(exchange.carried, bytes);
}

/** The server wants something from an origin. */
function onOpened(state: AgentState, opened: Opened, out: Outbox<AgentEffect>): void {
  const length = contentLength(opened.request.headers);
  const problem = refusalOf(state, opened, length);
  if (problem === null) {
    askOrigin(state, opened, length, out);
    return;
  }
  state.counters.exchangesRefused++;
  refuse(state, opened, problem, out);
}

/** More of a request's body, or of an upgraded connection's bytes. */
function onPiece(state: AgentState, tunnel: Tunnel, piece: RequestPiece, out: Outbox<AgentEffect>): void {
  const { body, last } = piece;
  const exchange = state.exchanges.get(exchangeOf(tunnel, piece));
  assert(exchange !== undefined, "a piece is for an exchange that is over");
  if (isUpgradeRefused(exchange)) {
    giveCredit(exchange.carried, body.length);
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
    giveCredit(exchange.carried, body.length);
    cutOrigin(state, exchange, "bad_request", out);
    return;
  }
  exchange.requestLeft = left;
  exchange.heardMs = state.nowMs;
  sendOn(state.config, exchange, piece, out);
}

/** Why no origin can have the request; null where one can. */
function refusalOf(
  state: AgentState,
  { request, body, last }: Opened,
  length: DeclaredLength,
): AgentProblem | null {
  const { method, target, headers, upgrade } = request;
  if (state.links[0].life.phase === "draining") return "draining";
  if (state.exchanges.size >= state.config.limits.exchangesMax) return "limit_exchanges";
  if (isFlooded(state)) return "limit_aborts";
  if (!isRequestLine(method, target) || !validHeaders(headers)) return "bad_request";
  if (length === "invalid") return "bad_request";
  if (length !== null && (last ? body.length !== length : body.length > length)) return "bad_request";
  if (upgrade && (last || body.length > 0 || (length ?? 0) > 0)) return "bad_request";
  const origin = state.config.origins[originFor(state.config.origins, target)];
  if (origin === undefined) return "no_origin";
  return mayEscape(origin, target) ? "bad_request" : null;
}

function askOrigin(
  state: AgentState,
  opened: Opened,
  length: DeclaredLength,
  out: Outbox<AgentEffect>,
): void {
  const { config } = state;
  const { method, target, headers, upgrade } = opened.request;
  assert(length !== "invalid", "a length was not checked");
  const body = upgrade ? null : bodyOf(opened, length);
  const isStreamed = body === "streamed";
  const id = ++state.exchangesMade as ExchangeId;
  const origin = originFor(config.origins, target);
  const places = placesOf(config, origin, headers);
  const passed = towardsService(passedHeaders(headers, upgrade), places, config);
  const sent = originHeaders(config, origin, passed);
  const handshake = upgrade ? acceptFor(sent) : null;
  const exchange = createExchange(state, opened, accept(opened, id), places, handshake);
  exchange.requestLeft = upgrade || length === null ? null : length - opened.body.length;
  exchange.unflushedBytes = body === null || isStreamed ? 0 : body.length;
  state.exchanges.set(id, exchange);
  state.counters.exchangesStarted++;
  arm(state.timers, exchange.originTimer, state.nowMs + originIdleMs(state, exchange.carried));
  out.push({
    type: "origin_request",
    exchange: id,
    origin,
    method,
    target,
    headers: sent,
    body,
    bodyBytes: isStreamed ? length : (body?.length ?? null),
    upgrade,
  });
  if (isStreamed) sendOn(config, exchange, opened, out);
}

type DeclaredLength = ReturnType<typeof contentLength>;

/** Without the length: the adapter frames the body anew, by `bodyBytes`. */
function passedHeaders(headers: HeaderList, upgrade: boolean): HeaderList {
  if (!upgrade) return endToEndWithout(headers, (name) => name === "content-length");
  return withoutHeader(endToEndBut(headers, UPGRADE_FIELDS), "content-length");
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

function sendOn(
  config: AgentConfig,
  exchange: Exchange,
  piece: Opened | RequestPiece,
  out: Outbox<AgentEffect>,
): void {
  const { body, last } = piece;
  if (body.length > 0) {
    exchange.unflushedBytes += body.length;
    out.push({ type: "origin_send", exchange: exchange.id, bytes: body });
  }
  if (!last) return;
  exchange.requestEnded = true;
  // A body with a declared length has no place for trailers, and neither has a raw connection.
  const hasPlace = exchange.requestLeft === null && !exchange.upgrade;
  const trailers = hasPlace ? unconfigured(config, passedTrailers(piece.trailers)) : [];
  out.push({ type: "origin_send_end", exchange: exchange.id, trailers });
}

function createExchange(
  state: AgentState,
  opened: Opened,
  carried: Carried,
  places: Places | null,
  accept: string | null,
): Exchange {
  const id = carried.exchange;
  return {
    id,
    carried,
    requestId: opened.requestId,
    method: opened.request.method,
    upgrade: opened.request.upgrade,
    accept,
    places,
    originTimer: createTimer({ kind: "origin", exchange: id }),
    heardMs: state.nowMs,
    requestEnded: opened.last,
    requestLeft: null,
    unflushedBytes: 0,
    headed: false,
    upgraded: false,
    hasBody: true,
    bodyLeft: null,
  };
}

/** Whether the origin answered instead of upgrading: then its connection takes nothing more. */
function isUpgradeRefused(exchange: Exchange): boolean {
  return exchange.upgrade && exchange.headed && !exchange.upgraded;
}
