/** fast-check over whole runs: draws scenarios whose faults are of some kinds only, and reports a failure small. */
import { check, property } from "fast-check";
import type { FaultKind } from "../../../sim/faults/fault.ts";
import type { Trial } from "../../../sim/record/outcome.ts";
import { formatFailure } from "../../../sim/report/report.ts";
import { ScenarioArbitrary } from "../../../sim/run/arbitrary.ts";
import { commitName } from "../../../sim/run/commit.ts";
import { writeFailure } from "../../../sim/run/look.ts";
import { tryScenario } from "../../../sim/run/trial.ts";
import type { Scenario } from "../../../sim/scenario/scenario.ts";

const SCENARIOS = 25;
/** Shrinking ends by then, and what was found until then is reported. */
const TIME_LIMIT_MS = 20_000;

/**
 * Tries scenarios, and throws a failure report for the first that fails: what broke, the command that replays the shrunk
 * scenario, and fast-check's seed and path. Returns all trials.
 */
export function checkScenarios(
  kinds: readonly FaultKind[],
  tryOne: (scenario: Scenario) => Trial = (scenario) => tryScenario(scenario, false),
  timeLimitMs = TIME_LIMIT_MS,
): Trial[] {
  const trials: Trial[] = [];
  const passes = property(new ScenarioArbitrary(kinds), (scenario) => {
    const trial = tryOne(scenario);
    trials.push(trial);
    return trial.verdict === "passed";
  });
  const { counterexample, seed, counterexamplePath, numShrinks } = check(passes, {
    numRuns: SCENARIOS,
    interruptAfterTimeLimit: timeLimitMs,
  });
  const [scenario] = counterexample ?? [];
  if (scenario === undefined) return trials;
  const trial = tryOne(scenario);
  const commit = commitName();
  const flag = `--replay ${writeFailure(scenario, trial, commit)}`;
  const failure = formatFailure(trial, { flag, commit, shrunk: { scenario, runs: numShrinks } });
  throw new Error(`${failure}\nfast-check: seed=${seed} path=${counterexamplePath}`);
}
