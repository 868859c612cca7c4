/**
 * Puts the packets of one response back in order.
 *
 * Deployed agents send smaller messages first, so the short last packet of a file may come thousands of numbers early:
 * reordering is normal, and how far ahead a number is says nothing. What is parked is bounded by count and bytes.
 * A packet that comes again is dropped when it is the same and breaks the exchange when it is not. Of delivered packets
 * only a fingerprint is left to compare with, and only of the latest; an older one is taken for the same.
 */
import { assert } from "./assert.ts";
import { byteAt, equalBytes, retain } from "./bytes.ts";
import type { Packet } from "./wire/packet.ts";

export type Resequencer = {
  /** The packet id that continues what was delivered. */
  next: number;
  /** The id of the packet marked last, 0 while none was seen. */
  last: number;
  /** The highest id seen. */
  highest: number;
  readonly parked: Map<number, Packet>;
  parkedBytes: number;
  /** Fingerprints of the latest delivered packets by id modulo their number; made with the second packet. */
  fingerprints: Uint32Array | null;
};

export type ResequencerLimits = { readonly parkedPacketsMax: number; readonly parkedBytesMax: number };

/**
 * `next`: to be delivered now, then `takeParked` until it gives nothing. `parked`: kept for later. `duplicate`: drop it.
 * The others break the exchange: a duplicate with other content, a packet behind the last one or a second last one, a
 * packet that finds no parking place.
 */
export type Verdict = "next" | "parked" | "duplicate" | "conflict" | "beyond_last" | "overflow";

export function createResequencer(): Resequencer {
  return { next: 1, last: 0, highest: 0, parked: new Map(), parkedBytes: 0, fingerprints: null };
}

export function acceptPacket(order: Resequencer, packet: Packet, limits: ResequencerLimits): Verdict {
  const id = packet.packetId;
  if (id < order.next) return isRepeat(order, packet) ? "duplicate" : "conflict";
  const parked = order.parked.get(id);
  if (parked !== undefined) return isSame(parked, packet) ? "duplicate" : "conflict";
  if (order.last !== 0 && (id > order.last || packet.last)) return "beyond_last";
  if (packet.last && id < order.highest) return "beyond_last";
  if (id !== order.next) {
    const full = order.parked.size >= limits.parkedPacketsMax;
    if (full || order.parkedBytes + packet.body.length > limits.parkedBytesMax) return "overflow";
  }
  if (packet.last) order.last = id;
  if (id > order.highest) order.highest = id;
  if (id === order.next) {
    deliver(order, packet);
    return "next";
  }
  order.parked.set(id, { ...packet, body: retain(packet.body) });
  order.parkedBytes += packet.body.length;
  return "parked";
}

/** The parked packet that continues what was delivered, if it is there. */
export function takeParked(order: Resequencer): Packet | undefined {
  const packet = order.parked.get(order.next);
  if (packet === undefined) return undefined;
  order.parked.delete(order.next);
  order.parkedBytes -= packet.body.length;
  assert(order.parkedBytes >= 0, "more bytes left the parking than entered it");
  deliver(order, packet);
  return packet;
}

/** Whether everything up to the last packet was delivered. */
export function isComplete(order: Resequencer): boolean {
  return order.last !== 0 && order.next > order.last;
}

/** Forgets what is parked, because nobody will ask for it any more. */
export function dropParked(order: Resequencer): void {
  order.parked.clear();
  order.parkedBytes = 0;
}

function deliver(order: Resequencer, packet: Packet): void {
  assert(packet.packetId === order.next, "a packet is delivered out of order");
  order.next++;
  // A response of one packet, the common case, never pays for this.
  if (packet.last && packet.packetId === 1) return;
  order.fingerprints ??= new Uint32Array(FINGERPRINTS);
  order.fingerprints[packet.packetId % FINGERPRINTS] = fingerprint(packet);
}

function isRepeat(order: Resequencer, packet: Packet): boolean {
  if (order.fingerprints === null || packet.packetId < order.next - FINGERPRINTS) return true;
  return order.fingerprints[packet.packetId % FINGERPRINTS] === fingerprint(packet);
}

function isSame(a: Packet, b: Packet): boolean {
  return a.last === b.last && equalBytes(a.body, b.body);
}

/**
 * FNV-1a over the head and the whole of a short body, over evenly spread bytes of a long one: a full pass over bulk would
 * cost more than the rest of the step.
 */
function fingerprint(packet: Packet): number {
  const { body, head } = packet;
  let hash = FNV_OFFSET ^ body.length ^ (packet.last ? LAST_MARK : 0) ^ (head?.status ?? 0);
  for (const text of head?.headers ?? []) {
    for (let index = 0; index < text.length; index++)
      hash = Math.imul(hash ^ text.charCodeAt(index), FNV_PRIME);
  }
  const stride = Math.max(1, Math.floor(body.length / SAMPLES));
  for (let index = 0; index < body.length; index += stride) {
    hash = Math.imul(hash ^ byteAt(body, index), FNV_PRIME);
  }
  return hash >>> 0;
}

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;
/** Any bits of the hash that tell a last packet from another one. */
const LAST_MARK = 0x5bd1e995;

/** How many delivered packets can still be compared: those that a reconnecting agent is likely to repeat. */
const FINGERPRINTS = 64;
const SAMPLES = 64;
