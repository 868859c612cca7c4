/** Sums over many trials. */
import type { Execution, Trial } from "../record/outcome.ts";

export class Tally {
  seeds = 0;
  visits = 0;
  visitsAsExpected = 0;
  faultFreeSeeds = 0;
  faultFreeVisits = 0;
  faultFreeVisitsAsExpected = 0;
  readonly faultCounts = new Map<string, number>();
  readonly sometimes = new Map<string, number>();
  /** How often each property judged something. */
  readonly judgements = new Map<string, number>();
  readonly failures: Trial[] = [];
  /** Steps, virtual time and processor time of all runs, those that only repeat another included. */
  steps = 0;
  virtualMs = 0;
  cpuMs = 0;

  add(trial: Trial): void {
    this.seeds++;
    this.visits += trial.visits;
    this.visitsAsExpected += trial.visitsAsExpected;
    if (trial.faultFree) {
      this.faultFreeSeeds++;
      this.faultFreeVisits += trial.visits;
      this.faultFreeVisitsAsExpected += trial.visitsAsExpected;
    }
    for (const [kind, count] of trial.faultCounts) addTo(this.faultCounts, kind, count);
    for (const [mark, count] of trial.sometimes) addTo(this.sometimes, mark, count);
    for (const { name, count } of trial.judgements) addTo(this.judgements, name, count);
    if (trial.verdict !== "passed") this.failures.push(trial);
  }

  addTime({
    cpuMs,
    executions,
  }: {
    readonly cpuMs: number;
    readonly executions: readonly Execution[];
  }): void {
    this.cpuMs += cpuMs;
    for (const { trial } of executions) {
      this.steps += trial.steps;
      this.virtualMs += trial.virtualMs;
    }
  }
}

function addTo(counts: Map<string, number>, name: string, count: number): void {
  if (count > 0) counts.set(name, (counts.get(name) ?? 0) + count);
}
