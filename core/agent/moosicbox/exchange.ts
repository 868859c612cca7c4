/**
 * One request frame, the origin's answer, and the packets that carry it back.
 *
 * An exchange lives in its tunnel from the frame to one of four ends: its last packet, the origin's failure, the server's
 * ABORT, the loss of the tunnel. It is forgotten before its last effect goes out, so nothing can be sent for it
 * afterwards; what the origin still reports finds no exchange and is ignored.
 *
 * A failure before packet 1 becomes a problem response. After it the protocol has no word for giving up, and a clean end
 * would pass a part for the whole: then the server is told with ABORT, Culvert's extension. A deployed server ignores that
 * and gives up by its own deadline.
 */
import { assert } from "../../assert.ts";
import type { AgentEffect } from "../../effects.ts";
import type { OriginFault } from "../../events.ts";
import { type HeaderList, validHeader } from "../../http/headers.ts";
import { encodeTarget } from "../../http/target.ts";
import type { ExchangeId } from "../../ids.ts";
import type { Outbox } from "../../outbox.ts";
import { arm, createTimer, disarm } from "../../timers.ts";
import { encodeAbortFrame, type HttpFrame } from "../../wire/frames.ts";
import { encodePacketHeader, type WireId } from "../../wire/packet.ts";
import { encodeUtf8 } from "../../wire/utf8.ts";
import { countAbort, isFlooded } from "../exchange/aborts.ts";
import { isRequestLine, originFor, originHeaders } from "../exchange/request-headers.ts";
import { type AgentProblem, agentProblem } from "../problem.ts";
import { onProtocolError } from "../protocol-error.ts";
import type { AgentState, Exchange, MoosicBoxTunnel } from "../state.ts";
import { pauseIfCongested, sendText, takesRefusals } from "./backpressure.ts";
import { carryHead } from "./head.ts";
import { addBody, beginPackets, dropHeld, endPackets } from "./packets.ts";

/** The server wants something from the origin. */
export function onRequestFrame(
  state: AgentState,
  tunnel: MoosicBoxTunnel,
  frame: HttpFrame,
  out: Outbox<AgentEffect>,
): void {
  if (tunnel.byWireId.has(frame.requestId)) {
    onProtocolError(state, "a request has the id of one that runs", out);
    return;
  }
  if (state.life.phase === "draining") {
    refuse(state, tunnel, frame, "draining", out);
  } else if (tunnel.exchanges.size >= state.config.limits.exchangesMax) {
    refuse(state, tunnel, frame, "limit_exchanges", out);
  } else if (isFlooded(state)) {
    refuse(state, tunnel, frame, "limit_aborts", out);
  } else {
    askOrigin(state, tunnel, frame, out);
  }
}

/** The server takes nothing more of it. An exchange that has ended by now is no fault: the two crossed. */
export function onAbortFrame(
  state: AgentState,
  tunnel: MoosicBoxTunnel,
  wireId: WireId,
  out: Outbox<AgentEffect>,
): void {
  const exchange = tunnel.byWireId.get(wireId);
  if (exchange === undefined) return;
  if (!exchange.headed) countAbort(state);
  forget(state, tunnel, exchange);
  dropHeld(state, exchange);
  out.push({ type: "origin_abort", exchange: exchange.id });
  state.counters.exchangesAborted++;
}

export function onOriginHead(
  state: AgentState,
  tunnel: MoosicBoxTunnel,
  exchange: Exchange,
  status: number,
  received: HeaderList,
  out: Outbox<AgentEffect>,
): void {
  assert(!exchange.headed, "an origin's head came twice");
  exchange.headed = true;
  exchange.originHeardMs = state.nowMs;
  const carried = carryHead(exchange.method, status, received);
  if (carried.type === "problem") {
    cutOrigin(state, tunnel, exchange, carried.problem, out);
    return;
  }
  const head = { status, headers: carried.headers };
  const firstHeader = encodePacketHeader({ requestId: exchange.wireId, packetId: 1, last: false, head });
  if (firstHeader.length > state.config.limits.packetBytesMax) {
    cutOrigin(state, tunnel, exchange, "limit_response_headers", out);
    return;
  }
  exchange.hasBody = carried.hasBody;
  exchange.bodyLeft = carried.bodyBytes;
  beginPackets(state, exchange, firstHeader);
  arm(state.timers, exchange.originTimer, state.nowMs + state.config.limits.originIdleMs);
  pauseIfCongested(tunnel, exchange, out);
}

export function onOriginBody(
  state: AgentState,
  tunnel: MoosicBoxTunnel,
  exchange: Exchange,
  bytes: Uint8Array,
  out: Outbox<AgentEffect>,
): void {
  assert(exchange.headed, "an origin's body came before its head");
  exchange.originHeardMs = state.nowMs;
  if (!exchange.hasBody) return;
  if (exchange.bodyLeft !== null) {
    if (bytes.length > exchange.bodyLeft) {
      cutOrigin(state, tunnel, exchange, "origin_broken", out);
      return;
    }
    exchange.bodyLeft -= bytes.length;
  }
  addBody(state, tunnel, exchange, bytes, out);
}

export function onOriginEnded(
  state: AgentState,
  tunnel: MoosicBoxTunnel,
  exchange: Exchange,
  out: Outbox<AgentEffect>,
): void {
  assert(exchange.headed, "an origin's answer ended before its head");
  if (exchange.bodyLeft !== null && exchange.bodyLeft > 0) {
    giveUp(state, tunnel, exchange, "origin_broken", out);
    return;
  }
  forget(state, tunnel, exchange);
  endPackets(state, tunnel, exchange, out);
  state.counters.exchangesCompleted++;
}

export function onOriginFailed(
  state: AgentState,
  tunnel: MoosicBoxTunnel,
  exchange: Exchange,
  fault: OriginFault,
  out: Outbox<AgentEffect>,
): void {
  giveUp(state, tunnel, exchange, `origin_${fault}`, out);
}

/** The origin's time may be up. Body bytes only note when they came; a paused origin is silent because we want it so. */
export function onOriginDeadline(
  state: AgentState,
  tunnel: MoosicBoxTunnel,
  exchange: Exchange,
  out: Outbox<AgentEffect>,
): void {
  if (exchange.paused) exchange.originHeardMs = state.nowMs;
  const idleAtMs = exchange.originHeardMs + state.config.limits.originIdleMs;
  if (exchange.headed && state.nowMs < idleAtMs) arm(state.timers, exchange.originTimer, idleAtMs);
  else cutOrigin(state, tunnel, exchange, "origin_timeout", out);
}

/** Gives up all that runs, so that the server is told of each. */
export function giveUpAll(
  state: AgentState,
  tunnel: MoosicBoxTunnel,
  problem: AgentProblem,
  out: Outbox<AgentEffect>,
): void {
  for (const exchange of tunnel.exchanges.values()) cutOrigin(state, tunnel, exchange, problem, out);
}

/** The tunnel is gone, and with it everybody who waited for its answers. */
export function abandonAll(state: AgentState, tunnel: MoosicBoxTunnel, out: Outbox<AgentEffect>): void {
  for (const exchange of tunnel.exchanges.values()) {
    forget(state, tunnel, exchange);
    dropHeld(state, exchange);
    out.push({ type: "origin_abort", exchange: exchange.id });
    state.counters.exchangesLost++;
  }
}

function askOrigin(
  state: AgentState,
  tunnel: MoosicBoxTunnel,
  frame: HttpFrame,
  out: Outbox<AgentEffect>,
): void {
  const { config } = state;
  const target = encodeTarget(frame.path, frame.query);
  const headers = requestHeaders(frame);
  if (target === null || headers === null || !isRequestLine(frame.method, target)) {
    onProtocolError(state, "a request has a method, path or header that HTTP cannot carry", out);
    refuse(state, tunnel, frame, "bad_request", out);
    return;
  }
  const origin = originFor(config.origins, target);
  if (origin < 0) {
    refuse(state, tunnel, frame, "no_origin", out);
    return;
  }
  const exchange = createExchange(state, frame);
  tunnel.exchanges.set(exchange.id, exchange);
  tunnel.byWireId.set(exchange.wireId, exchange);
  state.counters.exchangesStarted++;
  arm(state.timers, exchange.originTimer, state.nowMs + config.limits.originHeadMs);
  const body = frame.payload === null ? null : encodeUtf8(frame.payload);
  out.push({
    type: "origin_request",
    exchange: exchange.id,
    origin,
    method: frame.method,
    target,
    headers: originHeaders(config, origin, headers),
    body,
    bodyBytes: body?.length ?? null,
    upgrade: false,
  });
}

function requestHeaders(frame: HttpFrame): HeaderList | null {
  const headers: string[] = [];
  for (const name of ["accept", "range"]) {
    const value = frame.headers.get(name);
    if (value !== undefined) headers.push(name, value);
  }
  if (frame.profile !== null) {
    if (!validHeader("moosicbox-profile", frame.profile)) return null;
    headers.push("moosicbox-profile", frame.profile);
  }
  if (frame.payload !== null) headers.push("content-type", "application/json");
  return headers;
}

function createExchange(state: AgentState, frame: HttpFrame): Exchange {
  const id = ++state.exchangesMade as ExchangeId;
  return {
    id,
    wireId: frame.requestId,
    method: frame.method,
    accept: frame.headers.get("accept") ?? null,
    originTimer: createTimer({ kind: "origin", exchange: id }),
    headed: false,
    hasBody: true,
    bodyLeft: null,
    originHeardMs: state.nowMs,
    paused: false,
    firstHeader: null,
    packetsSent: 0,
    held: [],
    heldBytes: 0,
    fillTimer: createTimer({ kind: "fill", exchange: id }),
  };
}

/** Answers a request that the origin never sees. */
function refuse(
  state: AgentState,
  tunnel: MoosicBoxTunnel,
  frame: HttpFrame,
  problem: AgentProblem,
  out: Outbox<AgentEffect>,
): void {
  state.counters.exchangesRefused++;
  if (!takesRefusals(state, tunnel)) {
    onProtocolError(state, "the server asks on without reading the answers", out);
    return;
  }
  sendProblem(state, tunnel, createExchange(state, frame), problem, out);
}

/** Ends an exchange whose origin is still at work. */
function cutOrigin(
  state: AgentState,
  tunnel: MoosicBoxTunnel,
  exchange: Exchange,
  problem: AgentProblem,
  out: Outbox<AgentEffect>,
): void {
  out.push({ type: "origin_abort", exchange: exchange.id });
  giveUp(state, tunnel, exchange, problem, out);
}

function giveUp(
  state: AgentState,
  tunnel: MoosicBoxTunnel,
  exchange: Exchange,
  problem: AgentProblem,
  out: Outbox<AgentEffect>,
): void {
  forget(state, tunnel, exchange);
  dropHeld(state, exchange);
  state.counters.exchangesFailed++;
  const { wireId, method } = exchange;
  const report = { type: "exchange_failed", requestId: String(wireId), method, fault: problem } as const;
  out.push({ type: "report", report });
  if (exchange.packetsSent === 0) sendProblem(state, tunnel, exchange, problem, out);
  else sendText(state, tunnel, encodeAbortFrame(exchange.wireId), out);
}

function sendProblem(
  state: AgentState,
  tunnel: MoosicBoxTunnel,
  exchange: Exchange,
  problem: AgentProblem,
  out: Outbox<AgentEffect>,
): void {
  const { wireId, method, accept } = exchange;
  const { status, headers, body } = agentProblem(problem, wireId, accept);
  const head = { status, headers };
  beginPackets(state, exchange, encodePacketHeader({ requestId: wireId, packetId: 1, last: false, head }));
  if (method !== "HEAD") addBody(state, tunnel, exchange, body, out);
  endPackets(state, tunnel, exchange, out);
}

function forget(state: AgentState, tunnel: MoosicBoxTunnel, exchange: Exchange): void {
  disarm(state.timers, exchange.originTimer);
  assert(tunnel.exchanges.delete(exchange.id), "an exchange is forgotten twice");
  tunnel.byWireId.delete(exchange.wireId);
}
