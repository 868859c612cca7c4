import { describe, expect, test } from "vitest";
import { codedRightly } from "../../../sim/checkers/coded-rightly.ts";
import { head, judge, packet, underWay } from "./steps.ts";

describe("coded_rightly", () => {
  const coded = head(["content-encoding", "gzip"], "gzip");
  test.each([
    ["accepted", 0, ["accept-encoding", "br;q=0.1, gzip"], coded],
    ["not accepted", 1, ["accept-encoding", "gzip;q=0, br"], coded],
    ["of a range", 1, ["accept-encoding", "gzip", "range", "bytes=0-"], coded],
    ["not said", 1, ["accept-encoding", "gzip"], head([], "gzip")],
    [
      "with a length",
      1,
      ["accept-encoding", "gzip"],
      head(["content-encoding", "gzip", "content-length", "5"], "gzip"),
    ],
    ["said and not done", 1, [], head(["content-encoding", "gzip"])],
  ] as const)("a coding %s: %i violations", (_name, violations, headers, effect) => {
    expect(judge(codedRightly, [...underWay(headers), [4, packet(1, 0), effect]])).toBe(violations);
  });
});
