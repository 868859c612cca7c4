/** Runs seeds for nothing but what they reach; that they pass is the business of others. */
import { expect, test } from "vitest";
import { scenarioOf } from "../../../sim/drawing/swarm.ts";
import { run } from "../../../sim/run/run.ts";

const SEEDS = Number(process.env.SEEDS ?? 1_000);

test(`runs ${SEEDS} seeds`, () => {
  let steps = 0;
  for (let low = 0; low < SEEDS; low++) steps += run(scenarioOf({ high: 7, low })).steps;
  expect(steps).toBeGreaterThan(SEEDS);
});
