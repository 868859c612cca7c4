/**
 * The agent: holds a tunnel to the server, or one to each of several, and answers what comes through them from the origins.
 *
 * This file only tells events apart. Below it, from top to bottom: `agent/life/` leads to the tunnel and back to it, and
 * finds out when the server is gone. `agent/exchange/` asks origins, and judges their answers. `agent/carrier.ts` is the seam
 * between an exchange and what carries it: the MoosicBox protocol, in `agent/moosicbox/`, or the native one, in
 * `agent/native/`, whose session outlives tunnels. An event whose handle is not known belongs to something that is over, and
 * is ignored.
 */
import { sendQueued } from "./agent/carriers.ts";
import type { AgentConfig } from "./agent/config.ts";
import { onOriginFlushed } from "./agent/exchange/request.ts";
import {
  onFillDeadline,
  onOriginBody,
  onOriginDeadline,
  onOriginEnded,
  onOriginFailed,
  onOriginHead,
  onOriginInterim,
} from "./agent/exchange/response.ts";
import { onSocketFailed } from "./agent/life/connecting.ts";
import { onGraceOver } from "./agent/life/greeting.ts";
import { onHeartbeat } from "./agent/life/heartbeat.ts";
import {
  onDrainRequested,
  onLifeDeadline,
  onSocketClosed,
  onSocketOpened,
  settleDrain,
} from "./agent/life/life.ts";
import { linkOf } from "./agent/life/links.ts";
import { onSettingsChanged } from "./agent/life/settings.ts";
import { onSocketBytes, onSocketFlushed, onSocketHeard, onSocketText } from "./agent/life/socket.ts";
import { onApiAnswered, onApiFailed, onSocketRefused } from "./agent/life/tokens.ts";
import { type AgentState, createState, type TimerOwner } from "./agent/state.ts";
import { assert, unreachable } from "./assert.ts";
import type { AgentEffect } from "./effects.ts";
import type { AgentEvent } from "./events.ts";
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
  if (state.links[0].life.phase === "stopped") return;
  dispatch(state, event, out);
  sendQueued(state, out);
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
      onSocketRefused(state, event, out);
      break;
    case "socket_failed":
      onSocketFailed(state, event.socket, event.fault, out);
      break;
    case "socket_closed":
      onSocketClosed(state, event.socket, event.code, event.reason, out);
      break;
    case "socket_text":
      onSocketText(state, event.socket, event.text, out);
      break;
    case "socket_bytes":
      onSocketBytes(state, event.socket, event.bytes, out);
      break;
    case "socket_heard":
      onSocketHeard(state, event.socket);
      break;
    case "socket_flushed":
      onSocketFlushed(state, event.socket, event.bytes, out);
      break;
    case "origin_interim":
      onOriginInterim(state, event.exchange, event.status, event.headers, out);
      break;
    case "origin_flushed":
      onOriginFlushed(state, event.exchange, event.bytes);
      break;
    case "origin_head":
      onOriginHead(state, event.exchange, event.status, event.headers, out);
      break;
    case "origin_body":
      onOriginBody(state, event.exchange, event.bytes, out);
      break;
    case "origin_ended":
      onOriginEnded(state, event.exchange, event.trailers, out);
      break;
    case "origin_failed":
      onOriginFailed(state, event.exchange, event.fault, out);
      break;
    case "api_answered":
      onApiAnswered(state, event, out);
      break;
    case "api_failed":
      onApiFailed(state, event.call, event.fault, out);
      break;
    case "drain_requested":
      onDrainRequested(state, out);
      break;
    case "settings_changed":
      onSettingsChanged(state, event.settings, out);
      break;
    default:
      unreachable(event);
  }
}

function onDeadline(state: AgentState, owner: TimerOwner, out: Outbox<AgentEffect>): void {
  switch (owner.kind) {
    case "life":
      onLifeDeadline(state, linkOf(state, owner.link), out);
      break;
    case "heartbeat":
      onHeartbeat(state, owner.socket, out);
      break;
    case "grace":
      onGraceOver(state, linkOf(state, owner.link), out);
      break;
    case "pump":
      // What is queued is sent after each step.
      break;
    case "origin":
      onOriginDeadline(state, owner.exchange, out);
      break;
    case "fill":
      onFillDeadline(state, owner.exchange, out);
      break;
    default:
      unreachable(owner);
  }
}
