/**
 * The way of a socket that was let in: the tunnel's row is written, the handshake completed, an older tunnel of the same
 * client id gives way, and what waited for the home goes out. A native tunnel counts as its home's only from its hello on,
 * and the older one serves until then.
 */
import { assert } from "../../assert.ts";
import type { ServerEffect } from "../../effects.ts";
import type { Outbox } from "../../outbox.ts";
import { arm, disarm } from "../../timers.ts";
import type { Hello } from "../../wire/native.ts";
import { openVisitorSocket } from "../moosicbox/relay.ts";
import { sendWelcome, tellOthers } from "../native/welcome.ts";
import { homeOf, liveTunnel, markAway, tunnelOf } from "../owner/homes.ts";
import { claimRow, isNewer } from "../owner/rows.ts";
import { attach, beginSession, detach, isTicketOf } from "../owner/sessions.ts";
import type { CallResult } from "../registry/calls.ts";
import { countGuess } from "../registry/strangers.ts";
import { distrust, trust } from "../registry/trust.ts";
import {
  acceptSocket,
  acceptToClose,
  admitSocket,
  enterSocketPhase,
  openSocket,
  refuseSocket,
} from "../sockets/socket.ts";
import type { ServerState } from "../state/server.ts";
import type { NativeTunnel, Socket, Tunnel } from "../state/tunnels.ts";
import { closeSocket, giveUpSession } from "./close.ts";
import { promoteStandby, standBy, takeHome } from "./home.ts";

/** The registry's word on a socket's token. A tunnel needs its fence as well, so there is no trust to fall back on. */
export function onSocketChecked(
  state: ServerState,
  socket: Socket,
  key: string,
  result: CallResult,
  out: Outbox<ServerEffect>,
): void {
  if (result.type === "failed") return acceptToClose(state, socket, result.cause, out);
  assert(result.type === "token_checked" || result.type === "signature_used", "another question is answered");
  if (!result.valid || isShutOut(socket, result)) {
    distrust(state, key);
    countGuess(state, socket.address);
    return refuseSocket(state, socket, "unauthorized", undefined, out);
  }
  assert(socket.token !== null, "a socket was let in that showed nothing");
  trust(state, key, socket.token);
  if (socket.kind === "tunnel" && isLinked(state, socket)) {
    return refuseSocket(state, socket, "already_linked", undefined, out);
  }
  const refusal = admitSocket(state, socket);
  if (refusal !== null) return refuseSocket(state, socket, refusal, undefined, out);
  if (socket.kind === "visitor") return acceptSocket(state, socket, out);
  socket.fence = result.fence;
  enterSocketPhase(socket, "claiming");
  claimRow(state, socket, out);
}

/** Whoever has seen a link with a signature would be the home. Only where no agent knows better is one good for that. */
function isShutOut(socket: Socket, result: CallResult): boolean {
  return socket.kind === "tunnel" && result.type === "signature_used" && result.hasCulvertAgent;
}

/** An agent that looked for another node has come to this one again: what it has here is to go on. */
function isLinked(state: ServerState, { clientId, instance, again }: Tunnel): boolean {
  const live = again ? liveTunnel(state, clientId) : undefined;
  return instance !== null && live?.instance === instance;
}

/** The row is written, or could not be. */
export function onRowClaimed(
  state: ServerState,
  tunnel: Socket,
  result: CallResult,
  out: Outbox<ServerEffect>,
): void {
  assert(tunnel.kind === "tunnel", "a visitor socket claims a row");
  const superseded = result.type === "connection_upserted" && !result.current;
  if (result.type === "connection_upserted" && result.current) tunnel.rowRound = state.renewal.round;
  if (tunnel.phase === "claiming") {
    if (result.type === "failed") acceptToClose(state, tunnel, result.cause, out);
    else if (superseded) refuseSocket(state, tunnel, "superseded", undefined, out);
    else acceptSocket(state, tunnel, out);
  } else if (superseded && state.drainPhase === "none" && !isSucceededHere(state, tunnel)) {
    // A live tunnel's row was written again, and somebody newer owns it: on another node, perhaps.
    closeSocket(state, tunnel, "superseded", out);
    promoteStandby(state, tunnel.clientId, out);
  }
}

/**
 * Whether the row is that of a newer tunnel of this node that does not serve yet: it takes over as soon as its agent says hello.
 * One whose agent has given it up never does, and the older one is to be left alone.
 */
function isSucceededHere({ sockets }: ServerState, tunnel: Tunnel): boolean {
  for (const other of sockets.values()) {
    if (other.kind !== "tunnel" || other.clientId !== tunnel.clientId || other.phase === "closing") continue;
    if (other.claimed && isNewer(other, tunnel)) return true;
  }
  return false;
}

/** The handshake is complete. */
export function onSocketOpened(
  state: ServerState,
  socket: Socket,
  nonce: Uint8Array,
  out: Outbox<ServerEffect>,
): void {
  // The peer finished its handshake when its time was just up.
  if (socket.phase === "closing") return;
  openSocket(state, socket);
  if (socket.refusal !== null) return closeSocket(state, socket, socket.refusal, out);
  if (socket.kind === "tunnel") openTunnel(state, socket, nonce, out);
  else openVisitorSocket(state, socket, out);
}

/** The tunnel is open: it takes over from an older one, or gives way to one that is newer but was faster. */
function openTunnel(state: ServerState, tunnel: Tunnel, nonce: Uint8Array, out: Outbox<ServerEffect>): void {
  const { clientId, native } = tunnel;
  const other = tunnelOf(state, state.homes.get(clientId)?.tunnel ?? null);
  if (other !== undefined && isNewer(other, tunnel)) return closeSocket(state, tunnel, "superseded", out);
  if (native !== null) return awaitHello(state, tunnel, native, nonce);
  if (other !== undefined) replace(state, other, out);
  const session = state.sessions.get(clientId);
  if (session !== undefined) giveUpSession(state, session, out);
  takeHome(state, tunnel, out);
}

/** The older tunnel gives way. */
function replace(state: ServerState, older: Tunnel, out: Outbox<ServerEffect>): void {
  const { clientId } = older;
  const home = homeOf(state, clientId);
  const isAgain = state.nowMs - home.takenOverMs < state.config.limits.takeoverMs;
  if (isAgain && older.native === null) standBy(home, older);
  else closeSocket(state, older, "superseded", out);
  // The home that the older one had went with it.
  homeOf(state, clientId).takenOverMs = state.nowMs;
}

/** The handshake's nonce becomes the ticket. */
function awaitHello(state: ServerState, tunnel: Tunnel, native: NativeTunnel, nonce: Uint8Array): void {
  native.ticket = hexOf(nonce);
  arm(state.timers, native.hello, state.nowMs + state.config.limits.helloMs);
  if (liveTunnel(state, tunnel.clientId) === undefined) markAway(state, tunnel.clientId, tunnel.access);
}

/** A native agent says which session it would like to go on with. */
export function onHello(state: ServerState, tunnel: Tunnel, hello: Hello, out: Outbox<ServerEffect>): void {
  const { clientId, native } = tunnel;
  assert(native !== null, "a tunnel of another protocol says hello");
  disarm(state.timers, native.hello);
  native.links = hello.links === true;
  const other = liveTunnel(state, clientId);
  if (other !== undefined && isNewer(other, tunnel)) return closeSocket(state, tunnel, "superseded", out);
  const hash = hello.ticket === null ? null : state.config.sha256(hello.ticket);
  const former = state.sessions.get(clientId);
  const resumed = former !== undefined && hash !== null && isTicketOf(former, hash);
  if (resumed) {
    const carrier = tunnelOf(state, former.tunnel);
    // First, so that the tunnel takes nothing of the session with it.
    if (carrier !== undefined) detach(former, carrier);
  }
  if (other !== undefined) closeSocket(state, other, "superseded", out);
  if (former !== undefined && !resumed && state.sessions.has(clientId)) giveUpSession(state, former, out);
  const session = resumed ? former : beginSession(state, tunnel, hello.windowBytes);
  sendWelcome(state, tunnel, session, hello, resumed ? hash : null, out);
  tellOthers(state, tunnel, out);
  attach(state, session, tunnel, resumed);
  if (resumed) {
    const exchanges = session.exchanges.size;
    state.counters.resumptions++;
    out.push({ type: "report", report: { type: "session_resumed", clientId, exchanges } });
  }
  takeHome(state, tunnel, out);
}

function hexOf(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
  return text;
}
