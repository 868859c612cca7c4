import { assert, integer, property } from "fast-check";
import { describe, expect, test } from "vitest";
import { FIRST_OPERATION_MS } from "../../../sim/drawing/operations.ts";
import { scenarioOf } from "../../../sim/drawing/swarm.ts";
import { faultKinds, targetOf } from "../../../sim/faults/index.ts";
import { failsLike, shrink, smallerThan } from "../../../sim/run/shrink.ts";
import { tryScenario } from "../../../sim/run/trial.ts";
import type { Fault, Scenario } from "../../../sim/scenario/scenario.ts";
import { Random } from "../../../sim/tools/random.ts";
import { busyScenario } from "../scenarios.ts";

const seedOf = (low: number) => ({ high: 0, low });
const nowhere: Fault = {
  id: 99,
  kind: "no such fault",
  fromMs: 9_000,
  toMs: 9_500,
  target: 0,
  parameters: {},
};
const reset = (id: number, target: number): Fault => ({
  id,
  kind: "link_reset",
  fromMs: 8_000,
  toMs: 8_000,
  target,
  parameters: { nearUs: 70_000, farUs: 70_000 },
});

describe("shrinking", () => {
  test("keeps what the failure needs and nothing else", () => {
    const scenario = busyScenario([reset(1, 0), reset(2, 1), reset(3, 1)]);
    const needs = ({ faults, operations, homes }: Scenario) =>
      faults.some((fault) => fault.id === 3 && homes[fault.target]?.clientId === "home1") &&
      operations.some(({ id }) => id === 41);
    const { scenario: small } = shrink(scenario, needs);
    expect(small.homes.map(({ clientId }) => clientId)).toEqual(["home1"]);
    expect(small.operations.map(({ id, home, atMs }) => [id, home, atMs])).toEqual([[41, 0, 4_000]]);
    expect(small.faults.map(({ id, target, fromMs }) => [id, target, fromMs])).toEqual([[3, 0, 0]]);
    expect([small.nodes, small.faultyMs]).toEqual([1, 4_001]);
  });

  test("finds the number at which the failure begins", () => {
    const needs = ({ operations }: Scenario) =>
      operations.some((operation) => operation.kind === "visit" && operation.answer.bodyBytes >= 12_345);
    const [operation] = shrink(busyScenario(), needs).scenario.operations;
    expect(operation).toMatchObject({ answer: { bodyBytes: 12_345, headAfterUs: 0, chunkEveryUs: 0 } });
  });

  test("leaves alone what fails only as it is", () => {
    const scenario = busyScenario([reset(1, 0)]);
    expect(shrink(scenario, () => false).scenario).toBe(scenario);
  });

  test("comes to the same result each time", () => {
    const scenario = scenarioOf(seedOf(11));
    const needs = ({ faults, operations }: Scenario) => faults.length >= 2 && operations.length >= 3;
    expect(shrink(scenario, needs)).toEqual(shrink(scenario, needs));
  });

  test("tries no more scenarios than it may, and tells of each", () => {
    const told: number[] = [];
    const progress = ({ runs }: { readonly runs: number }) => told.push(runs);
    const { runs } = shrink(busyScenario(), () => true, { runsMax: 4, progress });
    expect([runs, told]).toEqual([4, [1, 2, 3, 4]]);
  });

  test("keeps the failure that it was given", () => {
    const scenario = busyScenario([reset(1, 0), nowhere]);
    const trial = tryScenario(scenario, false);
    const { scenario: small, runs } = shrink(scenario, failsLike(trial));
    expect(tryScenario(small, false)).toMatchObject({ verdict: "crash", what: "crash" });
    expect([small.faults.map(({ kind }) => kind), small.operations]).toEqual([["no such fault"], []]);
    expect(runs).toBeLessThan(100);
  });
});

test("every smaller scenario is one that a healthy core passes", () => {
  const walks = property(integer({ min: 0, max: 2 ** 32 - 1 }), (low) => {
    const random = new Random(seedOf(low));
    let scenario = scenarioOf(seedOf(low));
    let candidates = smallerThan(scenario);
    for (let accepted = 0; accepted < 12; ) {
      const { value: candidate } = candidates.next();
      if (candidate === undefined) break;
      if (!random.chance(1, 6)) continue;
      accepted++;
      scenario = candidate.scenario;
      candidates = smallerThan(scenario, candidate.place);
      expectWellFormed(scenario);
    }
    const { verdict, message } = tryScenario(scenario, false);
    expect({ verdict, message }).toEqual({ verdict: "passed", message: "" });
  });
  assert(walks, { numRuns: 40 });
});

/** Indices point at somebody, times lie where a seed draws them. */
function expectWellFormed({ homes, nodes, operations, faults }: Scenario): void {
  for (const { home, atMs } of operations) {
    expect(homes[home]).toBeDefined();
    expect(atMs).toBeGreaterThanOrEqual(FIRST_OPERATION_MS);
  }
  for (const { node } of homes) expect(node).toBeLessThan(nodes);
  for (const { kind, target, fromMs, toMs } of faults) {
    const aim = targetOf(kind);
    if (aim === "home") expect(homes[target]).toBeDefined();
    if (aim === "node") expect(target).toBeLessThan(nodes);
    if (aim === "visit") expect(operations.some(({ id }) => id === target)).toBe(true);
    const lastsMs = faultKinds.find(({ name }) => name === kind)?.lastsMs;
    expect(toMs - fromMs).toBeGreaterThanOrEqual(lastsMs?.[0] ?? 0);
  }
}
