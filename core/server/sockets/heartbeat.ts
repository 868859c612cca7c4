/** Finds out that a peer is gone although its socket says nothing. */
import { assert } from "../../assert.ts";
import type { ServerEffect } from "../../effects.ts";
import type { Outbox } from "../../outbox.ts";
import { arm } from "../../timers.ts";
import type { ServerState } from "../state/server.ts";
import type { Socket } from "../state/tunnels.ts";

/** Any frame is a sign of life; a ping that was sent is none. */
export function onHeard(state: ServerState, socket: Socket): void {
  socket.lastHeardMs = state.nowMs;
}

/**
 * Pings, and tells whether the socket is to be dropped because it was silent for `silenceMs`, or its handshake is not done in
 * time. A timer that fires late says that this process was stalled: what the peer sent meanwhile has not been read yet, so
 * one more ping period is granted.
 */
export function beat(state: ServerState, socket: Socket, out: Outbox<ServerEffect>): "alive" | "silent" {
  const { limits } = state.config;
  if (socket.phase === "accepting") return "silent";
  assert(socket.phase === "live", "a socket has a heartbeat that is not open");
  if (state.nowMs - socket.heartbeat.atMs > limits.stallMs) {
    const grantedMs = state.nowMs - limits.silenceMs + limits.pingMs;
    socket.lastHeardMs = Math.max(socket.lastHeardMs, grantedMs);
  }
  if (state.nowMs - socket.lastHeardMs >= limits.silenceMs) return "silent";
  if (state.nowMs >= socket.nextPingMs) {
    socket.nextPingMs = state.nowMs + limits.pingMs;
    out.push({ type: "socket_ping", socket: socket.id });
  }
  arm(state.timers, socket.heartbeat, Math.min(socket.nextPingMs, socket.lastHeardMs + limits.silenceMs));
  return "alive";
}
