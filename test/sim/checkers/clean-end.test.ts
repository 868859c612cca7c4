import { describe, expect, test } from "vitest";
import { cleanEnd } from "../../../sim/checkers/clean-end.ts";
import { answered, watch } from "./observations.ts";

describe("clean_end", () => {
  test.each([
    [40_000, "complete", 0],
    [39_999, "complete", 1],
    [39_999, "cut", 0],
  ] as const)("%i of 40000 bytes and then %s: %i violations", (bytes, end, violations) => {
    const { checker, found } = watch(cleanEnd);
    const visit = answered();
    visit.bytesReceived = bytes;
    checker.visitEnded?.(visit, end);
    expect(found).toHaveLength(violations);
  });
});
