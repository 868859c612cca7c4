import { describe, expect, test } from "vitest";
import { deadlines } from "../../../sim/checkers/deadlines.ts";
import { aborts, type Case, head, judge, opened, packet, responds, Shows, tick, underWay } from "./steps.ts";

describe("deadlines", () => {
  const limits = {
    responseHeadMs: 100,
    responseIdleMs: 50,
    visitorStallMs: 70,
    registryVisitorMs: 20,
    waitMs: 0,
  };
  test.each<Case>([
    ["packet 1 has its time", 0, [...underWay(), [102, tick]]],
    ["packet 1 is late", 1, [...underWay(), [103, tick]]],
    ["after packet 1 the next has its time", 0, [...underWay(), [10, packet(1, 0), head()], [59, tick]]],
    ["after packet 1 the next is late", 1, [...underWay(), [10, packet(1, 0), head()], [60, tick]]],
    [
      "a packet that comes again is no progress",
      1,
      [...underWay(), [10, packet(2, 0)], [20, packet(2, 0)], [110, tick]],
    ],
    [
      "the visitor does not take the end",
      1,
      [...underWay(), [10, packet(1, 9, true), responds(200)], [80, tick]],
    ],
    ["it is given up early", 1, [...underWay(), [80, tick, aborts, responds(504)]]],
    ["it is given up in time", 0, [...underWay(), [103, tick, aborts, responds(504)]]],
    [
      "the registry takes too long",
      1,
      [
        [3, opened()],
        [543, tick],
      ],
    ],
    [
      "a drain does not end",
      1,
      [
        [3, { type: "drain_requested" }],
        [40_000, tick],
      ],
    ],
  ])("%s: %i violations", (_name, violations, steps) => {
    expect(judge(deadlines, steps, { limits })).toBe(violations);
  });

  const drains = [3, { type: "drain_requested" }] as const;
  const closingMs = 6_000;
  test.each([
    ["ends late", 1, 0],
    ["slept over the end of its time", 0, 9_000],
    ["ends later than it slept", 1, 8_000],
  ])("a drain of 1,000 ms that %s: %i violations", (_name, violations, sleptMs) => {
    const shows = new Shows(deadlines, { limits: { ...limits, drainMs: 1_000 } });
    shows.server([drains]);
    shows.sleep(sleptMs);
    // Its first timer fires when it wakes, and the second when the time for its sockets is over.
    shows.server([[3 + 1_000 + closingMs + 9_400, tick]]);
    expect(shows.found).toHaveLength(violations);
  });
});
