/**
 * All chance in a simulated run: a 64-bit seed and independent streams that are derived from it by name.
 *
 * A stream depends on its names alone, never on what another stream drew or on how many there are. So one fault or one
 * operation can be taken out of a scenario and every other draw stays where it was, which is what makes shrinking work.
 * Integers only: no float ever decides anything, and so every engine draws the same.
 */

/** 64 bits as two unsigned words. */
export type Seed = { readonly high: number; readonly low: number };

/** Is told of every draw, so that the trace hash covers them. */
export type DrawSink = { word(value: number): void };

/** Reads a decimal or `0x` seed of at most 64 bits; null when the text is none. */
export function parseSeed(text: string): Seed | null {
  if (!/^(0[xX][0-9a-fA-F]{1,16}|[0-9]{1,20})$/.test(text)) return null;
  const value = BigInt(text);
  if (value >= 1n << 64n) return null;
  return { high: Number(value >> 32n), low: Number(value & 0xffffffffn) };
}

export function formatSeed(seed: Seed): string {
  return ((BigInt(seed.high) << 32n) | BigInt(seed.low)).toString();
}

/** The seed that is `offset` after this one, so that a run of seeds can be named by its first. */
export function seedPlus(seed: Seed, offset: number): Seed {
  const low = seed.low + offset;
  const carry = Math.floor(low / 2 ** 32);
  return { high: (seed.high + carry) >>> 0, low: low >>> 0 };
}

/** One stream: xoshiro128**, by David Blackman and Sebastiano Vigna. */
export class Random {
  readonly #seed: Seed;
  readonly #sink: DrawSink | null;
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  constructor(seed: Seed, sink: DrawSink | null = null) {
    this.#seed = seed;
    this.#sink = sink;
    this.#a = scramble(seed.low ^ 0x9e3779b9);
    this.#b = scramble(seed.high ^ this.#a);
    this.#c = scramble(seed.low + this.#b);
    // The one state that the generator cannot leave is all zeros.
    this.#d = scramble(seed.high + this.#c) | 1;
  }

  /** Another stream, a function of this one's seed and the name; this stream does not move. */
  stream(name: string): Random {
    let high = this.#seed.high ^ 0x243f6a88;
    let low = this.#seed.low ^ 0x85a308d3;
    for (let index = 0; index < name.length; index++) {
      const code = name.charCodeAt(index);
      low = Math.imul(low ^ code, 0x01000193);
      high = Math.imul(high + code, 0x85ebca6b) ^ (low >>> 15);
    }
    return new Random({ high: scramble(high ^ low), low: scramble(low + name.length) }, this.#sink);
  }

  /** A word of 32 bits. */
  next(): number {
    const scrambled = Math.imul(rotateLeft(Math.imul(this.#b, 5), 7), 9) >>> 0;
    const shifted = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= shifted;
    this.#d = rotateLeft(this.#d, 11);
    this.#sink?.word(scrambled);
    return scrambled;
  }

  /** 0 to `bound` - 1, each alike; `bound` from 1 to 2^32. */
  below(bound: number): number {
    // Words above the last whole multiple are drawn again: no value is ever favoured.
    let word = this.next();
    while (word >= 2 ** 32 - bound && word >= 2 ** 32 - (2 ** 32 % bound)) word = this.next();
    // Engines divide words quicker than other numbers, and 2^32 is the one bound that is none.
    return bound === 2 ** 32 ? word : (word >>> 0) % (bound >>> 0);
  }

  /** `low` to `high`, both included. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  /** True `numerator` times out of `denominator`. */
  chance(numerator: number, denominator: number): boolean {
    return this.below(denominator) < numerator;
  }

  /** One of the list, which must not be empty. */
  pick<T>(list: readonly T[]): T {
    const item = list[this.below(list.length)];
    if (item === undefined) throw new RangeError("a draw from an empty list");
    return item;
  }

  /** One of the values, each as often as its weight says; weights are whole numbers. */
  weighted<T>(choices: readonly (readonly [weight: number, value: T])[]): T {
    let total = 0;
    for (const choice of choices) total += choice[0];
    let left = this.below(total);
    for (const choice of choices) {
      if (left < choice[0]) return choice[1];
      left -= choice[0];
    }
    throw new RangeError("a draw from weights that are all zero");
  }

  /** Small numbers far more often than large ones: uniform over the powers of two, then within one. */
  skewed(low: number, high: number): number {
    const bits = 32 - Math.clz32(high - low);
    const ceiling = 2 ** this.between(0, bits);
    return low + Math.min(high - low, this.below(ceiling));
  }

  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let index = 0; index < length; index++) bytes[index] = this.next();
    return bytes;
  }

  /** The list in a drawn order, as a new list. */
  shuffled<T>(list: readonly T[]): T[] {
    const result: T[] = [];
    for (const item of list) {
      const place = this.below(result.length + 1);
      const displaced = result[place];
      result[place] = item;
      if (displaced !== undefined) result.push(displaced);
    }
    return result;
  }
}

function rotateLeft(word: number, by: number): number {
  return (word << by) | (word >>> (32 - by));
}

/** The finaliser of MurmurHash3: each bit of the input reaches each bit of the result. */
export function scramble(word: number): number {
  let mixed = word;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
