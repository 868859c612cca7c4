/**
 * The hunt for one planted bug: seeds are run on the mutant until a checker of the right kind goes off. It counts as found
 * when the clean build passes the same seed, when the failure shrinks to a scenario that still breaks the same checker on
 * the mutant and passes clean, and when that scenario ends with the same hash twice.
 */
import { fileURLToPath } from "node:url";
import { scenarioOf } from "../drawing/swarm.ts";
import type { Trial } from "../record/outcome.ts";
import type { Scenario } from "../scenario/scenario.ts";
import { formatSeed, parseSeed, type Seed, seedPlus } from "../tools/random.ts";
import type { Mutant } from "./mutants.ts";
import { Scratch } from "./scratch.ts";
import { tryScenario } from "./trial.ts";

export type HuntOptions = {
  readonly first: Seed;
  /** Tried at most. */
  readonly seeds: number;
  readonly workers: number;
};

export type Find = {
  readonly mutant: Mutant;
  /** How many seeds it took; null where it was not found. */
  readonly seedsTried: number | null;
  readonly trial: Trial | null;
  /** The small scenario that shows it. */
  readonly shrunk: Scenario | null;
  /** Checkers of another kind that went off before, by name. */
  readonly alarms: ReadonlyMap<string, number>;
};

/** The same modules as ours, of the mutant. */
type Build = {
  readonly search: typeof import("./search.ts").search;
  readonly tryScenario: typeof tryScenario;
  readonly shrink: typeof import("./shrink.ts").shrink;
  readonly failsLike: typeof import("./shrink.ts").failsLike;
};

/** As many as two workers try in no time; each round doubles it. */
const FIRST_ROUND_SEEDS = 20;
const SHRINK_RUNS_MAX = 1_500;

/** Throws a `PatchError` where the mutant's patch does not fit the core any more. */
export async function hunt(mutant: Mutant, options: HuntOptions): Promise<Find> {
  const scratch = new Scratch(fileURLToPath(new URL(`../mutants/${mutant.id}.patch`, import.meta.url)));
  try {
    return await huntIn(await buildOf(scratch), mutant, options);
  } finally {
    scratch.remove();
  }
}

async function buildOf(scratch: Scratch): Promise<Build> {
  const [{ search }, trial, { shrink, failsLike }]: [
    typeof import("./search.ts"),
    typeof import("./trial.ts"),
    typeof import("./shrink.ts"),
  ] = await Promise.all([
    import(scratch.address("sim/run/search.ts")),
    import(scratch.address("sim/run/trial.ts")),
    import(scratch.address("sim/run/shrink.ts")),
  ]);
  return { search, tryScenario: trial.tryScenario, shrink, failsLike };
}

async function huntIn(build: Build, mutant: Mutant, { first, seeds, workers }: HuntOptions): Promise<Find> {
  const alarms = new Map<string, number>();
  let round = FIRST_ROUND_SEEDS;
  for (let tried = 0; tried < seeds; tried += round, round *= 2) {
    const count = Math.min(round, seeds - tried);
    for (const { offset, trial } of await failuresAmong(build, seedPlus(first, tried), count, workers)) {
      if (!mutant.shownBy.includes(trial.what)) {
        alarms.set(trial.what, (alarms.get(trial.what) ?? 0) + 1);
        continue;
      }
      const shrunk = confirm(build, scenarioOf(seedPlus(first, tried + offset)), trial);
      if (shrunk !== null) return { mutant, seedsTried: tried + offset + 1, trial, shrunk, alarms };
    }
  }
  return { mutant, seedsTried: null, trial: null, shrunk: null, alarms };
}

/** In the order of the seeds. */
async function failuresAmong(
  build: Build,
  first: Seed,
  seeds: number,
  workers: number,
): Promise<{ readonly offset: number; readonly trial: Trial }[]> {
  const { failures } = await build.search({
    first: formatSeed(first),
    seeds,
    workers,
    doublecheck: false,
    failuresMax: Number.POSITIVE_INFINITY,
    progress: () => {},
  });
  return failures
    .map((trial) => ({ offset: offsetOf(trial, first), trial }))
    .sort((a, b) => a.offset - b.offset);
}

function offsetOf({ name }: Trial, first: Seed): number {
  const seed = parseSeed(name.replace("seed ", ""));
  if (seed === null) throw new TypeError(`${name} names no seed`);
  return (seed.low - first.low) >>> 0;
}

/** The small scenario of a true find; null where one of the conditions does not hold. */
function confirm(build: Build, scenario: Scenario, trial: Trial): Scenario | null {
  const passesClean = (each: Scenario) => tryScenario(each, false).verdict === "passed";
  if (!passesClean(scenario)) return null;
  const fails = build.failsLike(trial);
  const { scenario: shrunk } = build.shrink(scenario, (each) => fails(each) && passesClean(each), {
    runsMax: SHRINK_RUNS_MAX,
  });
  const [once, again] = [build.tryScenario(shrunk, false), build.tryScenario(shrunk, false)];
  return once.what === trial.what && once.hash === again.hash ? shrunk : null;
}
