/** A picture of a run: one page that shows what happened where and when, made for whoever opens a bug report. */
import { writeFileSync } from "node:fs";
import type { Property } from "../record/checker.ts";
import type { RunResult } from "../record/outcome.ts";
import { pictureData } from "../report/html/data.ts";
import { type Headline, renderPage } from "../report/html/page.ts";
import { PictureRecorder } from "../report/html/recorder.ts";
import { redact } from "../report/trace.ts";
import type { Scenario } from "../scenario/scenario.ts";
import { type RunOptions, run } from "./run.ts";

export type PictureOptions = {
  /** The flag that names what ran: `--seed 42` or `--replay FILE`. */
  readonly flag: string;
  /** Short name of the commit that ran; empty where it is not known. */
  readonly commit: string;
  /** Ends the run after this many steps; null runs it whole. */
  readonly until?: number | null;
  readonly properties?: readonly Property[];
};

/** Runs the scenario and writes its picture, however the run ends. */
export function writePicture(file: string, scenario: Scenario, options: PictureOptions): void {
  writeFileSync(file, drawPicture(scenario, options));
}

/** The text of a page that needs nothing but itself. */
export function drawPicture(scenario: Scenario, options: PictureOptions): string {
  const recorder = new PictureRecorder(scenario);
  const { until = null, properties } = options;
  const runOptions: RunOptions = {
    trace: recorder,
    ...(until === null ? {} : { stepsMax: until }),
    ...(properties === undefined ? {} : { properties }),
  };
  const headline = headlineOf(scenario, options, recorder, runOptions);
  return renderPage(headline, scenario, recorder.faults, pictureData(recorder));
}

/** Runs the scenario; a crash of the simulator is an outcome like any other. */
function headlineOf(
  scenario: Scenario,
  { flag, commit }: PictureOptions,
  recorder: PictureRecorder,
  options: RunOptions,
): Headline {
  const title = scenario.name;
  const replay = `npm run sim -- ${flag}`;
  try {
    return { title, commit, ...resultPart(run(scenario, options), replay, options.stepsMax) };
  } catch (error) {
    const message = messageOf(error);
    const what = "crash of the simulator";
    recorder.crashed(`${what}: ${message.split("\n")[0]}`);
    return { title, commit, outcome: "crash", what, message, replay, numbers: [] };
  }
}

function resultPart(
  result: RunResult,
  replay: string,
  stepsMax = Number.POSITIVE_INFINITY,
): Omit<Headline, "title" | "commit"> {
  const { outcome, violations, hash, steps, virtualMs, visits, visitsAsExpected } = result;
  const violation = violations[0];
  const isCutShort = violation === undefined && steps >= stepsMax;
  const until =
    violation === undefined ? (isCutShort ? ` --until ${steps}` : "") : ` --until ${violation.step} --trace`;
  return {
    outcome: isCutShort ? "stopped" : outcome,
    what: violation?.name ?? "",
    message: redact(violation?.message ?? ""),
    replay: `${replay}${until}`,
    numbers: [
      ["hash", hash],
      ["steps", String(steps)],
      ["virtual time", `${(virtualMs / 1000).toFixed(1)} s`],
      ["visits as without faults", `${visitsAsExpected} of ${visits}`],
    ],
  };
}

/** Where it was thrown, without the names of the folders that the project lies in. */
function messageOf(error: unknown): string {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return redact(text).replace(/file:\S*\/(?=(?:core|sim|test)\/)/g, "");
}
