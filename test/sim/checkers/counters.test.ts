import { describe, expect, test } from "vitest";
import { counters } from "../../../sim/checkers/counters.ts";
import { closed, endedAs, judge, open, opened, type ServerStep, tunnel } from "./steps.ts";

describe("counters", () => {
  test("takes the truth, and finds each number that is not", () => {
    expect(judge(counters, open(tunnel))).toBe(0);
    expect(judge(counters, open(tunnel).slice(0, 1), { sizes: { tunnels: 2 } })).toBe(1);
    expect(judge(counters, [[3, opened()]], { sizes: { exchanges: 0 } })).toBe(1);
  });

  test("finds an outcome that is counted twice", () => {
    const shown = {
      outcomes: new Map([["completed", 2]]),
      exchangesOpened: 1,
      tunnelsAccepted: 0,
      bytesOut: 0,
      abortsSent: 0,
      tunnelPauses: 0,
    };
    const steps: ServerStep[] = [
      [3, opened()],
      [4, closed(true), endedAs("completed")],
    ];
    expect(judge(counters, steps, { sizes: { counters: shown } })).toBeGreaterThan(0);
  });
});
