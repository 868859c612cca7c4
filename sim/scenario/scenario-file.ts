/** A scenario as a file: what `--shrink` writes, `--replay` runs, and `corpus/` keeps of past failures. */
import { readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Scenario } from "./scenario.ts";

export type ScenarioFile = {
  readonly version: typeof VERSION;
  /** What broke, on which core. */
  readonly note: string;
  /** What a run of it comes to: the name of the checker that it breaks, or `clean`. */
  readonly expected: string;
  readonly scenario: Scenario;
};

const VERSION = 1;

/** Throws with one clear line where the file is not there or none of ours. */
export function readScenarioFile(path: string): ScenarioFile {
  const file = parse(readFileSync(path, "utf8"));
  if (file?.version !== VERSION || file.scenario === undefined) {
    throw new TypeError(`${path} is no scenario file of version ${VERSION}`);
  }
  return file;
}

function parse(text: string): ScenarioFile | null {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Writes it under the system's folder for temporary files, and returns the path. */
export function writeScenarioFile(name: string, file: Omit<ScenarioFile, "version">): string {
  const path = join(tmpdir(), `culvert-sim-${name.replace(/[^a-z0-9]+/gi, "-")}.json`);
  writeFileSync(path, formatScenarioFile(file));
  return path;
}

export function formatScenarioFile({ note, expected, scenario }: Omit<ScenarioFile, "version">): string {
  return `${JSON.stringify({ version: VERSION, note, expected, scenario }, null, 2)}\n`;
}
