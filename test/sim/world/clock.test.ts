import { describe, expect, test } from "vitest";
import { Clock } from "../../../sim/world/clock.ts";

describe("a clock", () => {
  test("runs at its rate, jumps, and knows when it will show a time", () => {
    const clock = new Clock(1_000, 50_000);
    expect(clock.read(3_000)).toBe(52_000);
    clock.setRate(3_000, 1_100);
    expect(clock.read(13_000)).toBe(63_000);
    clock.jump(-3_000);
    expect(clock.read(13_000)).toBe(60_000);
    for (const reading of [60_001, 61_000, 99_999]) {
      const when = clock.when(reading);
      expect(clock.read(when)).toBeGreaterThanOrEqual(reading);
      expect(clock.read(when - 1)).toBeLessThan(reading);
    }
  });
});
