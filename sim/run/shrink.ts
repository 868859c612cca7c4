/**
 * Finds the small scenario inside a large one that failed: what does not matter for the failure is taken out, what is left
 * is made plain, and its numbers are made small.
 *
 * The smaller scenarios form a tree, walked here under a budget of runs and by fast-check in `arbitrary.ts`. Structure
 * goes first, chunk by chunk (Zeller and Hildebrandt, Simplifying and Isolating Failure-Inducing Input, 2002), then
 * numbers, each by the shrink tree of fast-check's integers; and all of that anew while it still finds something.
 */
import { integer } from "fast-check";
import { knobsOf } from "../drawing/knobs.ts";
import { isLegal, passes } from "../drawing/reductions.ts";
import type { Trial } from "../record/outcome.ts";
import type { Scenario } from "../scenario/scenario.ts";
import { tryScenario } from "./trial.ts";

export type ShrinkOptions = {
  /** Scenarios tried at most. */
  readonly runsMax?: number;
  /** Told after each scenario that was tried. */
  readonly progress?: (sofar: Shrunk) => void;
};

export type Shrunk = {
  /** The smallest found that fails in the same way; the given one where none is smaller. */
  readonly scenario: Scenario;
  /** Scenarios tried. */
  readonly runs: number;
};

/** Where the walk stands in the tree: what was tried in vain on the way there is not tried again in the same round. */
export class Place {
  readonly pass: number = 0;
  /** How many reductions are taken together, and from which one on. */
  readonly chunk: number = Number.MAX_SAFE_INTEGER;
  readonly from: number = 0;
  readonly knob: number = 0;
  /** fast-check's own place in the tree of that number. */
  readonly context: unknown = undefined;
  /** Something was found in this round, so that another one is worth it. */
  readonly found: boolean = false;

  constructor(place: Partial<Place> = {}) {
    Object.assign(this, place);
  }
}

export type Smaller = { readonly scenario: Scenario; readonly place: Place };

const RUNS_MAX = 2_000;
/** Violations that many causes share, told apart by the words that were thrown. */
const THROWN = new Set(["never_throws", "state_invariant"]);

/** `fails` tells whether a scenario still fails as the given one does: `failsLike` makes one. */
export function shrink(
  scenario: Scenario,
  fails: (scenario: Scenario) => boolean,
  { runsMax = RUNS_MAX, progress = () => {} }: ShrinkOptions = {},
): Shrunk {
  let smallest = scenario;
  let candidates = smallerThan(smallest);
  for (let runs = 0; ; runs++) {
    const candidate = runs < runsMax ? candidates.next() : null;
    if (candidate === null || candidate.done === true) return { scenario: smallest, runs };
    if (fails(candidate.value.scenario)) {
      smallest = candidate.value.scenario;
      candidates = smallerThan(smallest, candidate.value.place);
    }
    progress({ scenario: smallest, runs: runs + 1 });
  }
}

/** Whether a scenario fails as that trial did: by the same checker, and with the same words where something threw. */
export function failsLike(trial: Trial): (scenario: Scenario) => boolean {
  const sought = signatureOf(trial);
  const twice = trial.verdict === "nondeterminism";
  return (scenario) => signatureOf(tryScenario(scenario, twice)) === sought;
}

/** The smaller scenarios that are worth a try after all those before that place. */
export function* smallerThan(scenario: Scenario, place: Place = new Place()): Generator<Smaller, undefined> {
  yield* withLess(scenario, place);
  yield* withSmallerNumbers(scenario, place);
  // What was needed at first may not be, now that other things are gone.
  if (place.found) yield* smallerThan(scenario);
}

function* withLess(scenario: Scenario, place: Place): Generator<Smaller, undefined> {
  for (const [pass, reductionsOf] of passes.entries()) {
    if (pass < place.pass) continue;
    const { chunk: chunkMax, from: first } = pass === place.pass ? place : new Place();
    const reductions = reductionsOf(scenario);
    let from = first;
    for (let chunk = Math.min(chunkMax, reductions.length); chunk >= 1; chunk = Math.floor(chunk / 2)) {
      for (; from < reductions.length; from += chunk) {
        const taken = reductions.slice(from, from + chunk);
        const smaller = taken.reduce((before, reduction) => reduction(before), scenario);
        if (!isLegal(smaller)) continue;
        yield { scenario: smaller, place: new Place({ pass, chunk, from, found: true }) };
      }
      from = 0;
    }
  }
}

function* withSmallerNumbers(scenario: Scenario, place: Place): Generator<Smaller, undefined> {
  for (const [index, { value, least, set }] of knobsOf(scenario).entries()) {
    if (index < place.knob) continue;
    const context = index === place.knob ? place.context : undefined;
    for (const next of integer({ min: least, max: value }).shrink(value, context)) {
      yield {
        scenario: set(scenario, next.value),
        place: new Place({ pass: passes.length, knob: index, context: next.context, found: true }),
      };
    }
  }
}

function signatureOf({ verdict, what, message }: Trial): string {
  const threw = verdict === "crash" || THROWN.has(what);
  return threw ? `${what} ${thrown(message)}` : what;
}

/** What was thrown, without who threw it, where and how much of it. */
function thrown(message: string): string {
  const [line = ""] = message.split("\n");
  return line.slice(line.indexOf(": ") + 1).replace(/\d+/g, "#");
}
