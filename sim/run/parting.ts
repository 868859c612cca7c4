/** Where two runs of one scenario part, although nothing in a run may depend on anything but its scenario. */
import { TraceRecorder } from "../report/trace.ts";
import type { Scenario } from "../scenario/scenario.ts";
import { run } from "./run.ts";

export type Parting = {
  /** The first step after which the two differ. */
  readonly step: number;
  readonly atMs: number;
  readonly message: string;
};

/** Compares the words that two runs kept, one per step, and names the first event that was not the same in both. */
export function parting(scenario: Scenario, first: Uint32Array, second: Uint32Array): Parting {
  const differs = first.findIndex((word, index) => word !== second[index]);
  const step = differs === -1 ? first.length : differs;
  // What two runs did once they may do again: then the lines of their traces tell more than a step's number.
  const one = linesUpTo(scenario, step);
  const other = linesUpTo(scenario, step);
  const line = one.lines.findIndex((text, index) => text !== other.lines[index]);
  const shown =
    line === -1
      ? (one.lines.findLast((text) => text.includes(`#${step} <-`)) ?? "after the last event")
      : `\n  once   ${one.lines[line]}\n  again  ${other.lines[line] ?? "nothing more"}`;
  return {
    step,
    atMs: one.atMs,
    message: `two runs of ${scenario.name} part at step ${step}: ${shown.trimEnd()}`,
  };
}

function linesUpTo(scenario: Scenario, step: number): { readonly lines: string[]; readonly atMs: number } {
  const lines: string[] = [];
  const recorder = new TraceRecorder((line) => lines.push(line));
  const { virtualMs } = run(scenario, { trace: recorder, stepsMax: step + 1 });
  return { lines, atMs: virtualMs };
}
