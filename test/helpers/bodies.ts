/** Bodies too long to be held whole: made piece by piece, and compared by their hash. */
import { createHash } from "node:crypto";

export const MIB = 1024 * 1024;

const PIECE_BYTES = 64 * 1024;

/**
 * A body of a multiple of 64 KiB. No two of its pieces are the same, so that one that is lost, doubled or moved shows; with
 * another seed all of them are others.
 */
export function* bodyOf(bytes: number, seed = 0): Generator<Buffer> {
  for (let index = 0; index < bytes / PIECE_BYTES; index++) {
    const piece = Buffer.alloc(PIECE_BYTES, (index + seed) % 251);
    piece.writeUInt32BE(index);
    piece.writeUInt32BE(seed, 4);
    yield piece;
  }
}

/** SHA-256 in hex of all that comes. */
export async function sha256Of(parts: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash("sha256");
  for await (const part of parts) hash.update(part);
  return hash.digest("hex");
}
