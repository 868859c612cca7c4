import { expect, test } from "vitest";
import { timersOwned } from "../../../sim/checkers/timers-owned.ts";
import { judge, type ServerStep, tick, underWay } from "./steps.ts";

test("timers_owned finds more timers than there are things to time", () => {
  // The lease and the sweep; then a tunnel's heartbeat and an exchange besides.
  expect(judge(timersOwned, [[3, tick]], { sizes: { timersArmed: 2 } })).toBe(0);
  expect(judge(timersOwned, [[3, tick]], { sizes: { timersArmed: 3 } })).toBe(1);
  // Of the six steps of this the first is looked at, and the fifth: by then there is an owner for each.
  const steps: ServerStep[] = [...underWay(), [4, tick], [5, tick]];
  expect(judge(timersOwned, steps, { sizes: { timersArmed: 4 } })).toBe(1);
  expect(judge(timersOwned, steps, { sizes: { timersArmed: 5 } })).toBe(2);
});
