/**
 * The server: every decision of the public process, as a function of what was reported to it and when.
 *
 * This file only tells events apart. `server/exchange.ts` has the life of a request, `server/sockets.ts` that of a
 * WebSocket, `server/tunnel.ts` who owns a client id, `server/sessions.ts` what outlives the tunnel of a native agent, `server/door.ts` who may come in, `server/backpressure.ts` what a slow
 * visitor costs and whom.
 */
import { assert, unreachable } from "./assert.ts";
import type { ServerEffect } from "./effects.ts";
import type { ServerEvent } from "./events.ts";
import { type IpBlock, parseIpBlock } from "./http/ip.ts";
import { IdTable } from "./id-table.ts";
import type { CallId, SocketId } from "./ids.ts";
import { assertServerLimits } from "./limits.ts";
import type { Outbox } from "./outbox.ts";
import type { RegistryOutcome } from "./registry.ts";
import { endPause } from "./server/backpressure.ts";
import type { CallResult } from "./server/calls.ts";
import { onCallTimer, onRegistryAnswer } from "./server/calls.ts";
import type { ServerConfig } from "./server/config.ts";
import { admitExchange, onExchangeChecked } from "./server/door.ts";
import { advanceDrain, onDrainRequested, onDrainTimer } from "./server/drain.ts";
import { onHomeFound, onTokenIssued } from "./server/endpoints.ts";
import { closeExchange, createExchange, exchangeOf, onExchangeTimer } from "./server/exchange.ts";
import { onLeasesRenewed, onLeaseTimer, onSweepTimer } from "./server/leases.ts";
import { onHelloTimer } from "./server/native.ts";
import { onVisitorText } from "./server/relay.ts";
import { onRequestBody, onRequestEnded } from "./server/request.ts";
import { onResponseFlushed } from "./server/response.ts";
import { onGraceTimer, onPumpTimer, pumpSessions } from "./server/sessions.ts";
import {
  closeSocket,
  onHeard,
  onHeartbeatTimer,
  onSocketChecked,
  onSocketClosed,
  onSocketFlushed,
  onSocketOpened,
  onUpgradeRequested,
} from "./server/sockets.ts";
import type { CallPurpose, ServerState, Socket, TimerOwner } from "./server/state.ts";
import { onRowClaimed, onTunnelBytes, onTunnelText } from "./server/tunnel.ts";
import { arm, createTimer, createTimers, nextDeadlineMs, takeDue } from "./timers.ts";

export { checkServer } from "./server/check.ts";
export type { ServerConfig } from "./server/config.ts";
export type { ServerSnapshot } from "./server/snapshot.ts";
export { serverSnapshot } from "./server/snapshot.ts";
export type { ServerState } from "./server/state.ts";

/** A server that has seen nothing yet. Its first `tick`, due at once, asks the registry for this node's rows. */
export function createServer(config: ServerConfig): ServerState {
  assertServerLimits(config.limits);
  assert(config.accessToken !== "", "the access token is empty");
  const timers = createTimers<TimerOwner>();
  const state: ServerState = {
    config,
    accessTokenHash: config.sha256(config.accessToken),
    trustedProxies: config.trustedProxies.map(trustedProxy),
    nowMs: 0,
    timers,
    exchanges: new IdTable(),
    sockets: new Map(),
    homes: new Map(),
    sessions: new Map(),
    touched: [],
    away: new Map(),
    waiting: 0,
    questions: new Map(),
    questionsAsked: 0,
    calls: new IdTable(),
    callsMade: 0,
    trusted: new Map(),
    registryUp: null,
    heldBytes: 0,
    sessionBytes: 0,
    tunnels: 0,
    visitorSockets: 0,
    lease: createTimer({ kind: "lease" }),
    sweep: createTimer({ kind: "sweep" }),
    drain: createTimer({ kind: "drain" }),
    drainPhase: "none",
    counters: {
      outcomes: new Map(),
      exchangesOpened: 0,
      tunnelsAccepted: 0,
      bytesIn: 0,
      bytesOut: 0,
      strayPackets: 0,
      duplicatePackets: 0,
      abortsSent: 0,
      agentProtocolErrors: 0,
      tunnelPauses: 0,
      resumptions: 0,
    },
  };
  arm(timers, state.lease, 0);
  arm(timers, state.sweep, config.limits.sweepMs);
  return state;
}

function trustedProxy(text: string): IpBlock {
  const block = parseIpBlock(text);
  assert(block !== null, "a trusted proxy is neither an address nor a block of them");
  return block;
}

/** When the next `tick` is due, in the milliseconds of `nowMs`; Infinity when nothing is armed. */
export function serverDeadlineMs(state: ServerState): number {
  return nextDeadlineMs(state.timers);
}

/**
 * Takes one event, and orders what follows from it. `nowMs` is whole milliseconds of a clock that never goes back.
 * Throws `InvariantError` on misuse by an adapter and on a bug of the core, never on what a peer sent.
 */
export function stepServer(
  state: ServerState,
  nowMs: number,
  event: ServerEvent,
  out: Outbox<ServerEffect>,
): void {
  assert(nowMs >= state.nowMs, "time went backwards");
  assert(out.count === 0, "the previous step was not drained");
  state.nowMs = nowMs;
  switch (event.type) {
    case "tick":
      onTick(state, out);
      break;
    case "exchange_opened":
      admitExchange(state, createExchange(state, event), out);
      break;
    case "exchange_body":
      onRequestBody(state, exchangeOf(state, event.exchange), event.bytes, out);
      break;
    case "exchange_body_ended":
      onRequestEnded(state, exchangeOf(state, event.exchange), event.trailers, out);
      break;
    case "exchange_flushed":
      onResponseFlushed(state, exchangeOf(state, event.exchange), event.bytes, out);
      break;
    case "exchange_closed":
      closeExchange(state, exchangeOf(state, event.exchange), event.complete, out);
      break;
    case "upgrade_requested":
      onUpgradeRequested(state, event, out);
      break;
    case "socket_opened":
      onSocketOpened(state, socketOf(state, event.socket), event.nonce, out);
      break;
    case "socket_text":
    case "socket_bytes":
    case "socket_heard":
      onSocketFrame(state, socketOf(state, event.socket), event, out);
      break;
    case "socket_flushed":
      onSocketFlushed(state, socketOf(state, event.socket), event.bytes);
      break;
    case "socket_closed":
      onSocketClosed(state, socketOf(state, event.socket), event.code, out);
      break;
    case "registry_answered":
      onAnswered(state, event.call, event.outcome, out);
      break;
    case "drain_requested":
      onDrainRequested(state, out);
      break;
    default:
      unreachable(event);
  }
  if (state.drainPhase !== "none") advanceDrain(state, out);
  if (state.touched.length > 0) pumpSessions(state, out);
}

function onTick(state: ServerState, out: Outbox<ServerEffect>): void {
  for (;;) {
    const timer = takeDue(state.timers, state.nowMs);
    if (timer === undefined) return;
    onTimer(state, timer.owner, out);
  }
}

function onTimer(state: ServerState, owner: TimerOwner, out: Outbox<ServerEffect>): void {
  switch (owner.kind) {
    case "exchange":
      return onExchangeTimer(state, exchangeOf(state, owner.exchange), out);
    case "heartbeat":
      return onHeartbeatTimer(state, socketOf(state, owner.socket), out);
    case "pause": {
      const tunnel = socketOf(state, owner.socket);
      assert(tunnel.kind === "tunnel", "a visitor socket is paused");
      return endPause(state, tunnel, out);
    }
    case "hello": {
      const tunnel = socketOf(state, owner.socket);
      assert(tunnel.kind === "tunnel", "a visitor socket owes a hello");
      return onHelloTimer(state, tunnel, out);
    }
    case "grace":
      return onGraceTimer(state, owner.clientId, out);
    case "pump":
      return onPumpTimer(state, owner.clientId);
    case "call": {
      const ended = onCallTimer(state, owner.call, (purpose) => isWanted(state, purpose), out);
      if (ended !== undefined) onResult(state, ended.purpose, ended.result, out);
      return;
    }
    case "lease":
      return onLeaseTimer(state, out);
    case "sweep":
      return onSweepTimer(state, out);
    case "drain":
      return onDrainTimer(state, out);
    default:
      unreachable(owner);
  }
}

function onSocketFrame(
  state: ServerState,
  socket: Socket,
  event: Extract<ServerEvent, { readonly type: "socket_text" | "socket_bytes" | "socket_heard" }>,
  out: Outbox<ServerEffect>,
): void {
  // What was on its way when the close was ordered falls on the floor.
  if (socket.phase === "closing") return;
  assert(socket.phase === "live", "something came on a socket that is not open");
  onHeard(state, socket);
  if (event.type === "socket_text") {
    if (socket.kind === "tunnel") onTunnelText(state, socket, event.text, out);
    else onVisitorText(state, socket, event.text, out);
  } else if (event.type === "socket_bytes") {
    if (socket.kind === "tunnel") onTunnelBytes(state, socket, event.bytes, out);
    else closeSocket(state, socket, "not_text", out);
  }
}

function onAnswered(
  state: ServerState,
  call: CallId,
  outcome: RegistryOutcome,
  out: Outbox<ServerEffect>,
): void {
  const ended = onRegistryAnswer(state, call, outcome, (purpose) => isWanted(state, purpose), out);
  if (ended !== undefined) onResult(state, ended.purpose, ended.result, out);
}

/** The answer to a call whose asker has gone is nobody's. */
function onResult(
  state: ServerState,
  purpose: CallPurpose,
  result: CallResult,
  out: Outbox<ServerEffect>,
): void {
  if (!isWanted(state, purpose)) return;
  switch (purpose.type) {
    case "authorize_exchange":
      return onExchangeChecked(state, exchangeOf(state, purpose.exchange), purpose.key, result, out);
    case "find_home":
      return onHomeFound(state, exchangeOf(state, purpose.exchange), result, out);
    case "issue_token":
      return onTokenIssued(state, exchangeOf(state, purpose.exchange), purpose.token, result, out);
    case "authorize_socket":
      return onSocketChecked(state, socketOf(state, purpose.socket), result, out);
    case "claim_row": {
      const tunnel = socketOf(state, purpose.socket);
      assert(tunnel.kind === "tunnel", "a visitor socket claims a row");
      return onRowClaimed(state, tunnel, result, out);
    }
    case "renew_leases":
      return onLeasesRenewed(state, result, out);
    case "drop_row":
    case "sweep":
      return;
    default:
      unreachable(purpose);
  }
}

/** Whether somebody still waits for the answer: an asker that is closing does not. */
function isWanted(state: ServerState, purpose: CallPurpose): boolean {
  switch (purpose.type) {
    case "authorize_exchange":
    case "find_home":
    case "issue_token":
      return isOpen(state.exchanges.get(purpose.exchange));
    case "authorize_socket":
    case "claim_row":
      return isOpen(state.sockets.get(purpose.socket));
    case "drop_row":
    case "renew_leases":
    case "sweep":
      return true;
  }
}

function isOpen(owner: { readonly phase: string } | undefined): boolean {
  return owner !== undefined && owner.phase !== "closing";
}

function socketOf(state: ServerState, id: SocketId): Socket {
  const socket = state.sockets.get(id);
  assert(socket !== undefined, "an event names a socket that is not open");
  return socket;
}
