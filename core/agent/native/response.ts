/**
 * From the origin to the server: a response of the native protocol.
 *
 * The session puts what is queued into frames; here is decided when a piece that does not fill one may go. As with
 * packets (`moosicbox/packets.ts`), the head and the first bytes wait `packetFillMs` for the end, since most responses end within
 * that time and fit one frame; what is left of a big chunk waits for the next chunk; bytes that complete the declared
 * length wait for the end; a small piece of a response that is under way, such as an event, goes at once.
 *
 * A failure before the head has gone out becomes a problem response. After it the exchange is reset, since a clean end would pass a
 * part for the whole.
 */
import { assert } from "../../assert.ts";
import { retain } from "../../bytes.ts";
import type { AgentEffect } from "../../effects.ts";
import type { OriginFault } from "../../events.ts";
import { contentLength, type HeaderList, validHeaders } from "../../http/headers.ts";
import { passedTrailers } from "../../http/trailers.ts";
import type { Outbox } from "../../outbox.ts";
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
import { arm, disarm, isArmed } from "../../timers.ts";
import { endToEndBut, UPGRADE_FIELDS } from "../exchange/request-headers.ts";
import { type AgentProblem, agentProblem } from "../problem.ts";
import type { AgentSession, AgentState, NativeExchange } from "../state.ts";
import { forget } from "./session.ts";

/** From here on a chunk counts as a piece of a bulk body, as in `moosicbox/packets.ts`. */
const BULK_CHUNK_BYTES = 16 * 1024;

export function onNativeInterim(
  state: AgentState,
  session: AgentSession,
  exchange: NativeExchange,
  status: number,
  headers: HeaderList,
): void {
  exchange.heardMs = state.nowMs;
  const isInterim = status >= 100 && status <= 199 && status !== 101;
  if (exchange.headed || !isInterim || !validHeaders(headers)) return;
  if (exchange.interims >= state.config.limits.interimsMax) return;
  exchange.interims++;
  sendInterim(session.wire, exchange.stream, status, endToEndBut(headers, NOTHING));
}

export function onNativeHead(
  state: AgentState,
  session: AgentSession,
  exchange: NativeExchange,
  status: number,
  received: HeaderList,
  out: Outbox<AgentEffect>,
): void {
  assert(!exchange.headed, "an origin's head came twice");
  exchange.heardMs = state.nowMs;
  const problem = headProblem(state, exchange, status, received);
  if (problem !== null) {
    cutOrigin(state, session, exchange, problem, out);
    return;
  }
  const { wire } = session;
  const { originIdleMs, packetFillMs } = state.config.limits;
  exchange.headed = true;
  exchange.upgraded = status === 101;
  const length = exchange.upgraded ? null : contentLength(received);
  // RFC 9112 section 6.3: these have no body, whatever their content-length says.
  exchange.hasBody = exchange.upgraded || (exchange.method !== "HEAD" && status !== 204 && status !== 304);
  exchange.bodyLeft = exchange.hasBody && length !== "invalid" ? length : null;
  const isChunked = length === null && exchange.hasBody;
  const keeps = exchange.upgraded ? UPGRADE_FIELDS : isChunked ? TRAILER_FIELD : NOTHING;
  sendHead(wire, exchange.stream, status, endToEndBut(received, keeps));
  arm(state.timers, exchange.originTimer, state.nowMs + originIdleMs);
  if (exchange.upgraded) release(state, session, exchange);
  else arm(state.timers, exchange.fillTimer, state.nowMs + packetFillMs);
}

export function onNativeBody(
  state: AgentState,
  session: AgentSession,
  exchange: NativeExchange,
  bytes: Uint8Array,
  out: Outbox<AgentEffect>,
): void {
  assert(exchange.headed, "an origin's body came before its head");
  exchange.heardMs = state.nowMs;
  if (!exchange.hasBody || bytes.length === 0) return;
  if (exchange.bodyLeft !== null) {
    if (bytes.length > exchange.bodyLeft) {
      cutOrigin(state, session, exchange, "origin_broken", out);
      return;
    }
    exchange.bodyLeft -= bytes.length;
  }
  sendBody(session.wire, exchange.stream, retain(bytes));
  session.fed = exchange;
  const isBulk = bytes.length >= BULK_CHUNK_BYTES && !exchange.upgraded;
  const waits = !exchange.released || isBulk || exchange.bodyLeft === 0;
  if (!waits) release(state, session, exchange);
  else if (!isArmed(exchange.fillTimer)) {
    arm(state.timers, exchange.fillTimer, state.nowMs + state.config.limits.packetFillMs);
  }
}

export function onNativeEnded(
  state: AgentState,
  session: AgentSession,
  exchange: NativeExchange,
  trailers: HeaderList,
  out: Outbox<AgentEffect>,
): void {
  assert(exchange.headed, "an origin's answer ended before its head");
  if (exchange.bodyLeft !== null && exchange.bodyLeft > 0) {
    giveUp(state, session, exchange, "origin_broken", out);
    return;
  }
  const hasPlace = exchange.hasBody && exchange.bodyLeft === null && !exchange.upgraded;
  forget(state, session, exchange);
  sendEnd(session.wire, exchange.stream, hasPlace ? passedTrailers(trailers) : []);
  state.counters.exchangesCompleted++;
}

export function onNativeFailed(
  state: AgentState,
  session: AgentSession,
  exchange: NativeExchange,
  fault: OriginFault,
  out: Outbox<AgentEffect>,
): void {
  giveUp(state, session, exchange, `origin_${fault}`, out);
}

/** What waited to fill a frame has waited long enough; from now on small pieces go at once. */
export function release(state: AgentState, session: AgentSession, exchange: NativeExchange): void {
  disarm(state.timers, exchange.fillTimer);
  exchange.released = true;
  const { stream } = exchange;
  // A full frame may have taken all of it meanwhile.
  if (stream.send.head !== null || stream.send.queuedBytes > 0) flushStream(session.wire, stream);
}

/**
 * The origin's time may be up. It is excused while it is paused, and while it waits for a body that the visitor does not
 * send: the server has a deadline for that.
 */
export function onNativeDeadline(
  state: AgentState,
  session: AgentSession,
  exchange: NativeExchange,
  out: Outbox<AgentEffect>,
): void {
  const { originHeadMs, originIdleMs } = state.config.limits;
  const waitsForVisitor = !exchange.headed && !exchange.requestEnded && exchange.unflushedBytes === 0;
  const isExcused = exchange.stream.sourcePaused || (waitsForVisitor && !exchange.upgrade);
  if (isExcused) exchange.heardMs = state.nowMs;
  const dueMs = exchange.heardMs + (exchange.headed ? originIdleMs : originHeadMs);
  if (state.nowMs < dueMs) arm(state.timers, exchange.originTimer, dueMs);
  else cutOrigin(state, session, exchange, "origin_timeout", out);
}

/** Ends an exchange whose origin is still at work. */
export function cutOrigin(
  state: AgentState,
  session: AgentSession,
  exchange: NativeExchange,
  problem: AgentProblem,
  out: Outbox<AgentEffect>,
): void {
  out.push({ type: "origin_abort", exchange: exchange.id });
  giveUp(state, session, exchange, problem, out);
}

/** Gives up all that runs, so that the server is told of each. */
export function cutAll(
  state: AgentState,
  session: AgentSession,
  problem: AgentProblem,
  out: Outbox<AgentEffect>,
): void {
  for (const exchange of session.exchanges.values()) cutOrigin(state, session, exchange, problem, out);
}

/** Answers a request that no origin sees. */
export function refuseRequest(
  session: AgentSession,
  stream: Stream,
  method: string,
  accept: string | null,
  problem: AgentProblem,
): void {
  const { status, headers, body } = agentProblem(problem, stream.id, accept);
  sendHead(session.wire, stream, status, headers);
  if (method !== "HEAD") sendBody(session.wire, stream, body);
  sendEnd(session.wire, stream, []);
}

function giveUp(
  state: AgentState,
  session: AgentSession,
  exchange: NativeExchange,
  problem: AgentProblem,
  out: Outbox<AgentEffect>,
): void {
  const { stream, method, accept } = exchange;
  forget(state, session, exchange);
  state.counters.exchangesFailed++;
  const report = { type: "exchange_failed", requestId: String(stream.id), method, fault: problem } as const;
  out.push({ type: "report", report });
  // A head that waits for its body has told nobody anything yet.
  const isTold = exchange.headed && !retractHead(session.wire, stream);
  if (isTold) resetStream(session.wire, stream, "agent_gave_up");
  else refuseRequest(session, stream, method, accept, problem);
}

/** Why the head cannot be passed on; null where it can. */
function headProblem(
  state: AgentState,
  exchange: NativeExchange,
  status: number,
  headers: HeaderList,
): AgentProblem | null {
  const isUpgraded = status === 101 && exchange.upgrade;
  if (!isUpgraded && (status < 200 || status > 599)) return "origin_malformed";
  if (!validHeaders(headers) || contentLength(headers) === "invalid") return "origin_malformed";
  let bytes = 0;
  for (const text of headers) bytes += text.length;
  return bytes > state.config.limits.packetBytesMax ? "limit_response_headers" : null;
}

const NOTHING: ReadonlySet<string> = new Set();

/** Announces what a chunked body's trailer section will have. */
const TRAILER_FIELD: ReadonlySet<string> = new Set(["trailer"]);
