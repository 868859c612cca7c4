/**
 * The way of the home's answer to the visitor: packets in order, status and headers from packet 1 alone, the body streamed
 * on as it comes, or gathered and sent whole for a blocking request.
 */
import { assert } from "../assert.ts";
import { retain } from "../bytes.ts";
import type { ServerEffect } from "../effects.ts";
import { chooseCoding, compressedHeaders } from "../http/compression.ts";
import { withoutCors } from "../http/cors.ts";
import { contentLength, endToEnd, withoutHeader } from "../http/headers.ts";
import type { ExchangeId } from "../ids.ts";
import type { Outbox } from "../outbox.ts";
import { acceptPacket, isComplete, takeParked } from "../resequencer.ts";
import type { Packet, PacketHead, WireId } from "../wire/packet.ts";
import { onStray } from "./aborts.ts";
import { onLagGrown, onLagShrunk } from "./backpressure.ts";
import { armDeadline, endExchange, enterPhase, failExchange } from "./exchange.ts";
import { hold, release } from "./held.ts";
import { onNativeFlushed } from "./native-response.ts";
import { giveUpOverLimit } from "./overload.ts";
import { corsOf, countWritten, respondWhole } from "./respond.ts";
import type { Exchange, ServerState, Tunnel } from "./state.ts";

/** The exchange that this tunnel may answer under that wire id; undefined for one that is unknown, ended or another's. */
export function answerable(state: ServerState, tunnel: Tunnel, requestId: WireId): Exchange | undefined {
  if (typeof requestId !== "number") return undefined;
  const exchange = state.exchanges.get((requestId - state.config.idBase) as ExchangeId);
  return exchange?.tunnel === tunnel.id ? exchange : undefined;
}

export function onPacket(
  state: ServerState,
  tunnel: Tunnel,
  packet: Packet,
  out: Outbox<ServerEffect>,
): void {
  state.counters.bytesIn += packet.body.length;
  const exchange = answerable(state, tunnel, packet.requestId);
  if (exchange === undefined) return onStray(state, tunnel, packet.requestId, out);
  const verdict = acceptPacket(exchange.order, packet, state.config.limits);
  if (verdict !== "duplicate") exchange.lastProgressMs = state.nowMs;
  switch (verdict) {
    case "duplicate":
      state.counters.duplicatePackets++;
      return;
    case "parked":
      hold(state, exchange, packet.body.length);
      return giveUpOverLimit(state, exchange, out);
    case "next":
      deliver(state, exchange, packet, out);
      deliverParked(state, exchange, out);
      // The head was waited for with another patience than the body is.
      if (packet.head !== null && exchange.phase === "responding") {
        armDeadline(state, exchange, state.config.limits.responseIdleMs);
      }
      return;
    case "conflict":
      return breakProtocol(state, exchange, "A packet came twice with different content.", out);
    case "beyond_last":
      return breakProtocol(state, exchange, "A packet came behind the last one.", out);
    case "overflow":
      return breakProtocol(state, exchange, "Too much came ahead of a missing packet.", out);
  }
}

function deliverParked(state: ServerState, exchange: Exchange, out: Outbox<ServerEffect>): void {
  while (exchange.phase === "responding") {
    const packet = takeParked(exchange.order);
    if (packet === undefined) return;
    release(state, exchange, packet.body.length);
    deliver(state, exchange, packet, out);
  }
}

function deliver(state: ServerState, exchange: Exchange, packet: Packet, out: Outbox<ServerEffect>): void {
  if (packet.head !== null) {
    enterPhase(exchange, "responding");
    if (!takeHead(state, exchange, packet.head, out)) return;
  }
  const { head } = exchange;
  assert(head !== null, "a packet is delivered before the head");
  if (head.hasBody && !takeLength(state, exchange, packet.body.length, packet.last, out)) return;
  const body = head.hasBody ? packet.body : EMPTY;
  if (exchange.route.forward.blocking) gather(state, exchange, body, isComplete(exchange.order), out);
  else stream(state, exchange, body, packet.head !== null && packet.last, out);
}

/** Checks the head and keeps it; false where the exchange failed by it. */
function takeHead(
  state: ServerState,
  exchange: Exchange,
  head: PacketHead,
  out: Outbox<ServerEffect>,
): boolean {
  const { status } = head;
  const declared = contentLength(head.headers);
  if (status < 200 || status > 599 || declared === "invalid") {
    breakProtocol(state, exchange, "The head of the answer is not a final response's.", out);
    return false;
  }
  const hasBody = exchange.request.method !== "HEAD" && status !== 204 && status !== 304;
  const passed = endToEnd(head.headers);
  // On its own name the home's service says itself who may read across sites.
  let headers = exchange.route.forward.way === "query" ? withoutCors(passed) : passed;
  // RFC 9110 section 8.6: a 204 has no content-length. One value remains of a repeated one.
  if (declared !== null) headers = withoutHeader(headers, "content-length");
  if (declared !== null && status !== 204) headers = [...headers, "content-length", String(declared)];
  exchange.head = { status, headers, declaredBytes: declared, hasBody };
  if (
    exchange.route.forward.blocking &&
    hasBody &&
    (declared ?? 0) > state.config.limits.responseBufferBytesMax
  ) {
    failExchange(state, exchange, "limit_response_buffer", out);
    return false;
  }
  return true;
}

/** Holds the body against its declared length (RFC 9112 section 6.3); false where the exchange failed by it. */
export function takeLength(
  state: ServerState,
  exchange: Exchange,
  bytes: number,
  last: boolean,
  out: Outbox<ServerEffect>,
): boolean {
  exchange.responseBytes += bytes;
  const declared = exchange.head?.declaredBytes ?? null;
  const wrong =
    declared !== null && (exchange.responseBytes > declared || (last && exchange.responseBytes < declared));
  if (wrong) breakProtocol(state, exchange, "The body is not as long as its content-length says.", out);
  return !wrong;
}

function stream(
  state: ServerState,
  exchange: Exchange,
  body: Uint8Array,
  whole: boolean,
  out: Outbox<ServerEffect>,
): void {
  const { head, request } = exchange;
  assert(head !== null, "a body is streamed before its head");
  if (!exchange.headSent) {
    const coding = chooseCoding({
      method: request.method,
      status: head.status,
      requestHeaders: request.headers,
      responseHeaders: head.headers,
    });
    if (whole && coding === null) return respondAtOnce(state, exchange, body, out);
    sendHead(
      state,
      exchange,
      coding === null ? head.headers : compressedHeaders(head.headers, coding),
      coding,
      out,
    );
  }
  if (body.length > 0) {
    write(state, exchange, body, out);
    onLagGrown(state, exchange, out);
    giveUpOverLimit(state, exchange, out);
  }
  // The check above may have ended it.
  if (exchange.phase === "responding" && isComplete(exchange.order)) {
    out.push({ type: "respond_end", exchange: exchange.id, trailers: [] });
    endExchange(state, exchange, "completed", out);
  }
}

/** A response that came in one packet leaves in one write. */
export function respondAtOnce(
  state: ServerState,
  exchange: Exchange,
  body: Uint8Array,
  out: Outbox<ServerEffect>,
): void {
  const { head } = exchange;
  assert(head !== null, "a body is sent before its head");
  const framed = head.declaredBytes !== null || !head.hasBody;
  respondWhole(
    state,
    exchange,
    {
      status: head.status,
      headers: framed ? head.headers : [...head.headers, "content-length", String(body.length)],
      body: body.length === 0 ? [] : [body],
    },
    out,
  );
  endExchange(state, exchange, "completed", out);
  giveUpOverLimit(state, exchange, out);
}

/** Keeps a piece of a blocking response; `complete` where it was the last one. */
export function gather(
  state: ServerState,
  exchange: Exchange,
  body: Uint8Array,
  complete: boolean,
  out: Outbox<ServerEffect>,
): void {
  if (exchange.responseBytes > state.config.limits.responseBufferBytesMax) {
    return failExchange(state, exchange, "limit_response_buffer", out);
  }
  if (body.length > 0) {
    exchange.responseParts.push(retain(body));
    hold(state, exchange, body.length);
    giveUpOverLimit(state, exchange, out);
  }
  if (exchange.phase === "responding" && complete) sendGathered(state, exchange, out);
}

/** In pieces, so that the progress of a visitor who takes it slowly can be seen. */
function sendGathered(state: ServerState, exchange: Exchange, out: Outbox<ServerEffect>): void {
  const { head } = exchange;
  assert(head !== null, "a body is sent before its head");
  const framed = head.declaredBytes !== null || !head.hasBody;
  sendHead(
    state,
    exchange,
    framed ? head.headers : [...head.headers, "content-length", String(exchange.responseBytes)],
    null,
    out,
  );
  const parts = exchange.responseParts;
  exchange.responseParts = [];
  for (const part of parts) {
    release(state, exchange, part.length);
    write(state, exchange, part, out);
  }
  out.push({ type: "respond_end", exchange: exchange.id, trailers: [] });
  endExchange(state, exchange, "completed", out);
}

export function sendHead(
  state: ServerState,
  exchange: Exchange,
  headers: readonly string[],
  coding: "br" | "gzip" | null,
  out: Outbox<ServerEffect>,
): void {
  assert(exchange.head !== null, "a head is sent before it came");
  const { status } = exchange.head;
  exchange.headSent = true;
  exchange.status = status;
  out.push({
    type: "respond_head",
    exchange: exchange.id,
    status,
    headers: [...headers, ...corsOf(state, exchange)],
    coding,
  });
}

export function write(
  state: ServerState,
  exchange: Exchange,
  bytes: Uint8Array,
  out: Outbox<ServerEffect>,
): void {
  countWritten(state, exchange, bytes.length);
  out.push({ type: "respond_body", exchange: exchange.id, bytes });
}

/** The visitor took some of the body. */
export function onResponseFlushed(
  state: ServerState,
  exchange: Exchange,
  bytes: number,
  out: Outbox<ServerEffect>,
): void {
  // What was on its way when the connection was ordered to be destroyed counts no more.
  if (exchange.isCut) return;
  assert(bytes <= exchange.unflushedBytes, "a visitor took more than it was given");
  exchange.lastProgressMs = state.nowMs;
  exchange.unflushedBytes -= bytes;
  release(state, exchange, bytes);
  if (exchange.native !== null) return onNativeFlushed(state, exchange.native, bytes);
  onLagShrunk(state, exchange, out);
}

/** Gives somebody up where more is held than may be, this exchange perhaps. */
/** The agent broke the protocol on this exchange: the others of its tunnel go on. */
export function breakProtocol(
  state: ServerState,
  exchange: Exchange,
  detail: string,
  out: Outbox<ServerEffect>,
): void {
  state.counters.agentProtocolErrors++;
  failExchange(state, exchange, "agent_protocol", out, { detail });
}

const EMPTY = new Uint8Array(0);
