/**
 * A small seeded generator for what must differ between processes but need not be secret, such as the jitter of a retry.
 * Integers only, so that every machine draws the same numbers. It must never make a token.
 *
 * The state walks through all 2^32 values in steps of the golden ratio and each is scrambled by the finalizer of
 * MurmurHash3: the construction of SplitMix (Steele, Lea, Flood 2014) at 32 bits.
 */
import { assert } from "./assert.ts";

export type Prng = { state: number };

const RANGE = 2 ** 32;

/** `seed` is any safe integer of at least 0; both of its halves count. */
export function createPrng(seed: number): Prng {
  assert(Number.isSafeInteger(seed) && seed >= 0, "a seed is not a whole number of at least 0");
  return { state: ((seed % RANGE) ^ Math.imul(Math.floor(seed / RANGE), 0x9e3779b1)) >>> 0 };
}

/** A whole number from 0 to `bound` - 1, each equally likely; `bound` is from 1 to 2^32. */
export function below(prng: Prng, bound: number): number {
  assert(Number.isSafeInteger(bound) && bound >= 1 && bound <= RANGE, "a bound is not from 1 to 2^32");
  // Draws from the incomplete last run of `bound` numbers would favour the small ones.
  const fairEnd = RANGE - (RANGE % bound);
  for (;;) {
    const drawn = next(prng);
    if (drawn < fairEnd) return drawn % bound;
  }
}

function next(prng: Prng): number {
  prng.state = (prng.state + 0x9e3779b9) >>> 0;
  let mixed = prng.state;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
