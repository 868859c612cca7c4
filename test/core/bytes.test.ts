import { describe, expect, test } from "vitest";
import { retain } from "../../core/bytes.ts";

describe("bytes that are kept", () => {
  test.each([
    ["plain bytes", (bytes: Uint8Array) => bytes],
    // Whose `slice` shares the buffer.
    ["a Buffer", (bytes: Uint8Array) => Buffer.from(bytes.buffer)],
  ])("hold no buffer that is more than twice their size, of %s", (_what, seenAs) => {
    const all = seenAs(new Uint8Array(100).fill(7));
    const few = retain(all.subarray(10, 59));
    expect(few.buffer.byteLength).toBe(49);
    expect(Array.from(few)).toEqual(Array(49).fill(7));
    const many = all.subarray(10, 60);
    expect(retain(many)).toBe(many);
  });
});
