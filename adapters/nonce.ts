/** The core's only source of secrets: random bytes that come with events (`core/events.ts`). */
import { randomFillSync } from "node:crypto";
import { NONCE_BYTES } from "../core/events.ts";

/** One call to the system for this many nonces: a call for each would cost more than the rest of a small request. */
const POOL_NONCES = 256;

/** Makes a function that gives `NONCE_BYTES` fresh random bytes at each call; nobody else ever holds the same ones. */
export function createNonceSource(): () => Uint8Array {
  let pool = new Uint8Array(0);
  let used = 0;
  return () => {
    if (used === pool.length) {
      pool = randomFillSync(new Uint8Array(POOL_NONCES * NONCE_BYTES));
      used = 0;
    }
    used += NONCE_BYTES;
    return pool.subarray(used - NONCE_BYTES, used);
  };
}
