/**
 * Slow visitors, with a protocol that has no credits.
 *
 * An exchange is slow while its visitor lags more than `heldBytesSoft` behind. A tunnel is paused while it has slow
 * exchanges and nobody else on it waits for bytes. As soon as somebody does, reading goes on and the slow ones grow; one
 * that grows beyond `heldBytesHard`, or the largest holder when the server as a whole holds more than `heldBytesTotal`, is
 * given up. A paused tunnel is read again for a moment now and then: every `pauseMsMax` while visitor sockets are there, whom
 * the agent may tell something that nobody asked for; else every `pingMs`, so that silence is still noticed. Not more often
 * than needed, because each such moment lets a packet of the slow exchange through, and a visitor who takes less than that
 * would be given up in the end although nobody waits for him.
 *
 * Only what the visitor has not taken counts as slow. Parked packets wait for the agent: pausing it would make them wait
 * for ever.
 */
import { assert } from "../../assert.ts";
import type { ServerEffect } from "../../effects.ts";
import type { Outbox } from "../../outbox.ts";
import { arm, disarm } from "../../timers.ts";
import type { ServerState } from "../state/server.ts";
import type { MoosicBoxCarried, Socket, Tunnel } from "../state/tunnels.ts";

/** The visitor was given more, and may lag too far behind now. */
export function onLagGrown(
  state: ServerState,
  { tunnel, exchange }: MoosicBoxCarried,
  unflushedBytes: number,
  out: Outbox<ServerEffect>,
): void {
  if (unflushedBytes > state.config.limits.heldBytesSoft) tunnel.slow.add(exchange);
  updatePause(state, tunnel, out);
}

/**
 * The visitor took some. That never begins a pause: a visitor who takes a little all the time would cut short each moment
 * in which a paused tunnel is read, and the agent would look silent.
 */
export function onLagShrunk(
  state: ServerState,
  { tunnel, exchange }: MoosicBoxCarried,
  unflushedBytes: number,
  out: Outbox<ServerEffect>,
): void {
  // Half-way, so that a visitor at the edge does not stop and start the socket with each packet.
  if (unflushedBytes * 2 > state.config.limits.heldBytesSoft) return;
  if (tunnel.slow.delete(exchange)) updatePause(state, tunnel, out);
}

/** Pauses or resumes the tunnel, whichever its exchanges ask for now. */
export function updatePause(state: ServerState, tunnel: Tunnel, out: Outbox<ServerEffect>): void {
  const everyoneIsSlow = tunnel.slow.size > 0 && tunnel.slow.size === tunnel.exchanges.size;
  const wanted = everyoneIsSlow && state.nowMs >= tunnel.readUntilMs && tunnel.phase === "live";
  if (wanted && !tunnel.paused) {
    state.counters.tunnelPauses++;
    arm(state.timers, tunnel.pause, state.nowMs + pauseMs(state, tunnel));
    setPaused(tunnel, true, out);
  } else if (!wanted && tunnel.paused) {
    disarm(state.timers, tunnel.pause);
    setPaused(tunnel, false, out);
  }
}

export function onPauseTimer(state: ServerState, socket: Socket, out: Outbox<ServerEffect>): void {
  assert(socket.kind === "tunnel", "a visitor socket is paused");
  endPause(state, socket, out);
}

/** The pause has lasted as long as it may, or for too long for somebody new. The next packet of a slow exchange begins another. */
export function endPause(state: ServerState, tunnel: Tunnel, out: Outbox<ServerEffect>): void {
  disarm(state.timers, tunnel.pause);
  if (tunnel.paused) setPaused(tunnel, false, out);
}

/** Keeps a tunnel readable for somebody who waits for an answer that is no exchange's. */
export function readUntil(
  state: ServerState,
  tunnel: Tunnel,
  untilMs: number,
  out: Outbox<ServerEffect>,
): void {
  tunnel.readUntilMs = untilMs;
  updatePause(state, tunnel, out);
}

function pauseMs(state: ServerState, tunnel: Tunnel): number {
  const { pauseMsMax, pingMs } = state.config.limits;
  const visitorSockets = state.homes.get(tunnel.clientId)?.visitors.size ?? 0;
  return visitorSockets > 0 ? pauseMsMax : pingMs;
}

function setPaused(tunnel: Tunnel, paused: boolean, out: Outbox<ServerEffect>): void {
  tunnel.paused = paused;
  out.push({ type: "socket_pause", socket: tunnel.id, paused });
}
