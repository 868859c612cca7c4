/** The command line, as a process of its own. */
import { execFile } from "node:child_process";
import { rmSync } from "node:fs";
import { expect, test } from "vitest";
import { readScenarioFile, writeScenarioFile } from "../../sim/scenario/scenario-file.ts";
import { busyScenario } from "./scenarios.ts";

const MAIN = new URL("../../sim/main.ts", import.meta.url).pathname;

function sim(...flags: readonly string[]): Promise<{ readonly code: number; readonly stdout: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...flags], (error, stdout) => {
      resolve({ code: typeof error?.code === "number" ? error.code : 0, stdout });
    });
  });
}

test("prints the same final hash of a seed in two processes", async () => {
  const [first, second] = await Promise.all([sim("--seed", "42"), sim("--seed", "42")]);
  expect(first.stdout).toMatch(/^hash [0-9a-f]{16} /m);
  expect(second.stdout).toBe(first.stdout);
});

test("traces a seed up to the wanted step", async () => {
  const { stdout } = await sim("--seed", "42", "--trace", "--until", "50");
  expect(stdout).toContain("#49 <-");
  expect(stdout).not.toContain("#50 <-");
});

test("runs many seeds in worker processes and prints the numbers", async () => {
  const { code, stdout } = await sim("--seed", "1000", "--seeds", "45", "--doublecheck");
  expect(code).toBe(0);
  expect(stdout).toMatch(/^45 seeds in .* 0 failed/m);
  expect(stdout).toMatch(/core events, \d+ per second and core/);
});

test.each([["--seed", "x"], ["--seeds", "0"], ["--frobnicate"], ["--replay", "nowhere"]])(
  "says what is wrong with %s %s",
  async (...flags) => {
    const { code, stdout } = await sim(...flags.filter((flag) => flag !== undefined));
    expect(code).toBe(1);
    expect(stdout).toMatch(/--|nowhere/);
  },
);

test("names the nearest flag for one that is mistyped", async () => {
  const mistyped = await sim("--doublechek");
  expect(mistyped).toEqual({ code: 1, stdout: "--doublechek is unknown; did you mean --doublecheck?\n" });
  expect((await sim("--frobnicate")).stdout).toBe("--frobnicate is unknown; see --help\n");
});

test("replays a scenario file, shrinks it and writes the smaller one", async () => {
  const path = writeScenarioFile(`main test ${process.pid}`, {
    note: "the simulator knows no such fault",
    expected: "crash",
    scenario: busyScenario([
      { id: 1, kind: "no such fault", fromMs: 9_000, toMs: 9_000, target: 0, parameters: {} },
    ]),
  });
  const large = await sim("--replay", path);
  expect(large.code).toBe(5);
  expect(large.stdout).toContain(`replay: npm run sim -- --replay ${path}`);
  const small = await sim("--replay", path, "--shrink");
  expect(small.code).toBe(5);
  const written = /^replay: .* --replay (\S+)/m.exec(small.stdout)?.[1] ?? "";
  expect(readScenarioFile(written).scenario).toMatchObject({ operations: [], faultyMs: 1 });
  rmSync(written);
  rmSync(path);
});
