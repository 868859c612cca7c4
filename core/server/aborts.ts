/**
 * Telling an agent to stop: at once when an exchange ends early, and again when it goes on sending for one that has ended,
 * at most once in `abortRepeatMs` per request id (protocol-moosicbox.md, Agent to server).
 */
import type { ServerEffect } from "../effects.ts";
import type { FailureCode } from "../failure.ts";
import type { Outbox } from "../outbox.ts";
import { encodeAbortFrame } from "../wire/frames.ts";
import type { WireId } from "../wire/packet.ts";
import { tunnelOf } from "./homes.ts";
import { leaveStream } from "./native-request.ts";
import { sendText } from "./sending.ts";
import type { Exchange, ServerState, Tunnel } from "./state.ts";

/** The exchange needs nothing more from its tunnel, if it has one. */
export function abortExchange(
  state: ServerState,
  exchange: Exchange,
  code: FailureCode | "visitor_left",
  out: Outbox<ServerEffect>,
): void {
  if (exchange.native !== null) return leaveStream(state, exchange, exchange.native, code, out);
  const tunnel = tunnelOf(state, exchange.tunnel);
  if (tunnel?.phase === "live") sendAbort(state, tunnel, state.config.idBase + exchange.id, out);
}

/**
 * Something came for an id that this tunnel has no exchange for: count it, and tell the agent to stop. An agent that names
 * ever new ids is not answered for each: who was told a moment ago is remembered for `abortedIdsMax` ids only.
 */
export function onStray(
  state: ServerState,
  tunnel: Tunnel,
  requestId: WireId,
  out: Outbox<ServerEffect>,
): void {
  state.counters.strayPackets++;
  const { abortRepeatMs, abortedIdsMax } = state.config.limits;
  const toldMs = tunnel.aborted.get(requestId);
  if (toldMs !== undefined && state.nowMs - toldMs < abortRepeatMs) return;
  const oldest = tunnel.aborted.values().next().value;
  if (tunnel.aborted.size >= abortedIdsMax && oldest !== undefined && state.nowMs - oldest < abortRepeatMs)
    return;
  sendAbort(state, tunnel, requestId, out);
}

function sendAbort(state: ServerState, tunnel: Tunnel, requestId: WireId, out: Outbox<ServerEffect>): void {
  // Deleted first, so that the map stays ordered by time and the oldest is the first to go.
  tunnel.aborted.delete(requestId);
  if (tunnel.aborted.size >= state.config.limits.abortedIdsMax) {
    for (const oldest of tunnel.aborted.keys()) {
      tunnel.aborted.delete(oldest);
      break;
    }
  }
  tunnel.aborted.set(requestId, state.nowMs);
  state.counters.abortsSent++;
  sendText(tunnel, encodeAbortFrame(requestId), out);
}
