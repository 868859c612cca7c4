/** Masking, which a client owes to each of its frames (RFC 6455 section 5.3). */
import { randomFillSync } from "node:crypto";
import { type BufferUtil, nativeMasking } from "./native-masking.ts";

/** Of a masking key. */
export const KEY_BYTES = 4;

/** Keys that are made at once, since a call for four bytes costs more than the masking. */
const KEYS_TOGETHER = 1024;

/** What masks here. The bundle gives it to `ws` as well, which would mask byte by byte where there is no native code. */
export const bufferUtil: BufferUtil = nativeMasking ?? { mask: maskInScript, unmask: unmaskInScript };

const keys = Buffer.alloc(KEYS_TOGETHER * KEY_BYTES);
let keysEnd = keys.length;

/** Puts a new key at `at` and masks with it what follows, as far as `end`. */
export function mask(bytes: Buffer, at: number, end: number): void {
  if (keysEnd === keys.length) {
    randomFillSync(keys);
    keysEnd = 0;
  }
  const key = keys.subarray(keysEnd, keysEnd + KEY_BYTES);
  keysEnd += KEY_BYTES;
  bytes.set(key, at);
  bufferUtil.unmask(bytes.subarray(at + KEY_BYTES, end), key);
}

/** Masks `bytes` in place, four at a time: byte by byte it would take several times as long. */
export function unmaskInScript(bytes: Uint8Array, key: Uint8Array): void {
  const head = Math.min(bytes.length, -bytes.byteOffset & 3);
  const count = (bytes.length - head) >> 2;
  for (let index = 0; index < head; index++) maskByte(bytes, index, key);
  // Without a word there may be no place either where one could begin.
  if (count > 0) {
    // Of the byte order that this machine has, as the words are.
    const turned = Uint8Array.from(key, (_, index) => key[(head + index) & 3] ?? 0);
    const word = new Uint32Array(turned.buffer)[0] ?? 0;
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset + head, count);
    for (let index = 0; index < count; index++) words[index] = (words[index] ?? 0) ^ word;
  }
  for (let index = head + count * 4; index < bytes.length; index++) maskByte(bytes, index, key);
}

function maskInScript(
  source: Uint8Array,
  key: Uint8Array,
  output: Uint8Array,
  offset: number,
  length: number,
): void {
  output.set(source.subarray(0, length), offset);
  unmaskInScript(output.subarray(offset, offset + length), key);
}

function maskByte(bytes: Uint8Array, index: number, key: Uint8Array): void {
  bytes[index] = (bytes[index] ?? 0) ^ (key[index & 3] ?? 0);
}
