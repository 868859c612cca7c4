/** One scenario looked at closely: a seed's, or one that was written to a file. */
import { scenarioOf } from "../drawing/swarm.ts";
import type { Trial } from "../record/outcome.ts";
import { EXIT_CODES, formatFailure, formatScenario, formatTrial, type Repeat } from "../report/report.ts";
import { TraceRecorder } from "../report/trace.ts";
import type { Scenario } from "../scenario/scenario.ts";
import { type ScenarioFile, writeScenarioFile } from "../scenario/scenario-file.ts";
import { formatSeed, type Seed } from "../tools/random.ts";
import { commitName } from "./commit.ts";
import { writePicture } from "./picture.ts";
import { run } from "./run.ts";
import { failsLike, shrink } from "./shrink.ts";
import { tryScenario } from "./trial.ts";

export type LookOptions = {
  readonly seed: Seed;
  /** A scenario to run in place of a seed's, and the file that it came from. */
  readonly replay: { readonly path: string; readonly file: ScenarioFile } | null;
  readonly trace: boolean;
  readonly until: number | null;
  readonly doublecheck: boolean;
  readonly shrink: boolean;
  /** Where to write a picture of the run: of the shrunk one, where it is shrunk. */
  readonly html: string | null;
};

/** Runs it, tells all about it, and returns the exit code. */
export function lookAt(options: LookOptions): number {
  const { seed, replay, trace, until, doublecheck, html } = options;
  const scenario = replay?.file.scenario ?? scenarioOf(seed);
  console.log(formatScenario(scenario));
  if (replay !== null) console.log(`expected  ${replay.file.expected}: ${replay.file.note}`);
  if (trace || until !== null) {
    const recorder = trace ? new TraceRecorder((line) => console.log(line)) : null;
    run(scenario, { trace: recorder, ...(until === null ? {} : { stepsMax: until }) });
    // A violation at the wanted step is reported by the whole run below.
  }
  const trial = tryScenario(scenario, doublecheck);
  console.log(formatTrial(trial));
  const flag = replay === null ? `--seed ${formatSeed(seed)}` : `--replay ${replay.path}`;
  const shrinks = options.shrink && trial.verdict !== "passed";
  if (html !== null && !shrinks) picture(html, scenario, flag, until);
  if (trial.verdict === "passed") return EXIT_CODES.passed;
  if (shrinks) tellShrunk(scenario, trial, html);
  else console.log(formatFailure(trial, { flag, commit: commitName() }));
  return EXIT_CODES[trial.verdict];
}

/** Makes the failure small, writes it to a file, and reports that in place of the large one. */
function tellShrunk(scenario: Scenario, trial: Trial, html: string | null): void {
  const showProgress = process.stderr.isTTY;
  const shrunk = shrink(scenario, failsLike(trial), {
    progress: ({ scenario: { operations, faults }, runs }) => {
      if (!showProgress) return;
      process.stderr.write(`\r${runs} runs: ${operations.length} operations, ${faults.length} faults   `);
    },
  });
  if (showProgress) process.stderr.write("\n");
  const small = tryScenario(shrunk.scenario, trial.verdict === "nondeterminism");
  const commit = commitName();
  const repeat: Repeat = { flag: `--replay ${writeFailure(shrunk.scenario, small, commit)}`, commit, shrunk };
  if (html !== null) picture(html, shrunk.scenario, repeat.flag, null);
  console.log(formatFailure(small, repeat));
}

function picture(path: string, scenario: Scenario, flag: string, until: number | null): void {
  writePicture(path, scenario, { flag, commit: commitName(), until });
  console.log(`picture   ${path}`);
}

/** Writes the failed scenario to a file that `--replay` runs, and returns its path. */
export function writeFailure(scenario: Scenario, trial: Trial, commit: string): string {
  const [what = ""] = trial.message.split("\n");
  const note = commit === "" ? what : `${what} (on ${commit})`;
  return writeScenarioFile(`${scenario.name}-${trial.what}`, { note, expected: trial.what, scenario });
}
