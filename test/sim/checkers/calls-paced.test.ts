import { expect, test } from "vitest";
import { callsPaced } from "../../../sim/checkers/calls-paced.ts";
import { calls, judge, tick } from "./steps.ts";

test("calls_paced wants a wait between two attempts of one call", () => {
  const operation = { type: "sweep", keptMs: 0 } as const;
  const again = (nowMs: number) =>
    judge(
      callsPaced,
      [
        [0, tick, calls(1, operation)],
        [nowMs, tick, calls(2, operation)],
      ],
      { limits: { registryRetryMs: 50 } },
    );
  expect(again(50)).toBe(0);
  expect(again(49)).toBe(1);
});
