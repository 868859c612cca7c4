/**
 * The end of a socket, and of all that hangs on it: a tunnel's requests fail, but for those of a session that waits for its
 * agent, its row goes, and its home is expected back for a while.
 */
import { assert } from "../../assert.ts";
import type { ServerEffect } from "../../effects.ts";
import { type FailureCode, failureOf } from "../../failure.ts";
import type { ExchangeId } from "../../ids.ts";
import type { Outbox } from "../../outbox.ts";
import { disarm } from "../../timers.ts";
import { closeVisitorSocket, endVisitorSocket } from "../moosicbox/relay.ts";
import { leaveHome, liveTunnel, markAway, servesHomes } from "../owner/homes.ts";
import { deleteRow } from "../owner/rows.ts";
import { endSession, leaveSession, sessionOf } from "../owner/sessions.ts";
import { beat } from "../sockets/heartbeat.ts";
import { reportProtocolError } from "../sockets/protocol-error.ts";
import { endSocket, refuseSocket, removeSocket, sendClose } from "../sockets/socket.ts";
import type { ServerState } from "../state/server.ts";
import type { Socket, Tunnel, TunnelSession } from "../state/tunnels.ts";
import { exchangeOf } from "../visitor/exchange.ts";
import { loseExchange } from "../visitor/upgrade.ts";
import { promoteStandby } from "./home.ts";

/** Closes an open socket with the failure's close code; what it carried ends now. */
export function closeSocket(
  state: ServerState,
  socket: Socket,
  code: FailureCode,
  out: Outbox<ServerEffect>,
): void {
  if (socket.phase !== "live") return;
  if (socket.kind === "visitor") return closeVisitorSocket(state, socket, code, out);
  // A paused socket would never see the peer's half of the closing handshake.
  if (socket.paused) out.push({ type: "socket_pause", socket: socket.id, paused: false });
  endTunnel(state, socket, code, failureOf(code).closeCode, out);
  sendClose(socket, code, out);
}

/** Sends a socket away in whichever phase it is: its handshake is refused, or completed only to be closed. */
export function dismissSocket(
  state: ServerState,
  socket: Socket,
  code: FailureCode,
  out: Outbox<ServerEffect>,
): void {
  switch (socket.phase) {
    case "authorizing":
    case "claiming":
      refuseSocket(state, socket, code, undefined, out);
      // Its row may be there, or still come; what comes too late lapses with its lease.
      if (socket.kind === "tunnel" && socket.claimed) deleteRow(state, socket, out);
      return;
    case "accepting":
      socket.refusal ??= code;
      return;
    case "live":
      return closeSocket(state, socket, code, out);
    case "closing":
      return;
  }
}

/** The agent broke a rule that is about more than one exchange: its session ends with its tunnel. */
export function closeForViolation(
  state: ServerState,
  tunnel: Tunnel,
  detail: string,
  out: Outbox<ServerEffect>,
): void {
  reportProtocolError(state, tunnel, detail, out);
  closeSocket(state, tunnel, "agent_protocol", out);
}

/** Time for a ping, or to find out that the peer is gone. */
export function onHeartbeatTimer(state: ServerState, socket: Socket, out: Outbox<ServerEffect>): void {
  if (beat(state, socket, out) === "alive") return;
  endAny(state, socket, "silent", 1006, out);
  out.push({ type: "socket_terminate", socket: socket.id });
}

export function onHelloTimer(state: ServerState, socket: Socket, out: Outbox<ServerEffect>): void {
  assert(socket.kind === "tunnel", "a visitor socket owes a hello");
  closeForViolation(state, socket, "The agent did not say hello.", out);
}

/** The agent did not come back to its session in time. */
export function onGraceTimer(state: ServerState, clientId: string, out: Outbox<ServerEffect>): void {
  giveUpSession(state, sessionOf(state, clientId), out);
}

/** The connection is gone. */
export function onSocketClosed(
  state: ServerState,
  socket: Socket,
  code: number,
  out: Outbox<ServerEffect>,
): void {
  if (socket.phase !== "closing") endAny(state, socket, "closed", code, out);
  removeSocket(state, socket);
}

/** Ends a session that no tunnel carries, and fails its requests. */
export function giveUpSession(state: ServerState, session: TunnelSession, out: Outbox<ServerEffect>): void {
  loseAll(state, endSession(state, session, out), out);
}

function endAny(
  state: ServerState,
  socket: Socket,
  cause: FailureCode | "closed",
  code: number,
  out: Outbox<ServerEffect>,
): void {
  if (socket.kind === "tunnel") endTunnel(state, socket, cause, code, out);
  else endVisitorSocket(state, socket);
}

function endTunnel(
  state: ServerState,
  tunnel: Tunnel,
  cause: FailureCode | "closed",
  code: number,
  out: Outbox<ServerEffect>,
): void {
  const { id, clientId } = tunnel;
  endSocket(state, tunnel);
  const served = liveTunnel(state, clientId) === tunnel;
  leaveHome(state, clientId, id);
  disarm(state.timers, tunnel.pause);
  tunnel.paused = false;
  if (tunnel.native !== null) disarm(state.timers, tunnel.native.hello);
  // An agent that went of its own accord may be back as soon as one that was lost: it was restarted, perhaps.
  const isSent = cause === "superseded" || cause === "revoked";
  const comesBack = served && !isSent && state.drainPhase === "none";
  if (comesBack) markAway(state, clientId, tunnel.access);
  loseAll(state, leaveSession(state, tunnel, cause, code, out), out);
  loseAll(state, tunnel.exchanges.values(), out);
  if (tunnel.claimed) deleteRow(state, tunnel, out);
  out.push({ type: "report", report: { type: "tunnel_ended", socket: id, clientId, code, cause } });
  if (served && servesHomes(state) && cause !== "superseded") promoteStandby(state, clientId, out);
}

function loseAll(
  state: ServerState,
  lost: Iterable<{ readonly exchange: ExchangeId }>,
  out: Outbox<ServerEffect>,
): void {
  for (const { exchange } of lost) loseExchange(state, exchangeOf(state, exchange), out);
}
