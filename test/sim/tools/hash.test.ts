import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fakeSha256, TraceHash } from "../../../sim/tools/hash.ts";

const digestOf = (value: unknown) => {
  const hash = new TraceHash();
  hash.value(value);
  return hash.digest();
};

function replacer(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return `${value}n`;
  return typeof value === "number" && !Number.isFinite(value)
    ? String(value)
    : Object.is(value, -0)
      ? "-0"
      : value;
}

describe("the trace hash", () => {
  test("is the same for equal values and another for different ones", () => {
    const values = fc.oneof(
      fc.string(),
      fc.integer(),
      fc.double(),
      fc.boolean(),
      fc.bigInt(),
      fc.constant(null),
    );
    fc.assert(
      fc.property(fc.array(values), fc.array(values), (a, b) => {
        expect(digestOf(a)).toBe(digestOf([...a]));
        if (!Object.is(JSON.stringify(a, replacer), JSON.stringify(b, replacer))) {
          expect(digestOf(a)).not.toBe(digestOf(b));
        }
      }),
    );
  });

  test.each([
    [
      { a: 1, b: 2 },
      { b: 2, a: 1 },
    ],
    [new Map([["a", 1]]), new Map([["a", 2]])],
    [
      new Map([
        ["a", 1],
        ["b", 1],
      ]),
      new Map([
        ["b", 1],
        ["a", 1],
      ]),
    ],
    [new Set([1, 2]), new Set([2, 1])],
    [
      ["ab", "c"],
      ["a", "bc"],
    ],
    [2 ** 32, 2 ** 33],
    [Number.POSITIVE_INFINITY, Number.NaN],
    [undefined, null],
  ])("tells %j from %j", (a, b) => {
    expect(digestOf(a)).not.toBe(digestOf(b));
  });

  test("tells byte strings apart by length and by any byte of a short one", () => {
    const bytes = new Uint8Array(40);
    const digest = digestOf(bytes);
    expect(digestOf(new Uint8Array(41))).not.toBe(digest);
    for (let index = 0; index < bytes.length; index++) {
      const other = bytes.slice();
      other[index] = 1;
      expect(digestOf(other)).not.toBe(digest);
    }
  });

  test("has a checkpoint that moves with each word", () => {
    const hash = new TraceHash();
    const seen = new Set<number>();
    for (let word = 0; word < 1000; word++) {
      hash.word(word);
      seen.add(hash.checkpoint());
    }
    expect(seen.size).toBe(1000);
  });
});

test("the fake of SHA-256 has its shape and no collision among a hundred thousand names", () => {
  const digests = new Set(Array.from({ length: 100_000 }, (_, index) => fakeSha256(`token ${index}`)));
  expect(digests.size).toBe(100_000);
  expect(fakeSha256("x")).toMatch(/^[0-9a-f]{64}$/);
});
