import { expect, test } from "vitest";
import { countReceived } from "../../adapters/received-bytes.ts";

const MIB = 1024 * 1024;

test("buffers that nobody needs any more are given back after every few MiB, though they are small objects", () => {
  const atStart = process.memoryUsage().arrayBuffers;
  let most = 0;
  for (let index = 0; index < 4 * 1024; index++) {
    const bytes = Buffer.from(new Uint8Array(64 * 1024).buffer);
    countReceived(bytes);
    most = Math.max(most, process.memoryUsage().arrayBuffers - atStart);
  }
  expect(most).toBeLessThan(40 * MIB);
});
