/**
 * Cuts a response body into packets, none above `packetBytesMax` with its header.
 * `fill.ts` says when one that is not full may go, and when it waits `packetFillMs` for more.
 *
 * What waits is views of what the origin gave. They keep a whole chunk alive, but for no longer than `packetFillMs`, so
 * they are not copied.
 */
import { assert } from "../../assert.ts";
import type { AgentEffect } from "../../effects.ts";
import type { Outbox } from "../../outbox.ts";
import { arm, disarm, isArmed } from "../../timers.ts";
import { encodePacketHeader } from "../../wire/packet.ts";
import { mayWait } from "../fill.ts";
import type { AgentState, MoosicBoxCarried } from "../state.ts";
import { sendPacket } from "./backpressure.ts";

/** Of every packet but the first, whose header has the response head besides. */
const HEADER_BYTES = 13;

/** Where a packet's header says whether it is the last. */
const LAST_FLAG_AT = 12;

/** Begins the response with packet 1's encoded header, which is not sent yet. */
export function beginPackets(state: AgentState, carried: MoosicBoxCarried, firstHeader: Uint8Array): void {
  assert(carried.packetsSent === 0 && carried.heldBytes === 0, "a response begins twice");
  assert(firstHeader.length <= state.config.limits.packetBytesMax, "a head does not fit a packet");
  carried.firstHeader = firstHeader;
  armFill(state, carried);
}

export function addBody(
  state: AgentState,
  carried: MoosicBoxCarried,
  bytes: Uint8Array,
  out: Outbox<AgentEffect>,
): void {
  carried.held.push(bytes);
  carried.heldBytes += bytes.length;
  const sentBefore = carried.packetsSent;
  sendFull(state, carried, out);
  const waits = carried.firstHeader !== null || mayWait(bytes, carried.complete);
  if (!waits) flushHeld(state, carried, out);
  else if (carried.packetsSent > sentBefore || !isArmed(carried.fillTimer)) armFill(state, carried);
}

/** Sends what waits, the head included. */
export function flushHeld(state: AgentState, carried: MoosicBoxCarried, out: Outbox<AgentEffect>): void {
  disarm(state.timers, carried.fillTimer);
  assert(carried.firstHeader !== null || carried.heldBytes > 0, "there is nothing to flush");
  sendHeld(state, carried, carried.heldBytes, false, out);
}

/** Sends what is left, and says that it was the last. */
export function endPackets(state: AgentState, carried: MoosicBoxCarried, out: Outbox<AgentEffect>): void {
  disarm(state.timers, carried.fillTimer);
  sendHeld(state, carried, carried.heldBytes, true, out);
}

/** Drops what waits; nothing more will be sent. */
export function dropHeld(state: AgentState, carried: MoosicBoxCarried): void {
  disarm(state.timers, carried.fillTimer);
  carried.firstHeader = null;
  carried.held = [];
  carried.heldBytes = 0;
}

/** Sends packets while more waits than fits one, so that a body's last bytes stay for the packet with the last flag. */
function sendFull(state: AgentState, carried: MoosicBoxCarried, out: Outbox<AgentEffect>): void {
  for (;;) {
    const headerBytes = carried.firstHeader?.length ?? HEADER_BYTES;
    const room = state.config.limits.packetBytesMax - headerBytes;
    if (carried.heldBytes <= room) return;
    sendHeld(state, carried, room, false, out);
  }
}

function sendHeld(
  state: AgentState,
  carried: MoosicBoxCarried,
  bytes: number,
  last: boolean,
  out: Outbox<AgentEffect>,
): void {
  const header = takeHeader(carried, last);
  const body = takeHeld(carried, bytes);
  state.counters.bytesSent += bytes;
  assert(header.length + bytes <= state.config.limits.packetBytesMax, "a packet is above its limit");
  sendPacket(state, carried.tunnel, header, body, bytes, out);
}

function takeHeader(carried: MoosicBoxCarried, last: boolean): Uint8Array {
  const packetId = ++carried.packetsSent;
  const first = carried.firstHeader;
  if (first === null) {
    assert(packetId > 1, "packet 1 has no head");
    return encodePacketHeader({ requestId: carried.wireId, packetId, last, head: null });
  }
  assert(packetId === 1, "a head is left after packet 1");
  carried.firstHeader = null;
  if (last) first[LAST_FLAG_AT] = 1;
  return first;
}

/** The first `bytes` of what is held, as views. */
function takeHeld(carried: MoosicBoxCarried, bytes: number): readonly Uint8Array[] {
  const { held } = carried;
  if (bytes === carried.heldBytes) {
    carried.held = [];
    carried.heldBytes = 0;
    return held;
  }
  const taken: Uint8Array[] = [];
  let left = bytes;
  let index = 0;
  for (; left > 0; index++) {
    const part = held[index];
    assert(part !== undefined, "more bytes are taken than are held");
    if (part.length > left) {
      taken.push(part.subarray(0, left));
      held[index] = part.subarray(left);
      break;
    }
    taken.push(part);
    left -= part.length;
  }
  carried.held = held.slice(index);
  carried.heldBytes -= bytes;
  return taken;
}

function armFill(state: AgentState, carried: MoosicBoxCarried): void {
  arm(state.timers, carried.fillTimer, state.nowMs + state.config.limits.packetFillMs);
}
