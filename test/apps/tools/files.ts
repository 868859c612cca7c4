/** Large files whose bytes no two places share, and what they come to. */
import { createHash, randomFillSync } from "node:crypto";
import { closeSync, createReadStream, openSync, writeSync } from "node:fs";

export const MIB = 1024 * 1024;

export function writeRandomFile(file: string, bytes: number): void {
  const descriptor = openSync(file, "w");
  const piece = Buffer.alloc(Math.min(bytes, 16 * MIB));
  for (let left = bytes; left > 0; left -= piece.length) {
    writeSync(descriptor, randomFillSync(piece), 0, Math.min(left, piece.length));
  }
  closeSync(descriptor);
}

export async function sha256Of(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of createReadStream(file)) hash.update(piece);
  return hash.digest("hex");
}
