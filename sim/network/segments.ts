/** What a TCP connection carries, in the pieces in which it is read. */
import type { Random } from "../tools/random.ts";
import { latin1Bytes } from "../tools/text.ts";

export type Segment = {
  readonly kind: "bytes" | "fin" | "reset";
  readonly bytes: Uint8Array;
  readonly size: number;
  /** Nobody asked for it: the home had heard so many bytes, and answered all that they asked. */
  readonly unaskedAt: number | null;
};

const NO_BYTES = new Uint8Array(0);
export const FIN: Segment = { kind: "fin", bytes: NO_BYTES, size: 0, unaskedAt: null };
export const RESET: Segment = { kind: "reset", bytes: NO_BYTES, size: 0, unaskedAt: null };
const SEGMENT_BYTES_MAX = 16 * 1024;

/** In pieces of memory of their own; now and then cut where nobody expects it. */
export function* segmentsOf(bytes: Uint8Array, random: Random): Generator<Segment> {
  const cut = random.chance(1, 6) ? 1 + random.skewed(0, bytes.length) : SEGMENT_BYTES_MAX;
  for (let at = 0; at < bytes.length; ) {
    const size = Math.min(bytes.length - at, at === 0 ? cut : SEGMENT_BYTES_MAX);
    yield { kind: "bytes", bytes: new Uint8Array(bytes.subarray(at, at + size)), size, unaskedAt: null };
    at += size;
  }
}

export function joined(parts: readonly (string | Uint8Array)[]): Uint8Array {
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) return typeof only === "string" ? latin1Bytes(only) : only;
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(typeof part === "string" ? latin1Bytes(part) : part, at);
    at += part.length;
  }
  return whole;
}
