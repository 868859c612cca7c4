import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TraceHash } from "../../../sim/tools/hash.ts";
import { formatSeed, parseSeed, Random, type Seed, seedPlus } from "../../../sim/tools/random.ts";

const seeds = fc.record({
  high: fc.integer({ min: 0, max: 0xffffffff }),
  low: fc.integer({ min: 0, max: 0xffffffff }),
});
const draws = (random: Random, count: number) => Array.from({ length: count }, () => random.next());

describe("a seed", () => {
  test("survives being written and read", () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        expect(parseSeed(formatSeed(seed))).toEqual(seed);
      }),
    );
  });

  test("is read from decimal and from hexadecimal digits", () => {
    expect(parseSeed("42")).toEqual({ high: 0, low: 42 });
    expect(parseSeed("0x100000002")).toEqual({ high: 1, low: 2 });
  });

  test.each(["", "x", "-1", "1.5", "18446744073709551616", "0x1ffffffffffffffff"])("is not %j", (text) => {
    expect(parseSeed(text)).toBeNull();
  });

  test("carries into the upper word when counted up", () => {
    expect(seedPlus({ high: 1, low: 0xffffffff }, 1)).toEqual({ high: 2, low: 0 });
  });
});

describe("a stream", () => {
  test("depends on its seed and name only, not on what others drew", () => {
    fc.assert(
      fc.property(seeds, fc.string(), fc.nat(20), (seed, name, others) => {
        const root = new Random(seed);
        const expected = draws(root.stream(name), 5);
        draws(root, others);
        draws(root.stream(`${name}x`), others);
        expect(draws(root.stream(name), 5)).toEqual(expected);
      }),
    );
  });

  test("differs from the streams of other names and of other seeds", () => {
    const first = { high: 0, low: 42 };
    const series = new Set<string>();
    for (const seed of [first, { high: 1, low: 42 }, { high: 0, low: 43 }]) {
      for (const name of ["", "a", "b", "ab", "ba"])
        series.add(draws(new Random(seed).stream(name), 3).join());
    }
    expect(series.size).toBe(15);
  });

  test("shows the same numbers for ever", () => {
    expect(draws(new Random({ high: 0, low: 42 }), 4)).toMatchInlineSnapshot(`
      [
        573543706,
        1076402312,
        559580689,
        5869044,
      ]
    `);
  });

  test("tells its sink of every draw", () => {
    const told: number[] = [];
    const random = new Random({ high: 0, low: 1 }, { word: (value) => told.push(value) });
    expect([random.next(), random.stream("other").next()]).toEqual(told);
  });
});

describe("a draw", () => {
  const withRandom = (check: (random: Random) => void) =>
    fc.assert(
      fc.property(seeds, (seed: Seed) => {
        check(new Random(seed));
      }),
    );

  test("stays within its bounds", () => {
    withRandom((random) => {
      expect(random.below(3)).toBeLessThan(3);
      expect(random.below(2 ** 32)).toBeLessThan(2 ** 32);
      const drawn = random.between(-5, 5);
      expect(Math.abs(drawn)).toBeLessThanOrEqual(5);
      const skewed = random.skewed(10, 1_000_000);
      expect(skewed).toBeGreaterThanOrEqual(10);
      expect(skewed).toBeLessThanOrEqual(1_000_000);
    });
  });

  test("is fair", () => {
    const random = new Random({ high: 7, low: 7 });
    const counts = [0, 0, 0, 0, 0];
    for (let index = 0; index < 50_000; index++) {
      const drawn = random.below(5);
      counts[drawn] = (counts[drawn] ?? 0) + 1;
    }
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(700);
  });

  test("never gives a choice of weight zero", () => {
    withRandom((random) =>
      expect(
        random.weighted([
          [0, "never"],
          [3, "often"],
          [0, "never"],
        ]),
      ).toBe("often"),
    );
  });

  test("shuffles without losing or doubling anything", () => {
    const list = [1, 2, 3, 4, 5, 6, 7];
    withRandom((random) => expect(random.shuffled(list).sort()).toEqual(list));
  });
});

test("streams of one seed feed one hash, whose value tells their draws apart", () => {
  const digestOf = (count: number) => {
    const hash = new TraceHash();
    draws(new Random({ high: 0, low: 9 }, hash).stream("s"), count);
    return hash.digest();
  };
  expect(digestOf(3)).toBe(digestOf(3));
  expect(digestOf(3)).not.toBe(digestOf(4));
});
