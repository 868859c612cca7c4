/**
 * Finds out that the server is gone although the socket says nothing.
 *
 * Only what the server sends is a sign of life: our own ping proves nothing, even when the kernel took it. Frames do not
 * touch the timer, they only note the time; the timer looks at it when it fires.
 *
 * A timer that fires late says that this process stood still, asleep or starved, and then the silence was ours as much as
 * the server's: it gets one more ping and the time to answer it.
 */
import { assert } from "../../assert.ts";
import type { AgentEffect } from "../../effects.ts";
import type { SocketId } from "../../ids.ts";
import type { Outbox } from "../../outbox.ts";
import { arm } from "../../timers.ts";
import type { AgentState } from "../state.ts";
import { dropTunnel } from "./life.ts";
import { tunnelOn } from "./links.ts";

export function onHeartbeat(state: AgentState, socket: SocketId, out: Outbox<AgentEffect>): void {
  const tunnel = tunnelOn(state, socket);
  assert(tunnel !== null, "a heartbeat outlived its tunnel");
  const { pingMs, silenceMs, stallMs } = state.config.limits;
  const { nowMs } = state;
  const stalled = nowMs - tunnel.heartbeat.atMs > stallMs;
  if (stalled) tunnel.heardMs = Math.max(tunnel.heardMs, nowMs + pingMs - silenceMs);
  if (nowMs - tunnel.heardMs >= silenceMs) {
    dropTunnel(state, tunnel, "the server has been silent for too long", out);
    return;
  }
  if (stalled || nowMs >= tunnel.nextPingMs) {
    out.push({ type: "socket_ping", socket: tunnel.socket });
    tunnel.nextPingMs = nowMs + pingMs;
  }
  arm(state.timers, tunnel.heartbeat, Math.min(tunnel.nextPingMs, tunnel.heardMs + silenceMs));
}
