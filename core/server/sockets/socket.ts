/**
 * What every WebSocket goes through, tunnel or visitor socket:
 *
 *   authorizing --> (a tunnel: claiming) --> accepting --> live --> closing --> gone
 *
 * authorizing: the registry is asked about its token, as soon as it is its turn (`line.ts`). claiming: the row of its client id is being written. accepting: the
 * handshake was ordered to complete. live: it is. closing: a close was ordered; whatever still comes is ignored.
 * Gone: `socket_closed`, which comes in any phase and is always the last event.
 *
 * A socket that cannot be served for want of a registry is accepted and then closed with 1013, because a browser is told
 * the close code but never the status of a failed handshake. Every other refusal is a plain response.
 */
import { assert } from "../../assert.ts";
import type { ServerEffect } from "../../effects.ts";
import { type FailureCode, failureOf } from "../../failure.ts";
import { problemResponse } from "../../http/problem.ts";
import type { SocketId } from "../../ids.ts";
import type { Outbox } from "../../outbox.ts";
import { arm, disarm } from "../../timers.ts";
import { NATIVE_PROTOCOL } from "../../wire/native.ts";
import type { ServerState } from "../state/server.ts";
import type { Socket, SocketPhase } from "../state/tunnels.ts";
import { endHandshake } from "./line.ts";

const TRANSITIONS: Readonly<Record<SocketPhase, readonly SocketPhase[]>> = {
  authorizing: ["claiming", "accepting", "closing"],
  claiming: ["accepting", "closing"],
  accepting: ["live", "closing"],
  live: ["closing"],
  closing: [],
};

export function enterSocketPhase(socket: Socket, phase: SocketPhase): void {
  assert(TRANSITIONS[socket.phase].includes(phase), `a socket goes from ${socket.phase} to ${phase}`);
  socket.phase = phase;
}

/** The socket of an adapter's event; misuse where the adapter names one that it never opened, or closed. */
export function socketOf(state: ServerState, id: SocketId): Socket {
  const socket = state.sockets.get(id);
  assert(socket !== undefined, "an event names a socket that is not open");
  return socket;
}

export function acceptSocket(state: ServerState, socket: Socket, out: Outbox<ServerEffect>): void {
  enterSocketPhase(socket, "accepting");
  endHandshake(state, socket);
  arm(state.timers, socket.heartbeat, state.nowMs + state.config.limits.handshakeMs);
  const isNative = socket.kind === "tunnel" && socket.native !== null;
  out.push({
    type: "upgrade_accept",
    socket: socket.id,
    protocol: isNative ? NATIVE_PROTOCOL : null,
  });
}

/** Completes the handshake only to close with a code that says why. */
export function acceptToClose(
  state: ServerState,
  socket: Socket,
  refusal: FailureCode,
  out: Outbox<ServerEffect>,
): void {
  socket.refusal = refusal;
  acceptSocket(state, socket, out);
}

export function refuseSocket(
  state: ServerState,
  socket: Socket,
  code: FailureCode,
  detail: string | undefined,
  out: Outbox<ServerEffect>,
): void {
  enterSocketPhase(socket, "closing");
  endHandshake(state, socket);
  const problem = problemResponse(code, {
    requestId: null,
    html: false,
    ...(detail === undefined ? {} : { detail }),
  });
  out.push({ type: "upgrade_refuse", socket: socket.id, ...problem });
  out.push({ type: "report", report: { type: "upgrade_refused", socket: socket.id, cause: code } });
}

/** The socket's token is good: it counts from here on, if there is room for it. */
export function admitSocket(state: ServerState, socket: Socket): FailureCode | null {
  const { tunnelsMax, visitorSocketsMax } = state.config.limits;
  if (socket.kind === "tunnel") {
    if (state.tunnels >= tunnelsMax) return "limit_tunnels";
    state.tunnels++;
  } else {
    if (state.visitorSockets >= visitorSocketsMax) return "limit_visitor_sockets";
    state.visitorSockets++;
  }
  socket.admitted = true;
  return null;
}

/** The handshake is complete. */
export function openSocket(state: ServerState, socket: Socket): void {
  enterSocketPhase(socket, "live");
  socket.lastHeardMs = state.nowMs;
  socket.nextPingMs = state.nowMs + state.config.limits.pingMs;
  arm(state.timers, socket.heartbeat, socket.nextPingMs);
}

/** From here on the socket is nobody's tunnel and nobody's visitor; only its last event is still to come. */
export function endSocket(state: ServerState, socket: Socket): void {
  enterSocketPhase(socket, "closing");
  endHandshake(state, socket);
  disarm(state.timers, socket.heartbeat);
}

/** Begins the closing handshake of a socket that has ended, with the failure's close code. */
export function sendClose(socket: Socket, code: FailureCode, out: Outbox<ServerEffect>): void {
  assert(socket.phase === "closing", "a socket is closed that has not ended");
  const { closeCode } = failureOf(code);
  out.push({ type: "socket_close", socket: socket.id, code: closeCode, reason: code });
}

/** The connection is gone. */
export function removeSocket(state: ServerState, socket: Socket): void {
  assert(socket.handshake === null, "a socket is gone and still comes in");
  disarm(state.timers, socket.heartbeat);
  state.sockets.delete(socket.id);
  if (!socket.admitted) return;
  if (socket.kind === "tunnel") state.tunnels--;
  else state.visitorSockets--;
}
