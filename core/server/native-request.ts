/**
 * The way of a request to its home over the native protocol: the head at once, the body as it comes, as fast as the home
 * takes it.
 *
 * The body is read from the visitor at once, or where it comes only after `100 Continue`, when the home has said so or said
 * nothing for `continueMs`. What waits for credit or for an acknowledgement is held by the session, and counted in
 * `sessionBytes` and not in the exchange's `heldBytes`. It is bounded by `queueBytesMax` and one read beyond it, by the
 * window that the agent gives, and where many agents give much, by `heldBytesTotal`.
 */
import { assert } from "../assert.ts";
import { retain } from "../bytes.ts";
import type { ServerEffect } from "../effects.ts";
import { forwardHeaders } from "../http/forwarded.ts";
import { type HeaderList, headerValue, withoutHeader } from "../http/headers.ts";
import { passedTrailers } from "../http/trailers.ts";
import type { ExchangeId } from "../ids.ts";
import type { Outbox } from "../outbox.ts";
import { openStream, resetStream, sendBody, sendEnd } from "../session/send.ts";
import type { Stream } from "../session/state.ts";
import { arm } from "../timers.ts";
import { TOKEN_ACCESS } from "./access.ts";
import { armDeadline, enterPhase, failExchange } from "./exchange.ts";
import { releaseUnwritten } from "./held.ts";
import { homeHeaders } from "./route.ts";
import { touch } from "./sessions.ts";
import type { Exchange, NativeExchange, ServerState, TunnelSession } from "./state.ts";
import { withUpgrade } from "./upgrade.ts";

/** Sends the head, and what there is of the body already. */
export function openNativeRequest(
  state: ServerState,
  exchange: Exchange,
  session: TunnelSession,
  out: Outbox<ServerEffect>,
): void {
  const { limits } = state.config;
  const { request, route } = exchange;
  if (session.exchanges.size >= limits.tunnelExchangesMax) {
    return failExchange(state, exchange, "limit_tunnel_exchanges", out);
  }
  const stream = openStream(session.link, exchange.id, {
    method: request.method,
    target: route.forward.target,
    peer: request.peer,
    upgrade: request.upgrade,
    headers: requestHeaders(state, exchange),
  });
  exchange.native = { session, stream, reads: false, frames: null };
  session.exchanges.add(exchange.id);
  touch(state, session);
  enterPhase(exchange, "waiting");
  armDeadline(state, exchange, limits.responseHeadMs);
  if (request.upgrade) return;
  if (!request.hasBody) sendEnd(session.link, stream, []);
  else if (exchange.requestRead) sendGatheredBody(state, exchange, session, stream);
  else if (request.expectsContinue) armDeadline(state, exchange, limits.continueMs);
  else readBody(state, exchange, out);
}

/** Asks for the body, unless it was asked for or the home has answered without it. */
export function readBody(state: ServerState, exchange: Exchange, out: Outbox<ServerEffect>): void {
  const { native } = exchange;
  if (native === null || !waitsToRead(exchange, native) || exchange.phase !== "waiting") return;
  native.reads = true;
  armDeadline(state, exchange, state.config.limits.requestIdleMs);
  out.push({ type: "exchange_read", exchange: exchange.id });
}

/** Body bytes, or of an upgrade the raw bytes after its 101. */
export function onNativeBody(
  state: ServerState,
  exchange: Exchange,
  native: NativeExchange,
  bytes: Uint8Array,
  out: Outbox<ServerEffect>,
): void {
  assert(native.reads, "a request body came that was not asked for");
  const { session, stream } = native;
  const { limits } = state.config;
  exchange.lastProgressMs = state.nowMs;
  exchange.requestBytes += bytes.length;
  if (bytes.length === 0) return;
  sendBody(session.link, stream, retain(bytes));
  touch(state, session);
  if (state.heldBytes + state.sessionBytes + bytes.length > limits.heldBytesTotal) {
    return failExchange(state, largestSender(state, exchange), "limit_slow_agent", out);
  }
  if (stream.send.queuedBytes <= limits.queueBytesMax || stream.sourcePaused) return;
  stream.sourcePaused = true;
  out.push({ type: "exchange_pause", exchange: exchange.id, paused: true });
}

export function onNativeBodyEnded(
  state: ServerState,
  exchange: Exchange,
  native: NativeExchange,
  trailers: HeaderList,
): void {
  assert(native.reads, "a request body ended that was not asked for");
  exchange.requestRead = true;
  sendEnd(native.session.link, native.stream, passedTrailers(trailers));
  touch(state, native.session);
  // From now on it is the home that is waited for.
  if (exchange.phase === "waiting") armDeadline(state, exchange, state.config.limits.responseHeadMs);
}

/** The queue has emptied: the visitor is read again. */
export function onSourceRelieved(state: ServerState, stream: Stream, out: Outbox<ServerEffect>): void {
  const exchange = state.exchanges.get(stream.id as ExchangeId);
  if (exchange?.native?.stream !== stream) return;
  out.push({ type: "exchange_pause", exchange: exchange.id, paused: false });
  if (exchange.phase === "waiting" && !exchange.requestRead) {
    armDeadline(state, exchange, state.config.limits.requestIdleMs);
  }
}

/** The deadline of an exchange whose head is not in: of the visitor who has to send, or of the home that has to answer. */
export function onNativeTimer(
  state: ServerState,
  exchange: Exchange,
  native: NativeExchange,
  out: Outbox<ServerEffect>,
): void {
  const { limits } = state.config;
  if (waitsToRead(exchange, native)) return readBody(state, exchange, out);
  const forVisitor = native.reads && !exchange.requestRead && !native.stream.sourcePaused;
  const dueMs = exchange.lastProgressMs + (forVisitor ? limits.requestIdleMs : limits.responseHeadMs);
  if (state.nowMs < dueMs) arm(state.timers, exchange.timer, dueMs);
  else failExchange(state, exchange, forVisitor ? "request_timeout" : "response_timeout", out);
}

/** The exchange needs nothing more of its stream. A visitor who was not read is read on, so that his connection can end. */
export function leaveStream(
  state: ServerState,
  exchange: Exchange,
  native: NativeExchange,
  code: string,
  out: Outbox<ServerEffect>,
): void {
  const { session, stream } = native;
  if (stream.sourcePaused && code !== "visitor_left") {
    stream.sourcePaused = false;
    out.push({ type: "exchange_pause", exchange: exchange.id, paused: false });
  }
  resetStream(session.link, stream, code);
  touch(state, session);
}

/** The exchange whose session holds most for it. */
function largestSender(state: ServerState, exchange: Exchange): Exchange {
  let largest = exchange;
  for (const other of state.exchanges.values()) if (sentBytes(other) > sentBytes(largest)) largest = other;
  return largest;
}

function sentBytes({ native }: Exchange): number {
  return native === null ? 0 : native.stream.send.queuedBytes + native.stream.send.retainedBytes;
}

function waitsToRead(exchange: Exchange, native: NativeExchange): boolean {
  const { hasBody, upgrade } = exchange.request;
  return hasBody && !upgrade && !native.reads && !exchange.requestRead;
}

/** The body was read for an agent of MoosicBox's protocol, which a native one took over from. */
function sendGatheredBody(
  state: ServerState,
  exchange: Exchange,
  session: TunnelSession,
  stream: Stream,
): void {
  for (const part of exchange.requestParts) sendBody(session.link, stream, part);
  releaseUnwritten(state, exchange);
  sendEnd(session.link, stream, passedTrailers(exchange.requestTrailers));
}

/** What the home is told: end-to-end fields in their order, without what was meant for this server, and who asks. */
function requestHeaders(state: ServerState, exchange: Exchange): HeaderList {
  const { request, route } = exchange;
  const own = homeHeaders(route, exchange.access ?? TOKEN_ACCESS, request.headers);
  const passed = forwardHeaders({ target: request.target, headers: own, peer: request.peer }, state);
  if (request.upgrade) return withUpgrade(passed);
  const isExpected = request.expectsContinue && request.hasBody;
  return isExpected || headerValue(passed, "expect") === undefined ? passed : withoutHeader(passed, "expect");
}
