import { describe, expect, test } from "vitest";
import { delivered } from "../../../sim/checkers/delivered.ts";
import { type Case, ends, head, judge, packet, responds, underWay, writes } from "./steps.ts";

describe("delivered", () => {
  test.each<Case>([
    ["what comes in order goes out", 0, [...underWay(), [4, packet(1, 10), head(), writes(10)]]],
    ["nothing of it goes out", 1, [...underWay(), [4, packet(1, 10), head()]]],
    ["what came ahead waits", 0, [...underWay(), [4, packet(2, 10)]]],
    ["what came ahead goes out", 1, [...underWay(), [4, packet(2, 10), head(), writes(10)]]],
    ["the last packet ends it", 0, [...underWay(), [4, packet(1, 10, true), responds(200, "0123456789")]]],
    ["the last packet ends nothing", 1, [...underWay(), [4, packet(1, 0, true), head()]]],
    ["it ends before the last", 1, [...underWay(), [4, packet(1, 10), head(), writes(10), ends]]],
    ["a repeated packet ends it", 1, [...underWay(), [4, packet(2, 10)], [5, packet(2, 10), responds(502)]]],
    ["a blocking answer is gathered", 0, [...underWay(["culvert-response", "blocking"]), [4, packet(1, 10)]]],
    [
      "a blocking answer is streamed",
      1,
      [...underWay(["culvert-response", "blocking"]), [4, packet(1, 10), head(), writes(10)]],
    ],
  ])("%s: %i violations", (_name, violations, steps) => {
    expect(judge(delivered, steps)).toBe(violations);
  });
});
