/**
 * Memory for bytes that cross a hop. Much of what crosses is small, and a buffer of its own for each piece costs more than
 * the piece; so pieces are cut from larger buffers, one after the other. No place is ever given out twice.
 */

const SLAB_BYTES = 65_536;
/** A larger piece gets a buffer of its own. */
const PIECE_BYTES_MAX = 4_096;

let slab = new ArrayBuffer(SLAB_BYTES);
let used = 0;

/** So many zeros. */
export function newBytes(length: number): Uint8Array {
  if (length > PIECE_BYTES_MAX) return new Uint8Array(length);
  if (used + length > SLAB_BYTES) {
    slab = new ArrayBuffer(SLAB_BYTES);
    used = 0;
  }
  const bytes = new Uint8Array(slab, used, length);
  used += length;
  return bytes;
}

export function copyOf(bytes: Uint8Array): Uint8Array {
  const copy = newBytes(bytes.length);
  copy.set(bytes);
  return copy;
}
