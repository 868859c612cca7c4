import { describe, expect, test } from "vitest";
import { scenarioOf } from "../../../sim/drawing/swarm.ts";
import { TraceRecorder } from "../../../sim/report/trace.ts";
import { run } from "../../../sim/run/run.ts";
import { busyScenario } from "../scenarios.ts";

const seedOf = (low: number) => ({ high: 0, low });

const linesOf = (scenario: Parameters<typeof run>[0]) => {
  const lines: string[] = [];
  run(scenario, { trace: new TraceRecorder((line) => lines.push(line)) });
  return lines;
};

describe("a run", () => {
  test("is a function of its scenario, and survives being written as JSON", () => {
    for (const low of [1, 2, 3]) {
      const scenario = scenarioOf(seedOf(low));
      const first = run(scenario);
      expect(run(scenario).hash).toBe(first.hash);
      expect(run(JSON.parse(JSON.stringify(scenario))).hash).toBe(first.hash);
    }
  });

  test("does the same whether it is traced or not", () => {
    const scenario = scenarioOf(seedOf(4));
    const recorder = new TraceRecorder(() => {});
    expect(run(scenario, { trace: recorder }).hash).toBe(run(scenario).hash);
  });

  test("stops after the wanted step", () => {
    expect(run(busyScenario(), { stepsMax: 100 }).steps).toBe(100);
  });

  test("shows no token in its trace", () => {
    const text = linesOf(busyScenario()).join("\n");
    expect(text).toContain("<token:");
    expect(text).not.toMatch(/[0-9a-f]{8}-[0-9a-f]{4}-4/);
  });

  test("leaves everything before a fault where it was", () => {
    const fault = {
      id: 9,
      kind: "link_reset",
      fromMs: 10_000,
      toMs: 10_000,
      target: 0,
      parameters: { nearUs: 0, farUs: 0 },
    };
    const untilThen = (lines: readonly string[]) => lines.filter((line) => line < "  10.0");
    const calm = untilThen(linesOf(busyScenario()));
    expect(untilThen(linesOf(busyScenario([fault])))).toEqual(calm);
    expect(calm.length).toBeGreaterThan(1_000);
  });

  test("leaves what another fault draws where it was when one is taken out", () => {
    const garbage = {
      id: 1,
      kind: "frame_of_garbage",
      fromMs: 5_000,
      toMs: 15_000,
      target: 0,
      parameters: { permille: 200 },
    };
    const elsewhere = {
      id: 2,
      kind: "link_reset",
      fromMs: 9_000,
      toMs: 9_000,
      target: 1,
      parameters: { nearUs: 0, farUs: 0 },
    };
    const firings = (faults: readonly (typeof garbage | typeof elsewhere)[]) =>
      linesOf(busyScenario(faults)).filter((line) => line.includes("frame_of_garbage"));
    expect(firings([garbage])).toEqual(firings([elsewhere, garbage]));
    expect(firings([garbage]).length).toBeGreaterThan(10);
  });
});
