/**
 * The agent: holds one tunnel to the server and answers what comes through it from the origin.
 *
 * This file only sends each event to its place. `agent/life.ts` leads to the tunnel and back to it, `agent/exchange.ts`
 * answers requests, `agent/packets.ts` cuts bodies, `agent/backpressure.ts` keeps the pace, `agent/heartbeat.ts` finds
 * out when the server is gone. An event whose handle is not known belongs to something that is over, and is ignored.
 */
import { onFlushed, sendText, takesRefusals } from "./agent/backpressure.ts";
import type { AgentConfig } from "./agent/config.ts";
import {
  onAbortFrame,
  onOriginBody,
  onOriginDeadline,
  onOriginEnded,
  onOriginFailed,
  onOriginHead,
  onRequestFrame,
} from "./agent/exchange.ts";
import { onHeartbeat } from "./agent/heartbeat.ts";
import {
  onApiAnswered,
  onApiFailed,
  onDrainRequested,
  onLifeDeadline,
  onSocketClosed,
  onSocketOpened,
  onSocketRefused,
  settleDrain,
} from "./agent/life.ts";
import { flushHeld } from "./agent/packets.ts";
import { onProtocolError } from "./agent/protocol-error.ts";
import {
  type AgentState,
  createState,
  type Exchange,
  type TimerOwner,
  type Tunnel,
  tunnelOf,
} from "./agent/state.ts";
import { assert, unreachable } from "./assert.ts";
import type { AgentEffect } from "./effects.ts";
import type { AgentEvent } from "./events.ts";
import type { ExchangeId, SocketId } from "./ids.ts";
import { assertAgentLimits } from "./limits.ts";
import type { Outbox } from "./outbox.ts";
import { nextDeadlineMs, takeDue } from "./timers.ts";
import { decodeServerFrame, encodeSocketAnswer, type SocketFrame } from "./wire/frames.ts";

export { checkAgent } from "./agent/check.ts";
export type { AgentConfig } from "./agent/config.ts";
export type { AgentCounters, AgentState } from "./agent/state.ts";

/** The first step, a `tick`, begins to connect. */
export function createAgent(config: AgentConfig): AgentState {
  assertAgentLimits(config.limits);
  return createState(config);
}

/** Takes one event at one time, which never runs backwards. After `stopped` all events are ignored. */
export function stepAgent(
  state: AgentState,
  nowMs: number,
  event: AgentEvent,
  out: Outbox<AgentEffect>,
): void {
  assert(nowMs >= state.nowMs, "time went backwards");
  assert(out.count === 0, "the effects of the previous step were not carried out");
  state.nowMs = nowMs;
  if (state.life.phase === "stopped") return;
  dispatch(state, event, out);
  settleDrain(state, out);
}

/** When the next `tick` is due, in the same milliseconds as `nowMs`; Infinity when nothing is armed. */
export function agentDeadlineMs(state: AgentState): number {
  return nextDeadlineMs(state.timers);
}

function dispatch(state: AgentState, event: AgentEvent, out: Outbox<AgentEffect>): void {
  switch (event.type) {
    case "tick":
      fireDue(state, out);
      break;
    case "socket_opened":
      onSocketOpened(state, event.socket, out);
      break;
    case "socket_refused":
      onSocketRefused(state, event.socket, event.status, out);
      break;
    case "socket_closed":
      onSocketClosed(state, event.socket, event.code, event.reason, out);
      break;
    case "socket_text":
    case "socket_bytes":
    case "socket_heard":
    case "socket_flushed": {
      const tunnel = tunnelBy(state, event.socket);
      if (tunnel !== null) onTunnelEvent(state, tunnel, event, out);
      break;
    }
    case "origin_head":
    case "origin_body":
    case "origin_ended":
    case "origin_failed": {
      const tunnel = tunnelOf(state);
      const exchange = tunnel?.exchanges.get(event.exchange);
      if (tunnel !== null && exchange !== undefined) onOriginEvent(state, tunnel, exchange, event, out);
      break;
    }
    case "api_answered":
      onApiAnswered(state, event.call, event.status, event.body, out);
      break;
    case "api_failed":
      onApiFailed(state, event.call, event.reason, out);
      break;
    case "drain_requested":
      onDrainRequested(state, out);
      break;
    default:
      unreachable(event);
  }
}

function onTunnelEvent(
  state: AgentState,
  tunnel: Tunnel,
  event: Extract<AgentEvent, { type: "socket_text" | "socket_bytes" | "socket_heard" | "socket_flushed" }>,
  out: Outbox<AgentEffect>,
): void {
  if (event.type === "socket_flushed") {
    onFlushed(state, tunnel, event.bytes, out);
    return;
  }
  tunnel.heardMs = Math.max(tunnel.heardMs, state.nowMs);
  if (event.type === "socket_text") onText(state, tunnel, event.text, out);
  else if (event.type === "socket_bytes") onProtocolError(state, "a binary message from the server", out);
}

function onText(state: AgentState, tunnel: Tunnel, text: string, out: Outbox<AgentEffect>): void {
  const frame = decodeServerFrame(text);
  switch (frame.type) {
    case "http_request":
      onRequestFrame(state, tunnel, frame, out);
      break;
    case "abort":
      onAbortFrame(state, tunnel, frame.requestId, out);
      break;
    case "socket_message":
      answerSocketMessage(state, tunnel, frame, out);
      break;
    case "problem":
      onProtocolError(state, frame.detail, out);
      break;
    default:
      unreachable(frame);
  }
}

/** This agent's origin speaks HTTP only; a visitor socket is told so. An answer to request 0 would go to all of them. */
function answerSocketMessage(
  state: AgentState,
  tunnel: Tunnel,
  frame: SocketFrame,
  out: Outbox<AgentEffect>,
): void {
  const { requestId } = frame;
  if (requestId === 0) onProtocolError(state, "a visitor socket's message has no request id", out);
  else if (!takesRefusals(state, tunnel))
    onProtocolError(state, "the server asks on without reading the answers", out);
  else sendText(state, tunnel, encodeSocketAnswer({ requestId, body: NO_SOCKETS, to: null }), out);
}

const NO_SOCKETS =
  '{"error":{"code":"visitor_sockets_unsupported","message":"This home answers HTTP requests only."}}';

function onOriginEvent(
  state: AgentState,
  tunnel: Tunnel,
  exchange: Exchange,
  event: Extract<AgentEvent, { exchange: ExchangeId }>,
  out: Outbox<AgentEffect>,
): void {
  switch (event.type) {
    case "origin_head":
      onOriginHead(state, tunnel, exchange, event.status, event.headers, out);
      break;
    case "origin_body":
      onOriginBody(state, tunnel, exchange, event.bytes, out);
      break;
    case "origin_ended":
      onOriginEnded(state, tunnel, exchange, out);
      break;
    case "origin_failed":
      onOriginFailed(state, tunnel, exchange, event.fault, out);
      break;
    default:
      unreachable(event);
  }
}

function fireDue(state: AgentState, out: Outbox<AgentEffect>): void {
  for (;;) {
    const timer = takeDue(state.timers, state.nowMs);
    if (timer === undefined) return;
    onDeadline(state, timer.owner, out);
  }
}

function onDeadline(state: AgentState, owner: TimerOwner, out: Outbox<AgentEffect>): void {
  if (owner.kind === "life") {
    onLifeDeadline(state, out);
    return;
  }
  const tunnel = tunnelOf(state);
  assert(tunnel !== null, `a ${owner.kind} timer outlived its tunnel`);
  if (owner.kind === "heartbeat") {
    onHeartbeat(state, tunnel, out);
    return;
  }
  const exchange = tunnel.exchanges.get(owner.exchange);
  assert(exchange !== undefined, `the ${owner.kind} timer outlived its exchange`);
  if (owner.kind === "origin") onOriginDeadline(state, tunnel, exchange, out);
  else flushHeld(state, tunnel, exchange, out);
}

function tunnelBy(state: AgentState, socket: SocketId): Tunnel | null {
  const tunnel = tunnelOf(state);
  return tunnel?.socket === socket ? tunnel : null;
}
