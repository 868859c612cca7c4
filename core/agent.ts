/**
 * The agent: holds one tunnel to the server and answers what comes through it from the origins.
 *
 * This file only sends each event to its place. `agent/life/life.ts` leads to the tunnel and back to it, `agent/life/heartbeat.ts`
 * finds out when the server is gone. The MoosicBox protocol is spoken by `agent/moosicbox/receive.ts`: `agent/moosicbox/exchange.ts` answers
 * requests, `agent/moosicbox/packets.ts` cuts bodies, `agent/moosicbox/backpressure.ts` keeps the pace. The native protocol is spoken by
 * `agent/native/receive.ts`: `agent/native/session.ts` outlives tunnels, `agent/native/request.ts` and `agent/native/response.ts` are the
 * two ways of an exchange. An event whose handle is not known belongs to something that is over, and is ignored.
 */

import type { AgentConfig } from "./agent/config.ts";
import { onHeartbeat } from "./agent/life/heartbeat.ts";
import {
  onDrainRequested,
  onLifeDeadline,
  onSocketClosed,
  onSocketOpened,
  onSocketRefused,
  settleDrain,
} from "./agent/life/life.ts";
import { onApiAnswered, onApiFailed } from "./agent/life/tokens.ts";
import { onFlushed } from "./agent/moosicbox/backpressure.ts";
import {
  onOriginBody,
  onOriginDeadline,
  onOriginEnded,
  onOriginFailed,
  onOriginHead,
} from "./agent/moosicbox/exchange.ts";
import { flushHeld } from "./agent/moosicbox/packets.ts";
import { onServerText } from "./agent/moosicbox/receive.ts";
import { onGreetingBroken, onGreetingBytes, onNativeFrame, onViolation } from "./agent/native/receive.ts";
import { onOriginFlushed } from "./agent/native/request.ts";
import {
  onNativeBody,
  onNativeDeadline,
  onNativeEnded,
  onNativeFailed,
  onNativeHead,
  onNativeInterim,
  release,
} from "./agent/native/response.ts";
import { onGraceOver, onNativeFlushed, pumpSession } from "./agent/native/session.ts";
import { onProtocolError } from "./agent/protocol-error.ts";
import {
  type AgentSession,
  type AgentState,
  createState,
  type Exchange,
  type MoosicBoxTunnel,
  type NativeExchange,
  type NativeTunnel,
  type TimerOwner,
  tunnelOf,
} from "./agent/state.ts";
import { assert, unreachable } from "./assert.ts";
import type { AgentEffect } from "./effects.ts";
import type { AgentEvent } from "./events.ts";
import type { ExchangeId } from "./ids.ts";
import { assertAgentLimits } from "./limits.ts";
import type { Outbox } from "./outbox.ts";
import { fireDue, nextDeadlineMs } from "./timers.ts";

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
  pumpSession(state, out);
  settleDrain(state, out);
}

/** When the next `tick` is due, in the same milliseconds as `nowMs`; Infinity when nothing is armed. */
export function agentDeadlineMs(state: AgentState): number {
  return nextDeadlineMs(state.timers);
}

function dispatch(state: AgentState, event: AgentEvent, out: Outbox<AgentEffect>): void {
  switch (event.type) {
    case "tick":
      fireDue(state.timers, state.nowMs, (owner) => onDeadline(state, owner, out));
      break;
    case "socket_opened":
      onSocketOpened(state, event.socket, event.protocol, out);
      break;
    case "socket_refused":
      onSocketRefused(state, event.socket, event.status, event.body, out);
      break;
    case "socket_closed":
      onSocketClosed(state, event.socket, event.code, event.reason, out);
      break;
    case "socket_text":
    case "socket_bytes":
    case "socket_heard":
    case "socket_flushed":
      onSocketEvent(state, event, out);
      break;
    case "origin_interim":
    case "origin_flushed":
    case "origin_head":
    case "origin_body":
    case "origin_ended":
    case "origin_failed":
      onOriginEvent(state, event, out);
      break;
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

function onSocketEvent(state: AgentState, event: OpenSocketEvent, out: Outbox<AgentEffect>): void {
  const { life } = state;
  if (life.phase === "greeting" && life.socket === event.socket) {
    if (event.type === "socket_flushed") life.helloUnsentBytes -= event.bytes;
    else if (event.type === "socket_bytes") onGreetingBytes(state, life, event.bytes, out);
    else if (event.type === "socket_text")
      onGreetingBroken(state, life.socket, "a text message from the server", out);
    return;
  }
  const tunnel = tunnelOf(state);
  if (tunnel === null || tunnel.socket !== event.socket) return;
  if (event.type !== "socket_flushed") tunnel.heardMs = Math.max(tunnel.heardMs, state.nowMs);
  if (tunnel.protocol === "native") onNativeEvent(state, tunnel, event, out);
  else onMoosicBoxEvent(state, tunnel, event, out);
}

function onNativeEvent(
  state: AgentState,
  tunnel: NativeTunnel,
  event: OpenSocketEvent,
  out: Outbox<AgentEffect>,
): void {
  if (event.type === "socket_flushed") onNativeFlushed(tunnel, event.bytes);
  else if (event.type === "socket_bytes") onNativeFrame(state, tunnel, event.bytes, out);
  else if (event.type === "socket_text") onViolation(state, tunnel, "a text message from the server", out);
}

function onMoosicBoxEvent(
  state: AgentState,
  tunnel: MoosicBoxTunnel,
  event: OpenSocketEvent,
  out: Outbox<AgentEffect>,
): void {
  if (event.type === "socket_flushed") onFlushed(state, tunnel, event.bytes, out);
  else if (event.type === "socket_bytes") onProtocolError(state, "a binary message from the server", out);
  else if (event.type === "socket_text") onServerText(state, tunnel, event.text, out);
}

function onOriginEvent(state: AgentState, event: OriginEvent, out: Outbox<AgentEffect>): void {
  const { session } = state;
  const ofSession = session?.exchanges.get(event.exchange);
  if (session !== null && ofSession !== undefined) {
    onNativeOriginEvent(state, session, ofSession, event, out);
    return;
  }
  const tunnel = tunnelOf(state);
  if (tunnel?.protocol !== "moosicbox") return;
  const exchange = tunnel.exchanges.get(event.exchange);
  if (exchange !== undefined) onMoosicBoxOriginEvent(state, tunnel, exchange, event, out);
}

function onNativeOriginEvent(
  state: AgentState,
  session: AgentSession,
  exchange: NativeExchange,
  event: OriginEvent,
  out: Outbox<AgentEffect>,
): void {
  switch (event.type) {
    case "origin_interim":
      onNativeInterim(state, session, exchange, event.status, event.headers);
      break;
    case "origin_flushed":
      onOriginFlushed(state, session, exchange, event.bytes);
      break;
    case "origin_head":
      onNativeHead(state, session, exchange, event.status, event.headers, out);
      break;
    case "origin_body":
      onNativeBody(state, session, exchange, event.bytes, out);
      break;
    case "origin_ended":
      onNativeEnded(state, session, exchange, event.trailers, out);
      break;
    case "origin_failed":
      onNativeFailed(state, session, exchange, event.fault, out);
      break;
    default:
      unreachable(event);
  }
}

function onMoosicBoxOriginEvent(
  state: AgentState,
  tunnel: MoosicBoxTunnel,
  exchange: Exchange,
  event: OriginEvent,
  out: Outbox<AgentEffect>,
): void {
  switch (event.type) {
    case "origin_interim":
    case "origin_flushed":
      // The MoosicBox protocol has no place for interim responses, and its bodies are given to the origin whole.
      break;
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

function onDeadline(state: AgentState, owner: TimerOwner, out: Outbox<AgentEffect>): void {
  switch (owner.kind) {
    case "life":
      onLifeDeadline(state, out);
      break;
    case "heartbeat": {
      const tunnel = tunnelOf(state);
      assert(tunnel !== null, "a heartbeat outlived its tunnel");
      onHeartbeat(state, tunnel, out);
      break;
    }
    case "grace":
      onGraceOver(state, out);
      break;
    case "pump":
      // The session is pumped after each step.
      break;
    case "origin":
    case "fill":
      onExchangeDeadline(state, owner, out);
      break;
    default:
      unreachable(owner);
  }
}

function onExchangeDeadline(
  state: AgentState,
  owner: Extract<TimerOwner, { exchange: ExchangeId }>,
  out: Outbox<AgentEffect>,
): void {
  const { session } = state;
  const ofSession = session?.exchanges.get(owner.exchange);
  if (session !== null && ofSession !== undefined) {
    if (owner.kind === "origin") onNativeDeadline(state, session, ofSession, out);
    else release(state, session, ofSession);
    return;
  }
  const tunnel = tunnelOf(state);
  assert(tunnel?.protocol === "moosicbox", `the ${owner.kind} timer outlived its tunnel`);
  const exchange = tunnel.exchanges.get(owner.exchange);
  assert(exchange !== undefined, `the ${owner.kind} timer outlived its exchange`);
  if (owner.kind === "origin") onOriginDeadline(state, tunnel, exchange, out);
  else flushHeld(state, tunnel, exchange, out);
}

type OriginEvent = Extract<AgentEvent, { exchange: ExchangeId }>;

/** What is reported of a socket between its beginning and its end. */
type OpenSocketEvent = Extract<
  AgentEvent,
  { type: "socket_text" | "socket_bytes" | "socket_heard" | "socket_flushed" }
>;
