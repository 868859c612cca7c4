/**
 * The MoosicBox packet as the simulator knows it, written from the protocol's table and apart from `core/wire`: model
 * agents speak it, faults take it apart, and checkers read it.
 */
import { copyOf, newBytes } from "../tools/bytes.ts";
import { utf8Bytes } from "../tools/text.ts";

export type SimPacket = {
  readonly requestId: number;
  readonly packetId: number;
  readonly last: boolean;
  /** Only where `packetId` is 1. */
  readonly head: { readonly status: number; readonly headers: Readonly<Record<string, string>> } | null;
  readonly body: Uint8Array;
};

const ID_BYTES = 8;
const LAST_OFFSET = 12;
const HEADER_BYTES = 13;

export function encodeSimPacket(packet: SimPacket): Uint8Array {
  const head = utf8Bytes(packet.head === null ? "" : JSON.stringify(packet.head.headers));
  const headBytes = packet.head === null ? 0 : 6 + head.length;
  const bytes = newBytes(HEADER_BYTES + headBytes + packet.body.length);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  writeRequestId(bytes, packet.requestId);
  view.setUint32(ID_BYTES, packet.packetId);
  bytes[LAST_OFFSET] = packet.last ? 1 : 0;
  if (packet.head !== null) {
    view.setUint16(HEADER_BYTES, packet.head.status);
    view.setUint32(HEADER_BYTES + 2, head.length);
    bytes.set(head, HEADER_BYTES + 6);
  }
  bytes.set(packet.body, HEADER_BYTES + headBytes);
  return bytes;
}

/** The same meaning as a text frame. */
export function encodeSimTextPacket(packet: SimPacket): string {
  const { requestId, packetId, last, head, body } = packet;
  const shown = head === null ? "" : `${head.status}|${JSON.stringify(head.headers)}|`;
  return `TUNNEL_RESPONSE:${requestId}|${packetId}|${last ? 1 : 0}${shown}${base64(body)}`;
}

/** The three fields that every packet has; null where the bytes are too few. */
export function readSimPacket(
  bytes: Uint8Array,
): { readonly requestId: number; readonly packetId: number; readonly last: boolean } | null {
  if (bytes.length < HEADER_BYTES) return null;
  return {
    requestId: wordAt(bytes, 0) * 2 ** 32 + wordAt(bytes, 4),
    packetId: wordAt(bytes, ID_BYTES),
    last: bytes[LAST_OFFSET] === 1,
  };
}

/** Four bytes of the wire as a number. */
export function wordAt(bytes: Uint8Array, at: number): number {
  const high = ((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16);
  return (high | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)) >>> 0;
}

/** The same packet for another request or with another number, as bytes of its own. */
export function altered(
  bytes: Uint8Array,
  change: { readonly requestId?: number; readonly packetId?: number; readonly last?: boolean },
): Uint8Array {
  const copy = copyOf(bytes);
  if (change.requestId !== undefined) writeRequestId(copy, change.requestId);
  if (change.packetId !== undefined)
    new DataView(copy.buffer, copy.byteOffset).setUint32(ID_BYTES, change.packetId);
  if (change.last !== undefined) copy[LAST_OFFSET] = change.last ? 1 : 0;
  return copy;
}

/** Where the body of a packet that is not its exchange's first begins. */
export const SIM_PACKET_HEADER_BYTES = HEADER_BYTES;

function writeRequestId(bytes: Uint8Array, requestId: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  view.setUint32(0, Math.floor(requestId / 2 ** 32));
  view.setUint32(4, requestId % 2 ** 32);
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}
