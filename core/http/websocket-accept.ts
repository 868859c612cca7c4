/**
 * `Sec-WebSocket-Accept`: how a service shows that it has read a handshake for what it is (RFC 6455 section 4.2.2). It keeps
 * no secret and proves nothing about anybody, so that SHA-1 is good enough for it.
 */
import { encodeBase64 } from "../wire/base64.ts";
import { encodeUtf8 } from "../wire/utf8.ts";

/** The only value that answers this `Sec-WebSocket-Key`. */
export function webSocketAccept(key: string): string {
  return encodeBase64(sha1(encodeUtf8(`${key}${GUID}`)));
}

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

const BLOCK_BYTES = 64;
/** Of the message's length, at the end of the last block. */
const LENGTH_BYTES = 8;

/** FIPS 180-4 section 6.1. */
function sha1(message: Uint8Array): Uint8Array {
  const blocks = Math.ceil((message.length + 1 + LENGTH_BYTES) / BLOCK_BYTES);
  const padded = new Uint8Array(blocks * BLOCK_BYTES);
  padded.set(message);
  padded[message.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setUint32(padded.length - 4, message.length * 8);
  const digest = new DataView(new ArrayBuffer(20));
  for (const [index, word] of START.entries()) digest.setUint32(index * 4, word);
  for (let block = 0; block < blocks; block++) addBlock(digest, view, block * BLOCK_BYTES);
  return new Uint8Array(digest.buffer);
}

function addBlock(digest: DataView, view: DataView, offset: number): void {
  const schedule = new DataView(new ArrayBuffer(80 * 4));
  for (let t = 0; t < 16; t++) schedule.setUint32(t * 4, view.getUint32(offset + t * 4));
  for (let t = 16; t < 80; t++) {
    const earlier = (back: number) => schedule.getUint32((t - back) * 4);
    schedule.setUint32(t * 4, rotated(earlier(3) ^ earlier(8) ^ earlier(14) ^ earlier(16), 1));
  }
  const start = [0, 4, 8, 12, 16].map((at) => digest.getUint32(at));
  let [a = 0, b = 0, c = 0, d = 0, e = 0] = start;
  for (let t = 0; t < 80; t++) {
    const mixed = rotated(a, 5) + mix(t, b, c, d) + e + schedule.getUint32(t * 4);
    [a, b, c, d, e] = [mixed | 0, a, rotated(b, 30), c, d];
  }
  for (const [index, word] of [a, b, c, d, e].entries()) {
    digest.setUint32(index * 4, (start[index] ?? 0) + word);
  }
}

/** The function and the constant of a round. */
function mix(t: number, b: number, c: number, d: number): number {
  if (t < 20) return ((b & c) ^ (~b & d)) + 0x5a827999;
  if (t < 40) return (b ^ c ^ d) + 0x6ed9eba1;
  if (t < 60) return ((b & c) ^ (b & d) ^ (c & d)) + 0x8f1bbcdc;
  return (b ^ c ^ d) + 0xca62c1d6;
}

function rotated(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

const START = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0];
