import { describe, expect, test } from "vitest";
import { scenarioOf } from "../../../sim/drawing/swarm.ts";
import { faultKinds } from "../../../sim/faults/index.ts";
import { run } from "../../../sim/run/run.ts";
import { tryScenario } from "../../../sim/run/trial.ts";
import { formatSeed } from "../../../sim/tools/random.ts";

const seedOf = (low: number) => ({ high: 0, low });

describe("a seed", () => {
  test("draws a scenario of plain data", () => {
    const scenario = scenarioOf(seedOf(5));
    expect(JSON.parse(JSON.stringify(scenario))).toEqual(scenario);
    expect(scenario.name).toBe(`seed ${formatSeed(seedOf(5))}`);
  });

  test("mixes faults its own way: none, one kind, some or all", () => {
    const kinds = Array.from(
      { length: 300 },
      (_, low) => new Set(scenarioOf(seedOf(low)).faults.map((fault) => fault.kind)),
    );
    const sizes = kinds.map((set) => set.size);
    expect(sizes.filter((size) => size === 0).length).toBeGreaterThan(5);
    expect(sizes.filter((size) => size === 1).length).toBeGreaterThan(5);
    // All that have somebody to hit: some suit no home of the scenario.
    expect(sizes.filter((size) => size > faultKinds.length * 0.7).length).toBeGreaterThan(5);
    const all = new Set(kinds.flatMap((set) => [...set]));
    expect(all.size).toBe(faultKinds.length);
  });

  test("passes all checkers", () => {
    for (let low = 100; low < 140; low++) {
      const trial = tryScenario(scenarioOf(seedOf(low)), false);
      expect({ name: trial.name, verdict: trial.verdict, message: trial.message }).toEqual({
        name: trial.name,
        verdict: "passed",
        message: "",
      });
    }
  });

  test("without faults succeeds in everything", () => {
    let found = 0;
    for (let low = 0; found < 4; low++) {
      const scenario = scenarioOf(seedOf(low));
      if (scenario.faults.length > 0) continue;
      found++;
      const result = run(scenario);
      expect([result.outcome, result.visitsAsExpected]).toEqual(["passed", result.visits]);
    }
  });
});
