/**
 * How the native protocol carries an exchange: as a stream of the session, both ways at once.
 *
 * The session puts what is queued into frames; here is decided when a piece that does not fill one may go (`fill.ts`). A
 * small piece of a response that is under way, such as an event, goes at once.
 *
 * A failure before the head has gone out becomes a problem response. After it the exchange is reset, since a clean end would
 * pass a part for the whole.
 */
import { assert, unreachable } from "../../assert.ts";
import { retain } from "../../bytes.ts";
import type { AgentEffect } from "../../effects.ts";
import { type HeaderList, headerValue, validHeaders } from "../../http/headers.ts";
import type { ExchangeId } from "../../ids.ts";
import type { Outbox } from "../../outbox.ts";
import { consume } from "../../session/credit.ts";
import {
  flushStream,
  resetStream,
  retractHead,
  sendBody,
  sendEnd,
  sendHead,
  sendInterim,
} from "../../session/send.ts";
import type { Stream } from "../../session/state.ts";
import { arm, createTimer, disarm, isArmed } from "../../timers.ts";
import type { CarrierOrder, NativeOpened } from "../carrier.ts";
import { endToEndBut, UPGRADE_FIELDS } from "../end-to-end.ts";
import { mayWait } from "../fill.ts";
import { passedLimit } from "../patience.ts";
import { type AgentProblem, agentProblem } from "../problem.ts";
import { onProtocolError } from "../protocol-error.ts";
import type { AgentSession, AgentState, NativeCarried } from "../state.ts";

export function acceptStream(opened: NativeOpened, exchange: ExchangeId): NativeCarried {
  const { session, stream, request } = opened;
  const carried: NativeCarried = {
    protocol: "native",
    exchange,
    session,
    stream,
    method: request.method,
    accept: headerValue(request.headers, "accept") ?? null,
    upgrade: request.upgrade,
    upgraded: false,
    relievedMs: 0,
    interims: 0,
    released: false,
    fillTimer: createTimer({ kind: "fill", exchange }),
  };
  session.byStream.set(stream.id, carried);
  return carried;
}

/** Answers a request that no origin sees. */
export function refuseStream(
  state: AgentState,
  { session, stream, request, body }: NativeOpened,
  problem: AgentProblem,
  out: Outbox<AgentEffect>,
): void {
  if (problem === "bad_request") {
    onProtocolError(state, "a request has a method, target, header or length that HTTP cannot carry", out);
  }
  consumeAny(session, stream, body.length);
  const accept = headerValue(request.headers, "accept") ?? null;
  sendProblem(state, { session, stream, method: request.method, accept }, problem);
}

/** The problem of a head that cannot be passed on, else null. */
export function obeyNative(
  state: AgentState,
  carried: NativeCarried,
  order: CarrierOrder,
): AgentProblem | null {
  const { session, stream } = carried;
  switch (order.type) {
    case "interim":
      passInterim(state, carried, order.status, order.headers);
      break;
    case "head":
      return beginResponse(state, carried, order);
    case "end":
      forget(state, carried);
      sendEnd(session.wire, stream, order.trailers);
      break;
    case "give_up":
      forget(state, carried);
      breakOff(state, carried, order.problem);
      break;
    case "drop":
      forget(state, carried);
      break;
    default:
      unreachable(order);
  }
  return null;
}

/** A piece of the response's body. */
export function queuePiece(
  state: AgentState,
  carried: NativeCarried,
  bytes: Uint8Array,
  isComplete: boolean,
): void {
  const { session, stream, released, upgraded, fillTimer } = carried;
  sendBody(session.wire, stream, retain(bytes));
  session.fed = carried;
  const waits = !released || (!upgraded && mayWait(bytes, isComplete));
  if (!waits) release(state, carried);
  else if (!isArmed(fillTimer)) {
    arm(state.timers, fillTimer, state.nowMs + state.config.limits.packetFillMs);
  }
}

/** What waited to fill a frame has waited long enough; from now on small pieces go at once. */
export function release(state: AgentState, carried: NativeCarried): void {
  disarm(state.timers, carried.fillTimer);
  carried.released = true;
  const { session, stream } = carried;
  // A full frame may have taken all of it meanwhile.
  if (stream.send.head !== null || stream.send.queuedBytes > 0) flushStream(session.wire, stream);
}

export function consumeAny(session: AgentSession, stream: Stream, bytes: number): void {
  if (bytes > 0) consume(session.wire, stream, bytes);
}

export function nativeHeldUntilMs({ stream, relievedMs }: NativeCarried, nowMs: number): number {
  return stream.sourcePaused ? nowMs : relievedMs;
}

function passInterim(state: AgentState, carried: NativeCarried, status: number, headers: HeaderList): void {
  const { session, stream } = carried;
  const isInterim = status >= 100 && status <= 199 && status !== 101;
  if (stream.send.headed || !isInterim || !validHeaders(headers)) return;
  if (carried.interims >= state.config.limits.interimsMax) return;
  carried.interims++;
  sendInterim(session.wire, stream, status, endToEndBut(headers, NOTHING));
}

function beginResponse(
  state: AgentState,
  carried: NativeCarried,
  { status, headers, hasBody, bodyBytes }: Extract<CarrierOrder, { type: "head" }>,
): AgentProblem | null {
  const problem = headProblem(state, carried, status, headers);
  if (problem !== null) return problem;
  carried.upgraded = status === 101;
  const isChunked = hasBody && bodyBytes === null;
  const keeps = carried.upgraded ? UPGRADE_FIELDS : isChunked ? TRAILER_FIELD : NOTHING;
  sendHead(carried.session.wire, carried.stream, status, endToEndBut(headers, keeps));
  if (carried.upgraded) release(state, carried);
  else arm(state.timers, carried.fillTimer, state.nowMs + state.config.limits.packetFillMs);
  return null;
}

/** Why the head cannot be passed on; null where it can. */
function headProblem(
  { config }: AgentState,
  { upgrade }: NativeCarried,
  status: number,
  headers: HeaderList,
): AgentProblem | null {
  const isUpgraded = status === 101 && upgrade;
  if (!isUpgraded && (status < 200 || status > 599)) return "origin_malformed";
  if (!validHeaders(headers)) return "origin_malformed";
  let bytes = 0;
  for (const text of headers) bytes += text.length;
  return bytes > config.limits.originHeadBytesMax ? "origin_head_too_large" : null;
}

const NOTHING: ReadonlySet<string> = new Set();

/** Announces what a chunked body's trailer section will have. */
const TRAILER_FIELD: ReadonlySet<string> = new Set(["trailer"]);

function breakOff(state: AgentState, carried: NativeCarried, problem: AgentProblem): void {
  const { session, stream } = carried;
  // A head that waits for its body has told nobody anything yet.
  const isTold = stream.send.headed && !retractHead(session.wire, stream);
  if (!isTold) return sendProblem(state, carried, problem);
  resetStream(session.wire, stream, problem === "origin_timeout" ? "response_timeout" : "agent_gave_up");
}

function sendProblem(
  { config }: AgentState,
  { session, stream, method, accept }: Pick<NativeCarried, "session" | "stream" | "method" | "accept">,
  problem: AgentProblem,
): void {
  const { wire, idleMs } = session;
  const detail = passedLimit(config.limits, idleMs, problem);
  const occasion = { detail, requestId: stream.id, accept, docsUrl: config.docsUrl };
  const { status, headers, body } = agentProblem(problem, occasion);
  sendHead(wire, stream, status, headers);
  if (method !== "HEAD") sendBody(wire, stream, body);
  sendEnd(wire, stream, []);
}

/** The exchange is over here; its stream goes on until all is acknowledged. */
function forget(state: AgentState, carried: NativeCarried): void {
  const { session, stream, fillTimer } = carried;
  disarm(state.timers, fillTimer);
  assert(session.byStream.delete(stream.id), "an exchange is forgotten twice");
  stream.sourcePaused = false;
}
