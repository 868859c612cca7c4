/** Memory for bytes that cross a hop: nobody sees another's. */
import { expect, test } from "vitest";
import { copyOf, newBytes } from "../../../sim/tools/bytes.ts";

test("pieces of all sizes are zeros, and share no byte with any other", () => {
  const pieces = Array.from({ length: 200 }, (_, index) => newBytes((index * 97) % 5_000));
  for (const piece of pieces) {
    expect(piece.every((byte) => byte === 0)).toBe(true);
    piece.fill(255);
  }
  expect(pieces.map(({ length }) => length)).toEqual(pieces.map((_, index) => (index * 97) % 5_000));
});

test("a copy does not change with what it was made of", () => {
  const bytes = Uint8Array.of(1, 2, 3);
  const copy = copyOf(bytes);
  bytes[0] = 9;
  expect([...copy]).toEqual([1, 2, 3]);
});
