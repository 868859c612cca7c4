/** The scenarios of past failures: each broke a checker once, and passes since. */
import { readdirSync } from "node:fs";
import type { Trial } from "../record/outcome.ts";
import { readScenarioFile, type ScenarioFile } from "../scenario/scenario-file.ts";
import { tryScenario } from "./trial.ts";

const FOLDER = new URL("../corpus/", import.meta.url);

/** Each file by its name. */
export function readCorpus(): { readonly name: string; readonly file: ScenarioFile }[] {
  return readdirSync(FOLDER)
    .filter((name) => name.endsWith(".json"))
    .toSorted()
    .map((name) => ({ name, file: readScenarioFile(new URL(name, FOLDER).pathname) }));
}

/** Runs each of them twice; `flag` repeats it from the command line. */
export function tryCorpus(): { readonly flag: string; readonly trial: Trial }[] {
  return readCorpus().map(({ name, file }) => ({
    flag: `--replay sim/corpus/${name}`,
    trial: tryScenario(file.scenario, true),
  }));
}
