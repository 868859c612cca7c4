/**
 * The agent's way to a tunnel, and back to one after a loss.
 *
 *   waiting -> registering -> signing -> connecting -> (greeting ->) connected -> draining -> closing -> stopped
 *
 * `begin` takes the first step that is still missing: without a client token it registers, else it connects with that. A
 * server that does not take it, MoosicBox's own, takes a signature, which is fetched first. Whatever fails leads back to `waiting`, with longer and longer waits. A token that the
 * server refuses is dropped before that, which makes the next attempt fetch it anew; where that cannot help a person is
 * needed, and the agent stops and says so.
 *
 * Handles decide what an event is for. A life has one socket at most: one that it terminated, or that was refused, is
 * forgotten at once, and what is still reported of it is ignored, as is the late answer of an API call. Each link has a life
 * (`links.ts`). Beside them are those whose servers leave (`older-links.ts`): one that is told so goes there, and the life begins anew.
 *
 * The session of the native protocol (`native/session.ts`) is no phase: it outlives the tunnel, and waits through all phases
 * up to the next welcome, its own end, or the agent's.
 */
import { assert } from "../../assert.ts";
import type { AgentEffect } from "../../effects.ts";
import { failureOf } from "../../failure.ts";
import type { SocketId } from "../../ids.ts";
import type { Outbox } from "../../outbox.ts";
import { below } from "../../prng.ts";
import { arm } from "../../timers.ts";
import { NATIVE_PROTOCOL } from "../../wire/native.ts";
import { beginDraining, isDone } from "../carriers.ts";
import { createMoosicBoxTunnel } from "../moosicbox/backpressure.ts";
import type { AgentState, Link, NativeTunnel, Tunnel } from "../state.ts";
import { begin, greet } from "./begin.ts";
import {
  dropOthers,
  dropTwin,
  isOwnDoing,
  lead,
  linkOn,
  putAside,
  settleLinks,
  takesTurn,
  tunnelOn,
} from "./links.ts";
import { closeOlderLinks, loseOlderLink, stepAside, takeOlderLink, tellMoved } from "./older-links.ts";
import { enter } from "./phase.ts";
import { failToConnect, MOVE_FIRST_MS, retry, stop, waitSuperseded } from "./retry.ts";
import { NO_HINT, SILENT, troubleOf } from "./trouble.ts";
import {
  abandonTunnel,
  giveUpRunning,
  hasLasted,
  loseRunning,
  mayResume,
  PROTOCOL_ERROR,
  tunnelBase,
} from "./tunnel.ts";
import { tellWays } from "./ways.ts";

/** The closing handshake gets this long. The adapter cuts the connection a little earlier, so this is a last resort. */
const CLOSE_MS = 6_000;

/** A close frame has room for 123 bytes (RFC 6455 section 5.5); details are ASCII. */
const REASON_LENGTH_MAX = 120;

const NOT_NATIVE = `the server does not speak ${NATIVE_PROTOCOL}: use --protocol auto`;

/** The deadline of the current phase has passed. */
export function onLifeDeadline(state: AgentState, link: Link, out: Outbox<AgentEffect>): void {
  const { life } = link;
  switch (life.phase) {
    case "waiting":
      if (takesTurn(state, link)) begin(state, link, out);
      break;
    case "registering":
    case "signing":
      retry(state, link, "silent", "the server did not answer in time", out, SILENT);
      break;
    case "connecting":
      out.push({ type: "socket_terminate", socket: life.socket });
      retry(state, link, "silent", "the handshake was not completed in time", out, SILENT);
      break;
    case "greeting":
      out.push({ type: "socket_terminate", socket: life.socket });
      retry(state, link, "silent", "the server sent no welcome in time", out);
      break;
    case "draining":
      giveUpRunning(state, out);
      closeTunnel(state, link, life.tunnel, out);
      break;
    case "closing":
      out.push({ type: "socket_terminate", socket: life.socket });
      stop(state, life.failure, out);
      break;
    default:
      assert(false, `the phase ${life.phase} has no deadline`);
  }
}

export function onSocketOpened(
  state: AgentState,
  socket: SocketId,
  protocol: string | null,
  out: Outbox<AgentEffect>,
): void {
  const { config } = state;
  const link = linkOn(state, socket);
  if (link?.life.phase !== "connecting") return;
  if (protocol === NATIVE_PROTOCOL && config.protocol !== "moosicbox") {
    greet(state, link, socket, out);
  } else if (protocol !== null) {
    // RFC 6455 section 4.1. Whoever made this of the handshake may be gone at the next attempt.
    rejectGreeting(state, link, socket, "the server chose a subprotocol that was not offered", out);
  } else if (link !== state.links[0]) {
    rejectGreeting(state, link, socket, "the server has no other node, or one of another protocol", out);
  } else if (config.protocol === "native") {
    enter(state, link, { phase: "closing", socket, failure: NOT_NATIVE }, CLOSE_MS);
    out.push({
      type: "socket_close",
      socket,
      code: PROTOCOL_ERROR,
      reason: `this agent speaks ${NATIVE_PROTOCOL} only`,
    });
  } else {
    // A server that no longer speaks it has no session either.
    loseRunning(state, link, out);
    enterConnected(state, link, createMoosicBoxTunnel(tunnelBase(state, socket, false)), out);
    tellWays(state, null, out);
  }
}

/** The tunnel is up, and may be sent on. */
export function enterConnected(
  state: AgentState,
  link: Link,
  tunnel: Tunnel,
  out: Outbox<AgentEffect>,
): void {
  state.counters.connects++;
  state.troubles.clear();
  link.movesUntilMs = Number.NEGATIVE_INFINITY;
  link.meetings = 0;
  enter(state, link, { phase: "connected", tunnel }, null);
  arm(state.timers, tunnel.heartbeat, tunnel.nextPingMs);
  const { protocol, resumed } = tunnel;
  const { clientId } = state.config;
  const { node } = link;
  out.push({ type: "report", report: { type: "connected", clientId, protocol, resumed, node } });
  tellMoved(state);
  lead(state);
  dropTwin(state, link, out);
  settleLinks(state);
}

/** It takes nobody back: new requests are to come another way, as soon as there is one. */
export function onServerLeaving(state: AgentState, tunnel: Tunnel, out: Outbox<AgentEffect>): void {
  // An agent that leaves itself has no use for another link, and one that is older has moved on already.
  const link = linkOn(state, tunnel.socket);
  if (link?.life.phase !== "connected") return;
  assert(tunnel.protocol === "native", "a server leaves that cannot say so");
  stepAside(state, link, tunnel, out);
  out.push({ type: "report", report: { type: "moving", exchanges: tunnel.session.byStream.size } });
  // At once, but not together with all the others of that server.
  enter(state, link, { phase: "waiting" }, below(state.jitter, MOVE_FIRST_MS + 1));
  lead(state);
  if (state.links[0].life.phase === "connected") tellMoved(state);
}

export function onSocketClosed(
  state: AgentState,
  socket: SocketId,
  code: number,
  reason: string,
  out: Outbox<AgentEffect>,
): void {
  const link = linkOn(state, socket);
  const tunnel = tunnelOn(state, socket);
  if (tunnel !== null) onTunnelLost(state, tunnel, code, reason, out);
  else if (link?.life.phase === "connecting") {
    failToConnect(state, link, troubleOf({ kind: "closed", detail: reason }), out);
  } else if (link?.life.phase === "greeting") {
    retry(state, link, "answers", "the tunnel was lost before its welcome", out);
  } else if (link?.life.phase === "closing") stop(state, link.life.failure, out);
}

/** Cuts a tunnel whose server is gone, and goes on as after any other loss. */
export function dropTunnel(state: AgentState, tunnel: Tunnel, cause: string, out: Outbox<AgentEffect>): void {
  out.push({ type: "socket_terminate", socket: tunnel.socket });
  onTunnelLost(state, tunnel, 1006, cause, out);
}

/** Ends a tunnel whose server breaks the protocol, and its session with it. */
export function rejectTunnel(
  state: AgentState,
  tunnel: Tunnel,
  detail: string,
  out: Outbox<AgentEffect>,
): void {
  out.push({
    type: "socket_close",
    socket: tunnel.socket,
    code: PROTOCOL_ERROR,
    reason: detail.slice(0, REASON_LENGTH_MAX),
  });
  onTunnelLost(state, tunnel, PROTOCOL_ERROR, detail, out);
}

/** Ends a socket whose server breaks the native protocol before there is a tunnel. */
export function rejectGreeting(
  state: AgentState,
  link: Link,
  socket: SocketId,
  detail: string,
  out: Outbox<AgentEffect>,
): void {
  out.push({
    type: "socket_close",
    socket,
    code: PROTOCOL_ERROR,
    reason: detail.slice(0, REASON_LENGTH_MAX),
  });
  retry(state, link, "answers", detail, out);
}

export function onDrainRequested(state: AgentState, out: Outbox<AgentEffect>): void {
  const [link] = state.links;
  const { life } = link;
  if (life.phase === "draining" || life.phase === "closing") return;
  out.push({ type: "report", report: { type: "draining", exchanges: state.exchanges.size } });
  if (life.phase === "connecting" || life.phase === "greeting") {
    out.push({ type: "socket_terminate", socket: life.socket });
  }
  putAside(state, out);
  const tunnel = life.phase === "connected" ? life.tunnel : takeOlderLink(state, out);
  if (tunnel === null) {
    stop(state, null, out);
    return;
  }
  for (const older of state.olderLinks) beginDraining(older);
  beginDraining(tunnel);
  enter(state, link, { phase: "draining", tunnel }, state.config.limits.drainMs);
}

/** To be called after every step: closes a draining tunnel as soon as all that ran is finished and sent. */
export function settleDrain(state: AgentState, out: Outbox<AgentEffect>): void {
  const [link] = state.links;
  const { life } = link;
  if (life.phase !== "draining") return;
  if (isDone(life.tunnel) && state.olderLinks.every(isDone)) closeTunnel(state, link, life.tunnel, out);
}

function onTunnelLost(
  state: AgentState,
  tunnel: Tunnel,
  code: number,
  cause: string,
  out: Outbox<AgentEffect>,
): void {
  out.push({ type: "report", report: { type: "disconnected", code, cause } });
  const link = linkOn(state, tunnel.socket);
  if (link === null) {
    loseOlderLink(state, olderOf(tunnel), out);
    return;
  }
  const wasDraining = link.life.phase === "draining";
  abandonTunnel(state, link, tunnel, !wasDraining && mayResume(link, code), out);
  if (hasLasted(state, tunnel)) link.failures = 0;
  if (wasDraining) {
    stop(state, null, out);
    return;
  }
  const { retryResetMs } = state.config.limits;
  if (state.nowMs - tunnel.openedMs >= retryResetMs) link.failures = 0;
  // From here on it has no tunnel.
  enter(state, link, { phase: "waiting" }, null);
  const isSuperseded = code === failureOf("superseded").closeCode && !isOwnDoing(state, link);
  if (isSuperseded) {
    dropOthers(state, link, "another agent has the home", out);
    waitSuperseded(state, link, out);
  } else {
    // The loss itself has just been told.
    retry(state, link, "answers", "the tunnel was lost", out, { ...NO_HINT, isTold: true });
  }
  lead(state);
}

function closeTunnel(state: AgentState, link: Link, tunnel: Tunnel, out: Outbox<AgentEffect>): void {
  assert(state.exchanges.size === 0, "a tunnel is closed while exchanges run");
  closeOlderLinks(state, STOPPING, out);
  abandonTunnel(state, link, tunnel, false, out);
  enter(state, link, { phase: "closing", socket: tunnel.socket, failure: null }, CLOSE_MS);
  out.push({ type: "socket_close", socket: tunnel.socket, code: 1000, reason: STOPPING });
}

/** Only links of the native protocol grow older: no other server says that it leaves. */
function olderOf(tunnel: Tunnel): NativeTunnel {
  assert(tunnel.protocol === "native", "an older link speaks a protocol in which no server leaves");
  return tunnel;
}

const STOPPING = "the agent is stopping";
