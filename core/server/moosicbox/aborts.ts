/**
 * Telling an agent to stop: at once when an exchange ends early, and again when it goes on sending for one that has ended,
 * at most once in `abortRepeatMs` per request id (protocol-moosicbox.md, Agent to server).
 */
import type { ServerEffect } from "../../effects.ts";
import type { Outbox } from "../../outbox.ts";
import { encodeAbortFrame } from "../../wire/frames.ts";
import type { WireId } from "../../wire/packet.ts";
import { sendText } from "../sockets/sending.ts";
import type { ServerState } from "../state/server.ts";
import type { Tunnel } from "../state/tunnels.ts";

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

export function sendAbort(
  state: ServerState,
  tunnel: Tunnel,
  requestId: WireId,
  out: Outbox<ServerEffect>,
): void {
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
