/**
 * Cuts a response body into packets, none above `packetBytesMax` with its header.
 *
 * - A body that comes in big chunks fills its packets: what is left of a chunk waits `packetFillMs` for the next one.
 *   Otherwise each 64 KiB chunk of a download would become one full packet and one tiny one.
 * - A body that comes in small chunks, such as an event stream, goes out as it comes.
 * - Packet 1 waits for as long, counted from the head, whatever the chunks are: most responses end within that time, and
 *   one packet costs both ends half of what two cost.
 * - Bytes that complete the declared length wait too: the end, which belongs in the same packet, is about to come.
 *
 * What waits is views of what the origin gave. They keep a whole chunk alive, but for no longer than `packetFillMs`, so
 * they are not copied.
 */
import { assert } from "../../assert.ts";
import type { AgentEffect } from "../../effects.ts";
import type { Outbox } from "../../outbox.ts";
import { arm, disarm, isArmed } from "../../timers.ts";
import { encodePacketHeader } from "../../wire/packet.ts";
import type { AgentState, Exchange, MoosicBoxTunnel } from "../state.ts";
import { sendPacket } from "./backpressure.ts";

/** From here on a chunk counts as a piece of a bulk body. An event or a log line is smaller; files are read in more. */
const BULK_CHUNK_BYTES = 16 * 1024;

/** Of every packet but the first, whose header has the response head besides. */
const HEADER_BYTES = 13;

/** Where a packet's header says whether it is the last. */
const LAST_FLAG_AT = 12;

/** Begins the response with packet 1's encoded header, which is not sent yet. */
export function beginPackets(state: AgentState, exchange: Exchange, firstHeader: Uint8Array): void {
  assert(exchange.packetsSent === 0 && exchange.heldBytes === 0, "a response begins twice");
  assert(firstHeader.length <= state.config.limits.packetBytesMax, "a head does not fit a packet");
  exchange.firstHeader = firstHeader;
  armFill(state, exchange);
}

export function addBody(
  state: AgentState,
  tunnel: MoosicBoxTunnel,
  exchange: Exchange,
  bytes: Uint8Array,
  out: Outbox<AgentEffect>,
): void {
  if (bytes.length === 0) return;
  exchange.held.push(bytes);
  exchange.heldBytes += bytes.length;
  const sentBefore = exchange.packetsSent;
  sendFull(state, tunnel, exchange, out);
  const waits = exchange.firstHeader !== null || bytes.length >= BULK_CHUNK_BYTES || exchange.bodyLeft === 0;
  if (!waits) flushHeld(state, tunnel, exchange, out);
  else if (exchange.packetsSent > sentBefore || !isArmed(exchange.fillTimer)) armFill(state, exchange);
}

/** Sends what waits, the head included. */
export function flushHeld(
  state: AgentState,
  tunnel: MoosicBoxTunnel,
  exchange: Exchange,
  out: Outbox<AgentEffect>,
): void {
  disarm(state.timers, exchange.fillTimer);
  assert(exchange.firstHeader !== null || exchange.heldBytes > 0, "there is nothing to flush");
  sendHeld(state, tunnel, exchange, exchange.heldBytes, false, out);
}

/** Sends what is left, and says that it was the last. */
export function endPackets(
  state: AgentState,
  tunnel: MoosicBoxTunnel,
  exchange: Exchange,
  out: Outbox<AgentEffect>,
): void {
  disarm(state.timers, exchange.fillTimer);
  sendHeld(state, tunnel, exchange, exchange.heldBytes, true, out);
}

/** Drops what waits; nothing more will be sent. */
export function dropHeld(state: AgentState, exchange: Exchange): void {
  disarm(state.timers, exchange.fillTimer);
  exchange.firstHeader = null;
  exchange.held = [];
  exchange.heldBytes = 0;
}

/** Sends packets while more waits than fits one, so that a body's last bytes stay for the packet with the last flag. */
function sendFull(
  state: AgentState,
  tunnel: MoosicBoxTunnel,
  exchange: Exchange,
  out: Outbox<AgentEffect>,
): void {
  for (;;) {
    const headerBytes = exchange.firstHeader?.length ?? HEADER_BYTES;
    const room = state.config.limits.packetBytesMax - headerBytes;
    if (exchange.heldBytes <= room) return;
    sendHeld(state, tunnel, exchange, room, false, out);
  }
}

function sendHeld(
  state: AgentState,
  tunnel: MoosicBoxTunnel,
  exchange: Exchange,
  bytes: number,
  last: boolean,
  out: Outbox<AgentEffect>,
): void {
  const header = takeHeader(exchange, last);
  const body = takeHeld(exchange, bytes);
  state.counters.bytesSent += bytes;
  assert(header.length + bytes <= state.config.limits.packetBytesMax, "a packet is above its limit");
  sendPacket(state, tunnel, header, body, bytes, out);
}

function takeHeader(exchange: Exchange, last: boolean): Uint8Array {
  const packetId = ++exchange.packetsSent;
  const first = exchange.firstHeader;
  if (first === null) {
    assert(packetId > 1, "packet 1 has no head");
    return encodePacketHeader({ requestId: exchange.wireId, packetId, last, head: null });
  }
  assert(packetId === 1, "a head is left after packet 1");
  exchange.firstHeader = null;
  if (last) first[LAST_FLAG_AT] = 1;
  return first;
}

/** The first `bytes` of what is held, as views. */
function takeHeld(exchange: Exchange, bytes: number): readonly Uint8Array[] {
  const { held } = exchange;
  if (bytes === exchange.heldBytes) {
    exchange.held = [];
    exchange.heldBytes = 0;
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
  exchange.held = held.slice(index);
  exchange.heldBytes -= bytes;
  return taken;
}

function armFill(state: AgentState, exchange: Exchange): void {
  arm(state.timers, exchange.fillTimer, state.nowMs + state.config.limits.packetFillMs);
}
