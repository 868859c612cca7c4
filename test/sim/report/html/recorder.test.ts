import { describe, expect, test } from "vitest";
import { type Message, PictureRecorder } from "../../../../sim/report/html/recorder.ts";
import { run } from "../../../../sim/run/run.ts";
import type { Fault, Scenario } from "../../../../sim/scenario/scenario.ts";
import { busyScenario, homeNamed, visit } from "../../scenarios.ts";
import { faultOf, someFaults } from "./pictures.ts";

function record(scenario: Scenario): PictureRecorder {
  const recorder = new PictureRecorder(scenario);
  run(scenario, { trace: recorder });
  return recorder;
}

describe("a recording", () => {
  test("changes nothing in the run", () => {
    const scenario = busyScenario(someFaults());
    expect(run(scenario, { trace: new PictureRecorder(scenario) }).hash).toBe(run(scenario).hash);
  });

  test("follows a visit from hop to hop and back", () => {
    const scenario = busyScenario([], { operations: [visit(0, 5_000, { answer: { bodyBytes: 100 } })] });
    const { moments, messages, topics } = record(scenario);
    const topic = topics.list.findIndex(({ name }) => name === "visit 0");
    const hops = messages
      .filter((message) => message.topics.includes(topic))
      .map(({ from, toPlace, family }) => `${moments[from]?.place} ${family} ${toPlace}`);
    const ways = [...new Set(hops)];
    expect(ways).toEqual([
      "visit:0 http node-0",
      "node-0 registry registry",
      "registry registry node-0",
      "node-0 tunnel agent:home0",
      "agent:home0 origin home:home0",
      "home:home0 origin agent:home0",
      "agent:home0 tunnel node-0",
      "node-0 http visit:0",
    ]);
  });

  test("lets every message begin before it ends, at the place that it names", () => {
    const { moments, messages } = record(busyScenario(someFaults()));
    const arrived = messages.filter(({ to }) => to !== null);
    expect(arrived.length).toBeGreaterThan(2_000);
    for (const { from, to, toPlace } of arrived) {
      const target = moments[to ?? -1];
      expect(moments[from]?.atUs).toBeLessThanOrEqual(target?.atUs ?? -1);
      expect(target?.place).toBe(toPlace);
    }
  });

  test("makes each step one moment, which says what it ordered", () => {
    const { moments } = record(busyScenario());
    const steps = moments.flatMap(({ step }) => (step === null ? [] : [step]));
    expect(steps).toEqual(steps.map((_, index) => index));
    const opened = moments.find(({ items }) => items[0]?.title === "exchange_opened" && items.length > 1);
    expect(opened?.items.map(({ kind }) => kind)).toEqual(["event", "effect"]);
    expect(opened?.label).toContain(" → ");
  });

  test("knows messages that never arrive", () => {
    const lost = (faults: readonly Fault[]): readonly Message[] => {
      const scenario = busyScenario(faults, { homes: [homeNamed("home0"), homeNamed("home1")] });
      return record(scenario).messages.filter(({ to, family }) => to === null && family === "tunnel");
    };
    expect(lost([])).toEqual([]);
    expect(lost([faultOf(1, "half_open", 6_000, 9_000, 0)]).length).toBeGreaterThan(0);
  });

  test("marks every fault where it acts, and counts what it did", () => {
    const { faults, moments } = record(busyScenario(someFaults()));
    expect(
      faults.map(({ fault, place, moment }) => [fault.kind, place, moments[moment ?? -1]?.tone]),
    ).toEqual([
      ["stall_down", "agent:home0", "fault"],
      ["link_reset", "agent:home1", "fault"],
      ["registry_flaky", "registry", "fault"],
      ["node_crashes", "node-0", "fault"],
      ["agent_has_a_twin", "agent:home0", "fault"],
    ]);
    for (const { fired } of faults) expect(fired).toBeGreaterThan(0);
  });
});
