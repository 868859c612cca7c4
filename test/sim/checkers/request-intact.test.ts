import { describe, expect, test } from "vitest";
import { requestIntact } from "../../../sim/checkers/request-intact.ts";
import { asks, judge, open, opened, type ServerStep, tunnel } from "./steps.ts";

describe("request_intact", () => {
  const headers = ["range", "bytes=0-", "accept", "text/html"];
  const right = { headers: { accept: "text/html", range: "bytes=0-" } };
  test.each([
    ["as it was asked", 0, right],
    ["another method", 1, { ...right, method: "POST" }],
    ["another path", 1, { ...right, path: "libraries" }],
    ["a shorter query", 1, { ...right, query: {} }],
    ["without its range", 1, { headers: { accept: "text/html" } }],
    ["a profile of nobody's", 1, { ...right, profile: "x" }],
  ] as const)("%s: %i violations", (_name, violations, members) => {
    const steps: ServerStep[] = [...open(tunnel), [3, opened(undefined, headers), asks(members)]];
    expect(judge(requestIntact, steps)).toBe(violations);
  });
});
