/** The other nodes that requests go to: each has a number for the machine that speaks to them, which few of them share. */
import type { ServerEffect } from "../../effects.ts";
import type { Outbox } from "../../outbox.ts";
import type { PeerSlot } from "../state/peers.ts";
import type { ServerState } from "../state/server.ts";

/** The place of that node, in which another one may have been; null where all are taken. */
export function slotFor(state: ServerState, url: string, out: Outbox<ServerEffect>): PeerSlot | null {
  const { slots } = state.peers;
  const known = slots.find((slot) => slot.url === url);
  if (known !== undefined) return known;
  const slot = freeSlot(state);
  if (slot === null) return null;
  slot.url = url;
  out.push({ type: "origin_set", origin: slots.indexOf(slot), url });
  return slot;
}

function freeSlot({ peers: { slots }, nowMs, config }: ServerState): PeerSlot | null {
  if (slots.length < config.limits.peersMax) {
    const slot = { url: "", exchanges: 0, usedMs: nowMs };
    slots.push(slot);
    return slot;
  }
  let oldest: PeerSlot | null = null;
  for (const slot of slots) {
    if (slot.exchanges === 0 && (oldest === null || slot.usedMs < oldest.usedMs)) oldest = slot;
  }
  return oldest;
}
