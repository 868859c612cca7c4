import { describe, expect, test } from "vitest";
import { outcomeTrue } from "../../../sim/checkers/outcome-true.ts";
import {
  type Case,
  closed,
  endedAs,
  head,
  judge,
  packet,
  responds,
  type ServerStep,
  underWay,
  writes,
} from "./steps.ts";

describe("outcome_true", () => {
  const whole: ServerStep[] = [...underWay(), [4, packet(1, 3, true), responds(200, "abc")]];
  test.each<Case>([
    ["completed, and it was", 0, [...whole, [5, closed(true), endedAs("completed", 200, 3)]]],
    ["completed, and the visitor was gone", 1, [...whole, [5, closed(false), endedAs("completed", 200, 3)]]],
    ["another status", 1, [...whole, [5, closed(true), endedAs("completed", 206, 3)]]],
    ["another number of bytes", 1, [...whole, [5, closed(true), endedAs("completed", 200, 4)]]],
    [
      "completed, and its end was never ordered",
      1,
      [...underWay(), [4, packet(1, 3), head(), writes(3)], [5, closed(true), endedAs("completed", 200, 3)]],
    ],
  ])("%s: %i violations", (_name, violations, steps) => {
    expect(judge(outcomeTrue, steps)).toBe(violations);
  });
});
