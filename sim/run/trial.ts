/** One trial of a scenario: run once or, for the determinism gate, twice. The result is plain data that crosses processes. */
import type { Execution, RunResult, Trial } from "../record/outcome.ts";
import type { Scenario } from "../scenario/scenario.ts";
import { parting } from "./parting.ts";
import { run } from "./run.ts";

export function tryScenario(scenario: Scenario, doublecheck: boolean): Trial {
  const first = execute(scenario);
  return doublecheck ? compare(scenario, first, execute(scenario)) : first.trial;
}

export function execute(scenario: Scenario): Execution {
  try {
    const result = run(scenario, { checkpoints: true });
    return { trial: trialOf(scenario, result), checkpoints: Uint32Array.from(result.checkpoints) };
  } catch (error) {
    const trial = { ...blank(scenario), verdict: "crash", what: "crash", message: describe(error) } as const;
    return { trial, checkpoints: new Uint32Array(0) };
  }
}

/** The first of two executions where they are the same, or else where they part. */
export function compare(scenario: Scenario, { trial, checkpoints }: Execution, second: Execution): Trial {
  if (trial.hash === second.trial.hash) return trial;
  const { step, atMs, message } = parting(scenario, checkpoints, second.checkpoints);
  return { ...trial, verdict: "nondeterminism", what: "determinism", message, step, atMs };
}

function trialOf(scenario: Scenario, result: RunResult): Trial {
  const violation = result.violations[0];
  return {
    ...blank(scenario),
    verdict: result.outcome,
    what: violation?.name ?? "",
    message: violation?.message ?? "",
    step: violation?.step ?? result.steps,
    atMs: violation?.atMs ?? result.virtualMs,
    hash: result.hash,
    steps: result.steps,
    virtualMs: result.virtualMs,
    visits: result.visits,
    visitsAsExpected: result.visitsAsExpected,
    faultCounts: [...result.faultCounts],
    sometimes: [...result.sometimes],
    judgements: result.judgements,
  };
}

function blank(scenario: Scenario): Trial {
  return {
    name: scenario.name,
    verdict: "passed",
    what: "",
    message: "",
    step: 0,
    atMs: 0,
    hash: "",
    steps: 0,
    virtualMs: 0,
    visits: 0,
    visitsAsExpected: 0,
    faultFree: scenario.calm,
    faultCounts: [],
    sometimes: [],
    judgements: [],
  };
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
