/** What came of a run, and of a trial, which is one or two of them: plain data. A trial's crosses processes. */
import type { Violation } from "./checker.ts";

/** How often a property judged something. */
export type Judgement = { readonly name: string; readonly count: number };

export type RunResult = {
  readonly outcome: "passed" | "safety" | "liveness";
  readonly violations: readonly Violation[];
  /** Of every event, effect and draw. */
  readonly hash: string;
  /** Steps of all machines: core events. */
  readonly steps: number;
  readonly virtualMs: number;
  readonly faultCounts: ReadonlyMap<string, number>;
  readonly sometimes: ReadonlyMap<string, number>;
  /** How often each property judged something. */
  readonly judgements: readonly Judgement[];
  readonly checkpoints: readonly number[];
  readonly visits: number;
  /** Visits that came to what they should come to. */
  readonly visitsAsExpected: number;
};

/** How a trial came out, worst first where it is several. */
export type Verdict = "passed" | "safety" | "liveness" | "nondeterminism" | "crash";

export type Trial = {
  readonly name: string;
  readonly verdict: Verdict;
  /** What broke: the checker's name and message. */
  readonly what: string;
  readonly message: string;
  readonly step: number;
  readonly atMs: number;
  readonly hash: string;
  readonly steps: number;
  readonly virtualMs: number;
  readonly visits: number;
  readonly visitsAsExpected: number;
  readonly faultFree: boolean;
  readonly faultCounts: readonly (readonly [string, number])[];
  readonly sometimes: readonly (readonly [string, number])[];
  readonly judgements: readonly Judgement[];
};

/** A trial with what it takes to compare it with another one of the same scenario. */
export type Execution = { readonly trial: Trial; readonly checkpoints: Uint32Array };
