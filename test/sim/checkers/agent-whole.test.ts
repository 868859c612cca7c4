import { describe, expect, test } from "vitest";
import { agentWhole } from "../../../sim/checkers/agent-whole.ts";
import { asked, body, type Case, ended, headed, judge, sends } from "./agent-steps.ts";

describe("agent_whole", () => {
  const length = (bytes: number) => headed(["content-length", String(bytes)]);
  test.each<Case>([
    ["all that came", 0, [...asked, [3, headed()], [4, body(9)], [5, ended, sends(1, 9, true)]]],
    ["less than came", 1, [...asked, [3, headed()], [4, body(9)], [5, ended, sends(1, 8, true)]]],
    ["less than was declared", 1, [...asked, [3, length(10)], [4, body(9)], [5, ended, sends(1, 9, true)]]],
    ["a part, and no end", 0, [...asked, [3, length(10)], [4, body(9)], [5, ended, sends(1, 9)]]],
  ])("%s is sent: %i violations", (_name, violations, steps) => {
    expect(judge(agentWhole, steps)).toBe(violations);
  });
});
