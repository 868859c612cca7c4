/** A response packet as it crosses the wire, binary or text, read by the protocol's table and by nothing of `core/wire`. */
import { readSimPacket, wordAt } from "../wire/packet.ts";

export type SeenPacket = {
  readonly requestId: number;
  readonly packetId: number;
  readonly last: boolean;
  /** Of packet 1, 0 in all others. */
  readonly status: number;
  /** All that follows the number and the last flag: equal in two packets that are the same. */
  readonly content: Uint8Array | string;
  readonly bodyBytes: number;
};

const FIXED_BYTES = 13;
const HEAD_BYTES = 19;
const TEXT_PACKET = /^TUNNEL_RESPONSE:(\d{1,20})\|(\d{1,10})\|([01])/;

/** Null where the bytes are no packet that names an exchange. */
export function seenPacket(bytes: Uint8Array): SeenPacket | null {
  // Several look at each message, one after the other.
  if (bytes !== lastBytes) {
    lastBytes = bytes;
    lastPacket = readPacket(bytes);
  }
  return lastPacket;
}

let lastBytes: Uint8Array | null = null;
let lastPacket: SeenPacket | null = null;

function readPacket(bytes: Uint8Array): SeenPacket | null {
  const packet = readSimPacket(bytes);
  if (packet === null) return null;
  const { requestId, packetId, last } = packet;
  const content = bytes.subarray(FIXED_BYTES);
  if (packetId !== 1) return { requestId, packetId, last, status: 0, content, bodyBytes: content.length };
  if (bytes.length < HEAD_BYTES) return { requestId, packetId, last, status: 0, content, bodyBytes: 0 };
  const status = ((bytes[FIXED_BYTES] ?? 0) << 8) | (bytes[FIXED_BYTES + 1] ?? 0);
  const bodyBytes = Math.max(0, bytes.length - HEAD_BYTES - wordAt(bytes, FIXED_BYTES + 2));
  return { requestId, packetId, last, status, content, bodyBytes };
}

/** The same for the text form. */
export function seenTextPacket(text: string): SeenPacket | null {
  const fixed = TEXT_PACKET.exec(text);
  if (fixed === null) return null;
  const packetId = Number(fixed[2]);
  const content = text.slice(fixed[0].length);
  const status = packetId === 1 ? Number(content.slice(0, 3)) : 0;
  const body = packetId === 1 ? content.slice(content.lastIndexOf("}") + 1).replace(/^\|/, "") : content;
  const bodyBytes = (body.length / 4) * 3 - (body.endsWith("==") ? 2 : body.endsWith("=") ? 1 : 0);
  return { requestId: Number(fixed[1]), packetId, last: fixed[3] === "1", status, content, bodyBytes };
}

export function sameContent(a: SeenPacket["content"], b: SeenPacket["content"]): boolean {
  if (typeof a === "string" || typeof b === "string") return a === b;
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
