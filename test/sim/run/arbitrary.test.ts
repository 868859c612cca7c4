/** What holds whatever goes wrong: each family of faults by itself, in worlds that fast-check draws. */
import { rmSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { FaultKind } from "../../../sim/faults/fault.ts";
import { faultKinds } from "../../../sim/faults/index.ts";
import { networkFaults } from "../../../sim/faults/network.ts";
import { registryFaults } from "../../../sim/faults/registry.ts";
import { tryScenario } from "../../../sim/run/trial.ts";
import { readScenarioFile } from "../../../sim/scenario/scenario-file.ts";
import { checkScenarios } from "./check-scenarios.ts";

const named = (...names: readonly string[]): FaultKind[] =>
  names.map((name) => {
    const kind = faultKinds.find((other) => other.name === name);
    if (kind === undefined) throw new RangeError(`there is no fault ${name}`);
    return kind;
  });

const families: Readonly<Record<string, readonly FaultKind[]>> = {
  "connections that end, stall and come back": networkFaults,
  "packets out of order, doubled and late": named(
    "agent_reorders",
    "agent_sends_empty_packets",
    "agent_ends_twice",
    "agent_sends_data_after_last",
    "agent_doubles_with_other_bytes",
    "frame_duplicated",
    "burst_after_stall",
    "delay",
    "slow_line",
  ),
  "responses that fail in the middle": named(
    "home_breaks_off",
    "home_says_nothing",
    "agent_stops_without_a_word",
    "agent_leaves_a_gap",
    "agent_restarts",
    "link_reset",
    "close_overtakes_data",
    "node_crashes_inside_a_step",
    "visitor_leaves",
    "visitor_reset",
    "visitor_stalls",
  ),
  "a registry that fails": [...registryFaults, ...named("registry_clock_jumps_forward", "node_crashes")],
};

describe("every checker passes with", () => {
  test.each(Object.entries(families))("%s", (_, kinds) => {
    const trials = checkScenarios(kinds);
    const fired = new Set(trials.flatMap((trial) => trial.faultCounts.map(([kind]) => kind)));
    expect(fired.size).toBeGreaterThan(kinds.length / 2);
  });
});

/** The largest world takes a minute to shrink on a busy machine, and is to be shrunk to the end here. */
const TO_THE_END_MS = 170_000;

test("a failure is shrunk, written to a file and reported with seed, path and the command that replays it", () => {
  const kinds = named("link_reset", "delay");
  const report = messageOf(() =>
    checkScenarios(
      kinds,
      (scenario) => {
        const trial = tryScenario(scenario, false);
        const broken = trial.faultCounts.some(([kind]) => kind === "link_reset");
        return broken
          ? { ...trial, verdict: "safety", what: "no_reset", message: "a link was reset" }
          : trial;
      },
      TO_THE_END_MS,
    ),
  );
  const path = /^replay: npm run sim -- --replay (\S+)/m.exec(report)?.[1] ?? "";
  const { expected, note, scenario } = readScenarioFile(path);
  rmSync(path);
  expect(report).toMatch(/^FAIL no_reset: a link was reset\nreplay: /);
  expect(report).toMatch(/^fast-check: seed=-?\d+ path=[\d:]+$/m);
  expect([expected, note.split(" (")[0]]).toEqual(["no_reset", "a link was reset"]);
  expect(scenario.faults.map(({ kind }) => kind)).toEqual(["link_reset"]);
  expect(scenario.operations).toEqual([]);
});

function messageOf(act: () => void): string {
  try {
    act();
  } catch (error) {
    if (error instanceof Error) return error.message;
  }
  throw new Error("nothing was thrown");
}
