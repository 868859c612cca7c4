import { describe, expect, test } from "vitest";
import { endToEnd } from "../../../sim/checkers/end-to-end.ts";
import { head, judge, packet, underWay } from "./steps.ts";

describe("end_to_end", () => {
  const origin = ["origin", "https://player.example"];
  test.each([
    ["nobody asked, nobody is told", 0, [], []],
    ["nobody asked, all are told", 1, [], ["access-control-allow-origin", "*"]],
    ["it is echoed", 0, origin, ["access-control-allow-origin", "https://player.example"]],
    ["it is left out", 1, origin, []],
  ] as const)("CORS: %s: %i violations", (_name, violations, asked, told) => {
    expect(judge(endToEnd, [...underWay(asked), [4, packet(1, 0), head(told)]])).toBe(violations);
  });
});
