import { describe, expect, test } from "vitest";
import type { Trial } from "../../../sim/record/outcome.ts";
import { formatFailure } from "../../../sim/report/report.ts";
import { tryScenario } from "../../../sim/run/trial.ts";
import { busyScenario } from "../scenarios.ts";

const TOKEN = "01234567-89ab-4cde-8f01-23456789abcd";
const passed = tryScenario(busyScenario([], { operations: [], faultyMs: 1, settleMs: 1 }), false);

const failed: Trial = {
  ...passed,
  name: "seed 42",
  verdict: "safety",
  what: "clean_end",
  message: "visit 7 ended cleanly after 10 of 20 bytes",
  step: 123,
  atMs: 4_567,
  faultCounts: [["link_reset", 2]],
};

const flag = "--seed 42";

describe("a failure report", () => {
  test("begins with what broke and the command that repeats it", () => {
    expect(formatFailure(failed, { flag, commit: "ab12cd3" }).split("\n")).toEqual([
      "FAIL clean_end: visit 7 ended cleanly after 10 of 20 bytes",
      "replay: npm run sim -- --seed 42 --until 123 --trace",
      'seed=42 step=123 now=4567ms commit=ab12cd3 faults={"link_reset":2}',
    ]);
  });

  test("repeats a nondeterminism by running twice, and a crash of the simulator as a whole", () => {
    const commandOf = (trial: Trial) => formatFailure(trial, { flag, commit: "" }).split("\n")[1];
    expect(commandOf({ ...failed, verdict: "nondeterminism" })).toBe(
      "replay: npm run sim -- --seed 42 --doublecheck",
    );
    expect(commandOf({ ...failed, verdict: "crash", step: 0 })).toBe("replay: npm run sim -- --seed 42");
  });

  test("shows a shrunk scenario, and never has more than 40 lines", () => {
    const scenario = busyScenario();
    const message = Array.from({ length: 60 }, (_, line) => `line ${line}`).join("\n");
    const lines = formatFailure({ ...failed, message }, { flag, commit: "", shrunk: { scenario, runs: 9 } });
    expect(lines.split("\n")).toHaveLength(40);
    expect(lines).toContain("shrunk    2 homes, 84 operations, 0 faults, after 9 runs");
  });

  test("shows no token", () => {
    const report = formatFailure({ ...failed, message: `the trace shows ${TOKEN}` }, { flag, commit: "" });
    expect(report).not.toContain(TOKEN);
    expect(report).toContain("<token:");
  });
});
