/**
 * What every WebSocket goes through, tunnel or visitor socket:
 *
 *   authorizing --> (a tunnel: claiming) --> accepting --> live --> closing --> gone
 *
 * authorizing: the registry is asked about its token. claiming: the row of its client id is being written. accepting: the
 * handshake was ordered to complete. live: it is. closing: a close was ordered; whatever still comes is ignored.
 * Gone: `socket_closed`, which comes in any phase and is always the last event.
 *
 * A socket that cannot be served for want of a registry is accepted and then closed with 1013, because a browser is told
 * the close code but never the status of a failed handshake. Every other refusal is a plain response.
 */
import { assert } from "../assert.ts";
import type { ServerEffect } from "../effects.ts";
import type { UpgradeRequested } from "../events.ts";
import type { FailureCode } from "../failure.ts";
import { failureOf } from "../failure.ts";
import { corsHeaders } from "../http/cors.ts";
import { headerValue } from "../http/headers.ts";
import { problemResponse } from "../http/problem.ts";
import { IdSet } from "../id-table.ts";
import type { SocketId } from "../ids.ts";
import type { Outbox } from "../outbox.ts";
import { arm, createTimer, disarm } from "../timers.ts";
import { NATIVE_PROTOCOL } from "../wire/native.ts";
import type { CallResult } from "./calls.ts";
import { callRegistry } from "./calls.ts";
import { leaveHome, liveTunnel } from "./homes.ts";
import { onNativeFlushed } from "./native.ts";
import { endVisitorSocket, openVisitorSocket } from "./relay.ts";
import { type SocketRoute, socketRouteOf } from "./route.ts";
import type { ServerState, Socket, SocketPhase, Tunnel, VisitorSocket } from "./state.ts";
import { claimRow, deleteRow, endTunnel, openTunnel } from "./tunnel.ts";

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

const UNKNOWN_VERSION = `The native protocol is spoken as ${NATIVE_PROTOCOL} here, and no other version of it.`;

export function onUpgradeRequested(
  state: ServerState,
  event: UpgradeRequested,
  out: Outbox<ServerEffect>,
): void {
  assert(!state.sockets.has(event.socket), "a socket was opened twice");
  const route = socketRouteOf(event.target, event.headers, state.config);
  if (route.type === "forward") {
    out.push({ type: "upgrade_forward", socket: event.socket });
    return;
  }
  const clientId = route.type === "failure" ? "" : route.clientId;
  const socket =
    route.type === "tunnel"
      ? createTunnel(state, event.socket, route)
      : createVisitorSocket(state, event.socket, clientId, route.type === "failure" ? null : route.profile);
  state.sockets.set(socket.id, socket);
  if (socket.kind === "tunnel") state.tunnels++;
  else state.visitorSockets++;
  const { limits } = state.config;
  const origin = headerValue(event.headers, "origin");
  if (state.drainPhase !== "none") return refuseSocket(socket, "draining", undefined, out);
  if (route.type === "failure") return refuseSocket(socket, route.code, route.detail, out);
  if (state.tunnels > limits.tunnelsMax) return refuseSocket(socket, "limit_tunnels", undefined, out);
  if (state.visitorSockets > limits.visitorSocketsMax) {
    return refuseSocket(socket, "limit_visitor_sockets", undefined, out);
  }
  // A page of an origin that may not read responses may not hold a socket either: browsers send no preflight for one.
  if (origin !== undefined && corsHeaders(origin, state.config.corsOrigins).length === 0) {
    return refuseSocket(socket, "unauthorized", undefined, out);
  }
  if (route.token === null) return refuseSocket(socket, "unauthorized", undefined, out);
  if (route.type === "tunnel" && socket.kind === "tunnel" && socket.native === null) {
    const unknown = route.protocols.some((each) => each.startsWith("culvert."));
    if (unknown) return refuseSocket(socket, "bad_request", UNKNOWN_VERSION, out);
  }
  const asked = callRegistry(
    state,
    { type: "check_token", kind: "signature", tokenHash: state.config.sha256(route.token), clientId },
    { type: "authorize_socket", socket: socket.id },
    limits.registryTunnelMs,
    out,
  );
  if (!asked) refuseSocket(socket, "limit_registry_calls", undefined, out);
}

/** The registry's word on a socket's token. A tunnel needs its fence as well, so there is no trust to fall back on. */
export function onSocketChecked(
  state: ServerState,
  socket: Socket,
  result: CallResult,
  out: Outbox<ServerEffect>,
): void {
  if (result.type === "failed") return acceptToClose(state, socket, result.cause, out);
  if (result.type !== "token_checked" || !result.valid) {
    return refuseSocket(socket, "unauthorized", undefined, out);
  }
  if (socket.kind === "visitor") return acceptSocket(state, socket, out);
  socket.fence = result.fence;
  enterSocketPhase(socket, "claiming");
  claimRow(state, socket, out);
}

export function onSocketOpened(
  state: ServerState,
  socket: Socket,
  nonce: Uint8Array,
  out: Outbox<ServerEffect>,
): void {
  // The peer finished its handshake when its time was just up.
  if (socket.phase === "closing") return;
  enterSocketPhase(socket, "live");
  socket.lastHeardMs = state.nowMs;
  socket.nextPingMs = state.nowMs + state.config.limits.pingMs;
  arm(state.timers, socket.heartbeat, socket.nextPingMs);
  if (socket.refusal !== null) return closeSocket(state, socket, socket.refusal, out);
  if (socket.kind === "tunnel") openTunnel(state, socket, nonce, out);
  else openVisitorSocket(state, socket, out);
}

export function acceptSocket(state: ServerState, socket: Socket, out: Outbox<ServerEffect>): void {
  enterSocketPhase(socket, "accepting");
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
  socket: Socket,
  code: FailureCode,
  detail: string | undefined,
  out: Outbox<ServerEffect>,
): void {
  enterSocketPhase(socket, "closing");
  const problem = problemResponse(code, {
    requestId: null,
    html: false,
    ...(detail === undefined ? {} : { detail }),
  });
  out.push({ type: "upgrade_refuse", socket: socket.id, ...problem });
  out.push({ type: "report", report: { type: "upgrade_refused", socket: socket.id, cause: code } });
}

/** Closes an open socket with the failure's close code; what it carried ends now. */
export function closeSocket(
  state: ServerState,
  socket: Socket,
  code: FailureCode,
  out: Outbox<ServerEffect>,
): void {
  if (socket.phase !== "live") return;
  const { closeCode } = failureOf(code);
  // A paused socket would never see the peer's half of the closing handshake.
  if (socket.kind === "tunnel" && socket.paused) {
    out.push({ type: "socket_pause", socket: socket.id, paused: false });
  }
  endSocket(state, socket, code, closeCode, out);
  out.push({ type: "socket_close", socket: socket.id, code: closeCode, reason: code });
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
      refuseSocket(socket, code, undefined, out);
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

export function onSocketFlushed(state: ServerState, socket: Socket, bytes: number): void {
  if (socket.kind === "tunnel" && socket.native !== null) {
    return onNativeFlushed(state, socket, socket.native, bytes);
  }
  assert(bytes <= socket.unsentBytes, "a socket sent more than it was given");
  socket.unsentBytes -= bytes;
}

/** Any frame is a sign of life; a ping that was sent is none. */
export function onHeard(state: ServerState, socket: Socket): void {
  socket.lastHeardMs = state.nowMs;
}

/**
 * Pings, and drops a socket that was silent for `silenceMs`. A timer that fires late says that this process was stalled:
 * what the peer sent meanwhile has not been read yet, so one more ping period is granted.
 */
export function onHeartbeatTimer(state: ServerState, socket: Socket, out: Outbox<ServerEffect>): void {
  const { limits } = state.config;
  if (socket.phase === "accepting") {
    endSocket(state, socket, "silent", 1006, out);
    out.push({ type: "socket_terminate", socket: socket.id });
    return;
  }
  assert(socket.phase === "live", "a socket has a heartbeat that is not open");
  if (state.nowMs - socket.heartbeat.atMs > limits.stallMs) {
    const grantedMs = state.nowMs - limits.silenceMs + limits.pingMs;
    socket.lastHeardMs = Math.max(socket.lastHeardMs, grantedMs);
  }
  if (state.nowMs - socket.lastHeardMs >= limits.silenceMs) {
    endSocket(state, socket, "silent", 1006, out);
    out.push({ type: "socket_terminate", socket: socket.id });
    return;
  }
  if (state.nowMs >= socket.nextPingMs) {
    socket.nextPingMs = state.nowMs + limits.pingMs;
    out.push({ type: "socket_ping", socket: socket.id });
  }
  arm(state.timers, socket.heartbeat, Math.min(socket.nextPingMs, socket.lastHeardMs + limits.silenceMs));
}

/** The connection is gone. */
export function onSocketClosed(
  state: ServerState,
  socket: Socket,
  code: number,
  out: Outbox<ServerEffect>,
): void {
  if (socket.phase !== "closing") endSocket(state, socket, "closed", code, out);
  disarm(state.timers, socket.heartbeat);
  state.sockets.delete(socket.id);
  if (socket.kind === "tunnel") state.tunnels--;
  else state.visitorSockets--;
}

/** From here on the socket is nobody's tunnel and nobody's visitor; only its last event is still to come. */
function endSocket(
  state: ServerState,
  socket: Socket,
  cause: FailureCode | "closed",
  code: number,
  out: Outbox<ServerEffect>,
): void {
  enterSocketPhase(socket, "closing");
  disarm(state.timers, socket.heartbeat);
  const served = socket.kind === "tunnel" && liveTunnel(state, socket.clientId) === socket;
  leaveHome(state, socket.clientId, socket.id);
  if (socket.kind === "tunnel") endTunnel(state, socket, { cause, code, served }, out);
  else endVisitorSocket(state, socket);
}

function createTunnel(
  state: ServerState,
  id: SocketId,
  { clientId, access, protocols }: Extract<SocketRoute, { readonly type: "tunnel" }>,
): Tunnel {
  const isNative = protocols.includes(NATIVE_PROTOCOL);
  return {
    kind: "tunnel",
    ...socketBase(state, id, clientId),
    fence: 0,
    access,
    native: isNative
      ? { hello: createTimer({ kind: "hello", socket: id }), ticket: null, session: null }
      : null,
    claimed: false,
    exchanges: new IdSet(),
    slow: new Set(),
    pause: createTimer({ kind: "pause", socket: id }),
    paused: false,
    readUntilMs: 0,
    aborted: new Map(),
  };
}

function createVisitorSocket(
  state: ServerState,
  id: SocketId,
  clientId: string,
  profile: string | null,
): VisitorSocket {
  return { kind: "visitor", ...socketBase(state, id, clientId), profile, questions: new Set() };
}

function socketBase(state: ServerState, id: SocketId, clientId: string) {
  return {
    id,
    clientId,
    heartbeat: createTimer({ kind: "heartbeat", socket: id } as const),
    phase: "authorizing" as SocketPhase,
    refusal: null,
    lastHeardMs: state.nowMs,
    nextPingMs: 0,
    unsentBytes: 0,
  };
}
