import { rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  formatScenarioFile,
  readScenarioFile,
  writeScenarioFile,
} from "../../../sim/scenario/scenario-file.ts";
import { busyScenario } from "../scenarios.ts";

describe("a scenario file", () => {
  const content = { note: "what broke", expected: "clean_end", scenario: busyScenario() };

  test("keeps the scenario as it is", () => {
    const path = writeScenarioFile(`test ${process.pid}`, content);
    expect(readScenarioFile(path)).toEqual({ version: 1, ...content });
    rmSync(path);
  });

  test.each([
    ["another version", formatScenarioFile(content).replace('"version": 1', '"version": 2')],
    ["no scenario", '{"version":1}'],
    ["no JSON", "{"],
    ["nothing", "null"],
  ])("is refused with one line where there is %s", (name, text) => {
    const path = join(tmpdir(), `culvert-sim-test-${process.pid}-${name.replace(" ", "-")}.json`);
    writeFileSync(path, text);
    expect(() => readScenarioFile(path)).toThrow(`${path} is no scenario file of version 1`);
    rmSync(path);
  });
});
