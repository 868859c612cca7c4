import { expect, test } from "vitest";
import { tryScenario } from "../../../sim/run/trial.ts";
import { busyScenario } from "../scenarios.ts";

test("a trial tells a crash of the simulator from a violation", () => {
  const nowhere = { id: 0, kind: "no such fault", fromMs: 1, toMs: 1, target: 0, parameters: {} };
  expect(tryScenario(busyScenario([nowhere]), false)).toMatchObject({ verdict: "crash", what: "crash" });
});

test("a trial that is doublechecked passes where both runs are the same", () => {
  expect(tryScenario(busyScenario(), true)).toMatchObject({ verdict: "passed" });
});
