/**
 * The server: every decision of the public process, as a function of what was reported to it and when.
 *
 * This file only tells events apart, and times. `server/carrier.ts` has the seam between a visitor's request and what brings it
 * to its home. The rooms, from the top down: `life/` is how sockets come and go and what hangs on them, `visitor/` a request
 * and its response, `moosicbox/`, `native/` and `peer/` the carriers, `owner/` who has a client id, `sockets/` what every WebSocket
 * goes through, `registry/` calls and trust, `state/` what is known, `routing/` what a request asks for. No file imports one
 * of a higher room.
 */
import { assert, unreachable } from "./assert.ts";
import type { ServerEffect } from "./effects.ts";
import type { ServerEvent, UpgradeRequested } from "./events.ts";
import { IdTable } from "./id-table.ts";
import { assertServerLimits } from "./limits.ts";
import { Lineup } from "./lineup.ts";
import type { Outbox } from "./outbox.ts";
import { onAnswered, onCallOverdue } from "./server/answers.ts";
import type { ServerConfig } from "./server/config.ts";
import {
  dismissSocket,
  onGraceTimer,
  onHeartbeatTimer,
  onHelloTimer,
  onSocketClosed,
} from "./server/life/close.ts";
import { advanceDrain, onDrainRequested, onDrainTimer } from "./server/life/drain.ts";
import { onSocketFlushed, onSocketFrame, pumpSessions } from "./server/life/frames.ts";
import { onSocketOpened } from "./server/life/open.ts";
import { admitFromPeer, onPeerAnswer } from "./server/life/peers.ts";
import { onSettingsChanged } from "./server/life/settings.ts";
import { onPauseTimer } from "./server/moosicbox/backpressure.ts";
import { onCertificateAsked } from "./server/owner/certificates.ts";
import { onLeaseTimer, onSweepTimer } from "./server/owner/leases.ts";
import { onSeekTimer } from "./server/owner/seeks.ts";
import { sessionOf, touch } from "./server/owner/sessions.ts";
import { parseProxies } from "./server/routing/proxies.ts";
import { onTurn, onUpgradeRequested } from "./server/sockets/handshake.ts";
import { lineDeadlineMs } from "./server/sockets/line.ts";
import { socketOf } from "./server/sockets/socket.ts";
import { createPeers } from "./server/state/peers.ts";
import type { ServerState } from "./server/state/server.ts";
import type { TimerOwner } from "./server/state/timers.ts";
import { onExchangeTimer } from "./server/visitor/deadlines.ts";
import { admitExchange, onFormRead } from "./server/visitor/door.ts";
import { closeExchange, createExchange, exchangeOf } from "./server/visitor/exchange.ts";
import { onPasswordChecked } from "./server/visitor/passwords.ts";
import { onRequestBody, onRequestEnded } from "./server/visitor/request.ts";
import { onResponseFlushed } from "./server/visitor/response.ts";
import { Tally } from "./tally.ts";
import { arm, createTimer, createTimers, fireDue, nextDeadlineMs } from "./timers.ts";

export { checkServer } from "./server/check.ts";
export type { ServerConfig } from "./server/config.ts";
export type { ServerSnapshot } from "./server/snapshot.ts";
export { serverSnapshot } from "./server/snapshot.ts";
export type { ServerCounters, ServerState } from "./server/state/server.ts";

/** A server that has seen nothing yet. Its first `tick`, due at once, asks the registry for this node's rows. */
export function createServer(config: ServerConfig): ServerState {
  assertServerLimits(config.limits);
  assert(config.accessToken !== "", "the access token is empty");
  const timers = createTimers<TimerOwner>();
  const state: ServerState = {
    config,
    accessTokenHash: config.sha256(config.accessToken),
    trustedProxies: parseProxies(config.trustedProxies),
    nowMs: 0,
    timers,
    exchanges: new IdTable(),
    sockets: new Map(),
    handshakes: {
      line: new Lineup(({ place }) => place),
      strangers: 0,
      running: 0,
      begun: 0,
      ofAgents: new Map(),
    },
    homes: new Map(),
    sessions: new Map(),
    touched: [],
    away: new Map(),
    recalled: new Map(),
    peers: createPeers(),
    begunMs: Number.POSITIVE_INFINITY,
    waiting: 0,
    questions: new Map(),
    questionsAsked: 0,
    calls: new IdTable(),
    callsMade: 0,
    trusted: new Map(),
    signIns: new IdTable(),
    passwords: new IdTable(),
    passwordsMade: 0,
    passwordsRunning: 0,
    latestAddress: { peer: "", address: "" },
    addresses: new Map(),
    shares: new Tally(),
    untaken: new IdTable(),
    registryUp: null,
    registryFailures: 0,
    heldBytes: 0,
    sessionBytes: 0,
    tunnels: 0,
    visitorSockets: 0,
    lease: createTimer({ kind: "lease" }),
    renewal: { round: 0, after: null, begunMs: 0, asked: false, due: false, repairs: 0, beatMs: 0 },
    sweep: createTimer({ kind: "sweep" }),
    drain: createTimer({ kind: "drain" }),
    drainPhase: "none",
    drainAskedMs: Number.POSITIVE_INFINITY,
    partedMs: Number.POSITIVE_INFINITY,
    visitorsGone: false,
    peersGone: false,
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
      hopsSent: 0,
      hopsAstray: 0,
      hopsTaken: 0,
    },
  };
  arm(timers, state.lease, 0);
  arm(timers, state.sweep, config.limits.sweepMs);
  return state;
}

/** When the next `tick` is due, in the milliseconds of `nowMs`; Infinity when nothing is armed. */
export function serverDeadlineMs(state: ServerState): number {
  return Math.min(nextDeadlineMs(state.timers), lineDeadlineMs(state));
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
  state.begunMs = Math.min(state.begunMs, nowMs);
  switch (event.type) {
    case "tick":
      fireDue(state.timers, state.nowMs, (owner) => onTimer(state, owner, out));
      onTurn(state, out);
      break;
    case "exchange_opened":
      if (event.byPeer === true) admitFromPeer(state, event, out);
      else admitExchange(state, createExchange(state, event), out);
      break;
    case "exchange_body":
      onRequestBody(state, exchangeOf(state, event.exchange), event.bytes, out);
      break;
    case "exchange_body_ended": {
      const exchange = exchangeOf(state, event.exchange);
      if (state.signIns.has(exchange.id)) onFormRead(state, exchange, out);
      else onRequestEnded(state, exchange, event.trailers, out);
      break;
    }
    case "exchange_flushed":
      onResponseFlushed(state, exchangeOf(state, event.exchange), event.bytes, out);
      break;
    case "exchange_closed":
      closeExchange(state, exchangeOf(state, event.exchange), event.complete, out);
      break;
    case "upgrade_requested":
      takeHandshake(state, event, out);
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
    case "password_checked":
      onPasswordChecked(state, event, out);
      break;
    case "certificate_asked":
      onCertificateAsked(state, event, out);
      break;
    case "drain_requested":
      onDrainRequested(state, out);
      break;
    case "visitors_gone":
      if (event.byPeer === true) state.peersGone = true;
      else state.visitorsGone = true;
      break;
    case "origin_interim":
    case "origin_flushed":
    case "origin_head":
    case "origin_body":
    case "origin_ended":
    case "origin_failed":
      onPeerAnswer(state, event, out);
      break;
    case "settings_changed":
      onSettingsChanged(state, event.settings, out);
      break;
    default:
      unreachable(event);
  }
  if (state.drainPhase !== "none") advanceDrain(state, out);
  if (state.touched.length > 0) pumpSessions(state, out);
}

function takeHandshake(state: ServerState, event: UpgradeRequested, out: Outbox<ServerEffect>): void {
  const older = onUpgradeRequested(state, event, out);
  if (older !== null) dismissSocket(state, older, "superseded", out);
}

function onTimer(state: ServerState, owner: TimerOwner, out: Outbox<ServerEffect>): void {
  switch (owner.kind) {
    case "exchange":
      return onExchangeTimer(state, exchangeOf(state, owner.exchange), out);
    case "heartbeat":
      return onHeartbeatTimer(state, socketOf(state, owner.socket), out);
    case "pause":
      return onPauseTimer(state, socketOf(state, owner.socket), out);
    case "hello":
      return onHelloTimer(state, socketOf(state, owner.socket), out);
    case "grace":
      return onGraceTimer(state, owner.clientId, out);
    case "pump":
      // An acknowledgement has waited long enough.
      return touch(state, sessionOf(state, owner.clientId));
    case "call":
      return onCallOverdue(state, owner.call, out);
    case "seek":
      return onSeekTimer(state, owner.clientId, out);
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
