/** Masking, which a client owes to each of its frames (RFC 6455 section 5.3). */
import { randomFillSync } from "node:crypto";
import { createRequire } from "node:module";

/** Of a masking key. */
export const KEY_BYTES = 4;

/** Keys that are made at once, since a call for four bytes costs more than the masking. */
const KEYS_TOGETHER = 1024;

type BufferUtil = { unmask(bytes: Uint8Array, key: Uint8Array): void };

const require = createRequire(import.meta.url);
const native: BufferUtil = require("bufferutil");
const fallback: BufferUtil = require("bufferutil/fallback");

/**
 * Whether masking is done by native code. Without it a download costs more than twice the CPU, so the program says so in
 * its log: `bufferutil` is no more than its JavaScript stand-in where it could not be built.
 */
export const maskingIsNative = native.unmask !== fallback.unmask;

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
  native.unmask(bytes.subarray(at + KEY_BYTES, end), key);
}
