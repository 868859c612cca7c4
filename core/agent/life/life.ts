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
 * Handles decide what an event is for. The life has one socket at most: one that it terminated, or that was refused, is
 * forgotten at once, and what is still reported of it is ignored, as is the late answer of an API call. Beside it are the links
 * whose servers leave (`older-links.ts`): one that is told so goes there, and the life begins anew.
 *
 * The session of the native protocol (`native/session.ts`) is no phase: it outlives the tunnel, and waits through all phases
 * up to the next welcome, its own end, or the agent's.
 */
import { assert } from "../../assert.ts";
import type { AgentEffect } from "../../effects.ts";
import { failureOf } from "../../failure.ts";
import type { HeaderList } from "../../http/headers.ts";
import type { CallId, SocketId } from "../../ids.ts";
import type { Outbox } from "../../outbox.ts";
import { below } from "../../prng.ts";
import { arm } from "../../timers.ts";
import { encodeHello, NATIVE_PROTOCOL } from "../../wire/native.ts";
import { beginDraining, isDone } from "../carriers.ts";
import { createMoosicBoxTunnel } from "../moosicbox/backpressure.ts";
import { type AgentState, type NativeTunnel, type Tunnel, tunnelOf } from "../state.ts";
import {
  closeOlderLinks,
  loseOlderLink,
  olderLinkOn,
  stepAside,
  takeOlderLink,
  tellMoved,
} from "./older-links.ts";
import { enter, failToConnect, MOVE_FIRST_MS, retry, stop, waitSuperseded } from "./retry.ts";
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

export const REGISTER_SETTINGS =
  "set --access-token or TUNNEL_ACCESS_TOKEN to the server's own, or --invite or CULVERT_INVITE to an invite";

/** The deadline of the current phase has passed. */
export function onLifeDeadline(state: AgentState, out: Outbox<AgentEffect>): void {
  const { life } = state;
  switch (life.phase) {
    case "waiting":
      begin(state, out);
      break;
    case "registering":
    case "signing":
      retry(state, "silent", "the server did not answer in time", out, SILENT);
      break;
    case "connecting":
      out.push({ type: "socket_terminate", socket: life.socket });
      retry(state, "silent", "the handshake was not completed in time", out, SILENT);
      break;
    case "greeting":
      out.push({ type: "socket_terminate", socket: life.socket });
      retry(state, "silent", "the server sent no welcome in time", out);
      break;
    case "draining":
      giveUpRunning(state, out);
      closeTunnel(state, life.tunnel, out);
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
  const { life, config } = state;
  if (life.phase !== "connecting" || life.socket !== socket) return;
  if (protocol === NATIVE_PROTOCOL && config.protocol !== "moosicbox") {
    greet(state, socket, out);
  } else if (protocol !== null) {
    // RFC 6455 section 4.1. Whoever made this of the handshake may be gone at the next attempt.
    rejectGreeting(state, socket, "the server chose a subprotocol that was not offered", out);
  } else if (config.protocol === "native") {
    enter(state, { phase: "closing", socket, failure: NOT_NATIVE }, CLOSE_MS);
    out.push({
      type: "socket_close",
      socket,
      code: PROTOCOL_ERROR,
      reason: `this agent speaks ${NATIVE_PROTOCOL} only`,
    });
  } else {
    // A server that no longer speaks it has no session either.
    loseRunning(state, out);
    enterConnected(state, createMoosicBoxTunnel(tunnelBase(state, socket, false)), out);
    tellWays(state, null, out);
  }
}

/** The tunnel is up, and may be sent on. */
export function enterConnected(state: AgentState, tunnel: Tunnel, out: Outbox<AgentEffect>): void {
  state.counters.connects++;
  state.troubles.clear();
  state.movesUntilMs = Number.NEGATIVE_INFINITY;
  enter(state, { phase: "connected", tunnel }, null);
  arm(state.timers, tunnel.heartbeat, tunnel.nextPingMs);
  const { protocol, resumed } = tunnel;
  const { clientId } = state.config;
  out.push({ type: "report", report: { type: "connected", clientId, protocol, resumed } });
  tellMoved(state);
}

/** It takes nobody back: new requests are to come another way, as soon as there is one. */
export function onServerLeaving(state: AgentState, tunnel: Tunnel, out: Outbox<AgentEffect>): void {
  // An agent that leaves itself has no use for another link, and one that is older has moved on already.
  if (state.life.phase !== "connected" || state.life.tunnel !== tunnel) return;
  assert(tunnel.protocol === "native", "a server leaves that cannot say so");
  stepAside(state, tunnel, out);
  out.push({ type: "report", report: { type: "moving", exchanges: tunnel.session.byStream.size } });
  // At once, but not together with all the others of that server.
  enter(state, { phase: "waiting" }, below(state.jitter, MOVE_FIRST_MS + 1));
}

export function onSocketClosed(
  state: AgentState,
  socket: SocketId,
  code: number,
  reason: string,
  out: Outbox<AgentEffect>,
): void {
  const { life } = state;
  if (life.phase === "connecting" && life.socket === socket) {
    failToConnect(state, troubleOf({ kind: "closed", detail: reason }), out);
  } else if (life.phase === "greeting" && life.socket === socket) {
    retry(state, "answers", "the tunnel was lost before its welcome", out);
  } else if (life.phase === "closing" && life.socket === socket) {
    stop(state, life.failure, out);
  } else {
    const tunnel = tunnelOf(state);
    const older = olderLinkOn(state, socket);
    if (tunnel?.socket === socket) onTunnelLost(state, tunnel, code, reason, out);
    else if (older !== null) onTunnelLost(state, older, code, reason, out);
  }
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
  retry(state, "answers", detail, out);
}

export function onDrainRequested(state: AgentState, out: Outbox<AgentEffect>): void {
  const { life } = state;
  if (life.phase === "draining" || life.phase === "closing") return;
  out.push({ type: "report", report: { type: "draining", exchanges: state.exchanges.size } });
  if (life.phase === "connecting" || life.phase === "greeting") {
    out.push({ type: "socket_terminate", socket: life.socket });
  }
  const tunnel = life.phase === "connected" ? life.tunnel : takeOlderLink(state, out);
  if (tunnel === null) {
    stop(state, null, out);
    return;
  }
  for (const older of state.olderLinks) beginDraining(older);
  beginDraining(tunnel);
  enter(state, { phase: "draining", tunnel }, state.config.limits.drainMs);
}

/** To be called after every step: closes a draining tunnel as soon as all that ran is finished and sent. */
export function settleDrain(state: AgentState, out: Outbox<AgentEffect>): void {
  const { life } = state;
  if (life.phase !== "draining") return;
  if (isDone(life.tunnel) && state.olderLinks.every(isDone)) closeTunnel(state, life.tunnel, out);
}

/** Takes the first step that is still missing. */
export function begin(state: AgentState, out: Outbox<AgentEffect>): void {
  const { limits, accessToken, invite, clientId } = state.config;
  const client = encodeURIComponent(clientId.toWellFormed());
  if (state.clientToken === null) {
    const token = invite ?? accessToken;
    if (token === null) {
      stop(state, `this agent is not registered yet: ${REGISTER_SETTINGS}`, out);
      return;
    }
    const call = nextCall(state);
    enter(state, { phase: "registering", call }, limits.apiCallMs);
    out.push({ type: "api_call", call, target: `/auth/register-client?clientId=${client}`, token });
  } else if (state.showsSignature && state.signatureToken === null) {
    const call = nextCall(state);
    enter(state, { phase: "signing", call }, limits.apiCallMs);
    const target = `/auth/signature-token?clientId=${client}`;
    out.push({ type: "api_call", call, target, token: state.clientToken });
  } else {
    const socket = ++state.socketsMade as SocketId;
    enter(state, { phase: "connecting", socket }, limits.connectMs);
    out.push({ type: "socket_connect", socket, ...handshakeOf(state, client, state.clientToken) });
  }
}

/** In a field the token stands in no log of a proxy, and is shown to a server that knows what it is for. */
function handshakeOf(
  { config, signatureToken }: AgentState,
  client: string,
  clientToken: string,
): { readonly target: string; readonly headers: HeaderList; readonly protocols: readonly string[] } {
  const protocols = config.protocol === "moosicbox" ? [] : [NATIVE_PROTOCOL];
  const target = `/ws?clientId=${client}&sender=true`;
  if (signatureToken !== null) {
    const signature = encodeURIComponent(signatureToken.toWellFormed());
    return { target: `${target}&signature=${signature}`, headers: [], protocols };
  }
  const access = config.access === "token" ? [] : ["culvert-access", config.access];
  const instance = protocols.length === 0 ? [] : ["culvert-instance", config.instance];
  return {
    target,
    headers: ["authorization", `Bearer ${clientToken}`, ...access, ...instance],
    protocols,
  };
}

/** Asks for the session that there was, or for a new one. */
function greet(state: AgentState, socket: SocketId, out: Outbox<AgentEffect>): void {
  const { windowBytes, helloMs } = state.config.limits;
  const ticket = state.session?.ticket ?? null;
  const header = encodeHello({ windowBytes, ticket, host: state.config.hostname });
  enter(state, { phase: "greeting", socket, ticket, helloUnsentBytes: header.length }, helloMs);
  out.push({ type: "socket_send_packet", socket, header, body: [] });
}

function onTunnelLost(
  state: AgentState,
  tunnel: Tunnel,
  code: number,
  cause: string,
  out: Outbox<AgentEffect>,
): void {
  out.push({ type: "report", report: { type: "disconnected", code, cause } });
  if (tunnelOf(state) !== tunnel) {
    loseOlderLink(state, olderOf(tunnel), out);
    return;
  }
  const wasDraining = state.life.phase === "draining";
  abandonTunnel(state, tunnel, !wasDraining && mayResume(state, code), out);
  if (hasLasted(state, tunnel)) state.failures = 0;
  if (wasDraining) {
    stop(state, null, out);
    return;
  }
  const { retryResetMs } = state.config.limits;
  if (state.nowMs - tunnel.openedMs >= retryResetMs) state.failures = 0;
  if (code === failureOf("superseded").closeCode) {
    waitSuperseded(state, out);
  } else {
    // The loss itself has just been told.
    retry(state, "answers", "the tunnel was lost", out, { ...NO_HINT, isTold: true });
  }
}

function closeTunnel(state: AgentState, tunnel: Tunnel, out: Outbox<AgentEffect>): void {
  assert(state.exchanges.size === 0, "a tunnel is closed while exchanges run");
  closeOlderLinks(state, STOPPING, out);
  abandonTunnel(state, tunnel, false, out);
  enter(state, { phase: "closing", socket: tunnel.socket, failure: null }, CLOSE_MS);
  out.push({ type: "socket_close", socket: tunnel.socket, code: 1000, reason: STOPPING });
}

/** Only links of the native protocol grow older: no other server says that it leaves. */
function olderOf(tunnel: Tunnel): NativeTunnel {
  assert(tunnel.protocol === "native", "an older link speaks a protocol in which no server leaves");
  return tunnel;
}

const STOPPING = "the agent is stopping";

function nextCall(state: AgentState): CallId {
  return ++state.callsMade as CallId;
}
