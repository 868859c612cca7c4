import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { below, createPrng } from "../../core/prng.ts";

describe("the seeded generator", () => {
  it("draws the same numbers from the same seed", () => {
    const a = createPrng(42);
    const b = createPrng(42);
    for (let draw = 0; draw < 100; draw++) expect(below(a, 1_000)).toBe(below(b, 1_000));
  });

  it("draws numbers that no machine and no version may change", () => {
    const prng = createPrng(1);
    expect(Array.from({ length: 5 }, () => below(prng, 1_000))).toMatchInlineSnapshot(`
      [
        11,
        336,
        964,
        39,
        544,
      ]
    `);
  });

  it("tells seeds apart that differ in their upper half only", () => {
    const a = createPrng(5);
    const b = createPrng(5 + 2 ** 40);
    expect(Array.from({ length: 4 }, () => below(a, 2 ** 32))).not.toEqual(
      Array.from({ length: 4 }, () => below(b, 2 ** 32)),
    );
  });

  it("stays below every bound", () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.integer({ min: 1, max: 2 ** 32 }), (seed, bound) => {
        const drawn = below(createPrng(seed), bound);
        return Number.isSafeInteger(drawn) && drawn >= 0 && drawn < bound;
      }),
    );
  });

  it("draws each of a few numbers about equally often", () => {
    const prng = createPrng(3);
    const counts = [0, 0, 0, 0, 0, 0];
    for (let draw = 0; draw < 60_000; draw++) {
      const drawn = below(prng, 6);
      counts[drawn] = (counts[drawn] ?? 0) + 1;
    }
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(500);
  });

  it("refuses a bound that it cannot draw below", () => {
    expect(() => below(createPrng(1), 0)).toThrow("a bound");
    expect(() => below(createPrng(1), 2 ** 32 + 1)).toThrow("a bound");
  });
});
