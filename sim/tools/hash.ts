/**
 * The running hash of a run: every event, effect and draw goes through it, in order. Two runs of one scenario that end
 * with the same hash did the same things; that is the determinism gate. It is no protection against anybody.
 */

/** Of a long byte string this many bytes at its start, at its end and in between are taken. */
const SAMPLE_BYTES = 16;
/** Text up to this length is taken whole, and of longer text so much at either end. */
const TEXT_WHOLE_MAX = 512;
const TEXT_END = 192;

export class TraceHash {
  #a = 0x6a09e667;
  #b = 0xbb67ae85;

  /** Takes 32 bits. */
  word(value: number): void {
    const a = Math.imul(this.#a ^ value, 0x9e3779b1);
    this.#a = (a << 13) | (a >>> 19);
    this.#b = Math.imul(this.#b + value, 0x85ebca77) ^ (this.#b >>> 15) ^ a;
  }

  /** Takes any number, whole or not; two that differ are taken as different. */
  number(value: number): void {
    if ((value | 0) === value) {
      this.word(value);
    } else if (Number.isSafeInteger(value)) {
      this.word(value | 0);
      if (value > 0x7fffffff || value < -0x80000000) this.word(Math.floor(value / 2 ** 32));
    } else {
      this.text(String(value));
    }
  }

  /** Takes the length and, as of bytes, not all of what is long: it carries a body. */
  text(value: string): void {
    const { length } = value;
    this.word(length);
    if (length <= TEXT_WHOLE_MAX) this.#units(value, 0, length);
    else {
      this.#units(value, 0, TEXT_END);
      this.#units(value, length - TEXT_END, length);
    }
  }

  /**
   * Takes the length and at most three samples. The rest of a body needs no hash: each byte that a visitor sees is
   * compared with the model anyway, and hashing all of it would cost more than the machines that are under test.
   */
  bytes(value: Uint8Array): void {
    this.word(value.length);
    if (value.length <= 3 * SAMPLE_BYTES) {
      this.#sample(value, 0, 1, value.length);
      return;
    }
    this.#sample(value, 0, 1, SAMPLE_BYTES);
    this.#sample(value, SAMPLE_BYTES, Math.floor(value.length / SAMPLE_BYTES) - 1, SAMPLE_BYTES);
    this.#sample(value, value.length - SAMPLE_BYTES, 1, SAMPLE_BYTES);
  }

  /** Takes plain data of any shape: the members of an object in the order in which they were set. */
  value(value: unknown): void {
    switch (typeof value) {
      case "string":
        this.text(value);
        break;
      case "number":
        this.number(value);
        break;
      case "boolean":
        this.word(value ? 0x1d : 0x2d);
        break;
      case "bigint":
        this.text(value.toString());
        break;
      case "object":
        this.#object(value);
        break;
      default:
        this.word(0x3d);
    }
  }

  /** Sixteen hexadecimal digits of what was taken up to now. */
  digest(): string {
    return hex(this.#a ^ (this.#b >>> 7)) + hex(this.#b);
  }

  /** 32 bits of what was taken up to now, for comparing two runs step by step. */
  checkpoint(): number {
    return (this.#a ^ this.#b) >>> 0;
  }

  #object(value: object | null): void {
    if (value === null) {
      this.word(0x4d);
    } else if (Object.getPrototypeOf(value) === Object.prototype) {
      // Nearly all are plain, and that is seen soonest.
      this.#members(value);
    } else if (value instanceof Uint8Array) {
      this.bytes(value);
    } else if (Array.isArray(value)) {
      this.word(value.length);
      for (const item of value) this.value(item);
    } else if (value instanceof Map) {
      this.word(value.size);
      for (const [key, item] of value) {
        this.value(key);
        this.value(item);
      }
    } else if (value instanceof Set) {
      this.word(value.size);
      for (const item of value) this.value(item);
    } else {
      this.#members(value);
    }
  }

  #members(value: object): void {
    const members = value as Readonly<Record<string, unknown>>;
    for (const name in members) {
      const member = members[name];
      if (typeof member === "string") this.text(member);
      else if (typeof member === "number") this.number(member);
      else this.value(member);
    }
  }

  /** The UTF-16 units of the text from one place to another, two to a word, each taken as `word` takes it. */
  #units(value: string, start: number, end: number): void {
    // Half of all words are text's: what `word` keeps in the object is kept at hand here.
    let a = this.#a;
    let b = this.#b;
    for (let index = start; index < end; index += 2) {
      const unit = value.charCodeAt(index);
      const word = index + 1 < end ? (unit << 16) | value.charCodeAt(index + 1) : unit;
      const mixed = Math.imul(a ^ word, 0x9e3779b1);
      a = (mixed << 13) | (mixed >>> 19);
      b = Math.imul(b + word, 0x85ebca77) ^ (b >>> 15) ^ mixed;
    }
    this.#a = a;
    this.#b = b;
  }

  #sample(value: Uint8Array, start: number, stride: number, count: number): void {
    let word = 0;
    for (let taken = 0; taken < count; taken++) {
      word = (word << 8) | (value[start + taken * stride] ?? 0);
      if ((taken & 3) === 3) this.word(word);
    }
    if ((count & 3) !== 0) this.word(word);
  }
}

/** 32 bits that stand for a name. */
export function wordOf(name: string): number {
  const hash = new TraceHash();
  hash.text(name);
  return hash.checkpoint();
}

/** Stands in for SHA-256 in simulated processes: 64 hexadecimal digits, far quicker, with no collision met by accident. */
export function fakeSha256(text: string): string {
  const known = digests.get(text);
  if (known !== undefined) return known;
  // The same few tokens are hashed again and again; what is made up in a run is not worth keeping for long.
  if (digests.size === DIGESTS_MAX) digests.clear();
  const digest = digestOf(text);
  digests.set(text, digest);
  return digest;
}

/** Stands in for a slow hash of a password, in the shape of `isSalted`. */
export function fakeSalted(password: string, salt: string): string {
  return `scrypt.14.8.1.${salt}.${fakeSha256(`${salt}:${password}`).slice(0, SALTED_DIGITS)}`;
}

/** What is found out by working it out anew. */
export function isFakeSalted(password: string, hash: string): boolean {
  return fakeSalted(password, hash.split(".")[4] ?? "") === hash;
}

const SALTED_DIGITS = 43;

const DIGESTS_MAX = 1_000;
const digests = new Map<string, string>();

function digestOf(text: string): string {
  const hash = new TraceHash();
  let digits = "";
  for (let part = 0; part < 4; part++) {
    hash.text(text);
    digits += hash.digest();
  }
  return digits;
}

/** Text in the shape of a UUID, the shape of every token: a function of the name alone. */
export function tokenNamed(name: string): string {
  const digits = fakeSha256(name);
  const parts = [
    digits.slice(0, 8),
    digits.slice(8, 12),
    `4${digits.slice(13, 16)}`,
    `8${digits.slice(17, 20)}`,
  ];
  return `${parts.join("-")}-${digits.slice(20, 32)}`;
}

function hex(word: number): string {
  return octet(word >>> 24) + octet(word >>> 16) + octet(word >>> 8) + octet(word);
}

function octet(word: number): string {
  return OCTETS[word & 0xff] ?? "";
}

const OCTETS = Array.from({ length: 256 }, (_, octet) => octet.toString(16).padStart(2, "0"));
