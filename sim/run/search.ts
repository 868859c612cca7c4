/**
 * Tries many seeds, in worker processes that share nothing. For the determinism gate each seed runs a second time in
 * another process, and there in another order: what a run left behind in its process may not show in the next.
 */
import { type ChildProcess, fork } from "node:child_process";
import { scenarioOf } from "../drawing/swarm.ts";
import type { Execution } from "../record/outcome.ts";
import { Tally } from "../report/tally.ts";
import { parseSeed, type Seed, seedPlus } from "../tools/random.ts";
import { compare } from "./trial.ts";
import type { Batch, BatchResult } from "./worker.ts";

export type SearchOptions = {
  /** First seed, as text. */
  readonly first: string;
  readonly seeds: number;
  readonly workers: number;
  readonly doublecheck: boolean;
  /** Ends the search early once this many seeds have failed. */
  readonly failuresMax: number;
  readonly progress: (tally: Tally) => void;
};

const BATCH_SEEDS = 10;

/** Adds to `tally`, which may know other trials already. */
export async function search(options: SearchOptions, tally = new Tally()): Promise<Tally> {
  const plan = new Plan(options, tally);
  const count = Math.min(options.workers, Math.ceil(options.seeds / BATCH_SEEDS));
  await Promise.all(Array.from({ length: count }, (_, worker) => work(worker, plan)));
  return tally;
}

/** What is left to do, and what came of the rest. */
class Plan {
  readonly #options: SearchOptions;
  readonly #first: Seed;
  readonly #tally: Tally;
  #nextOffset = 0;
  /** Batches that ran once, with the worker that ran them. */
  readonly #halfDone: { readonly worker: number; readonly batch: Batch; readonly result: BatchResult }[] = [];
  /** First results of the batches that run a second time now, by their offset. */
  readonly #compared = new Map<number, BatchResult>();

  constructor(options: SearchOptions, tally: Tally) {
    const first = parseSeed(options.first);
    if (first === null) throw new RangeError(`${options.first} is no seed`);
    this.#options = options;
    this.#first = first;
    this.#tally = tally;
  }

  /** The next batch for that worker; null when it has nothing left to do. */
  take(worker: number): Batch | null {
    const { seeds, failuresMax, first } = this.#options;
    if (this.#tally.failures.length >= failuresMax) return null;
    const foreign = this.#takeHalfDone((by) => by !== worker);
    if (foreign !== null) return foreign;
    if (this.#nextOffset < seeds) {
      const batch: Batch = {
        first,
        offset: this.#nextOffset,
        count: Math.min(BATCH_SEEDS, seeds - this.#nextOffset),
        again: false,
      };
      this.#nextOffset += batch.count;
      return batch;
    }
    return this.#takeHalfDone(() => true);
  }

  done(worker: number, batch: Batch, result: BatchResult): void {
    this.#tally.addTime(result);
    if (batch.again) {
      const before = this.#compared.get(batch.offset);
      this.#compared.delete(batch.offset);
      result.executions.forEach((execution, index) => {
        this.#add(batch.offset + index, before?.executions[index] ?? execution, execution);
      });
    } else if (this.#options.doublecheck) {
      this.#halfDone.push({ worker, batch, result });
    } else {
      for (const { trial } of result.executions) this.#tally.add(trial);
    }
    this.#options.progress(this.#tally);
  }

  #takeHalfDone(fits: (worker: number) => boolean): Batch | null {
    const index = this.#halfDone.findIndex(({ worker }) => fits(worker));
    const [found] = index === -1 ? [] : this.#halfDone.splice(index, 1);
    if (found === undefined) return null;
    this.#compared.set(found.batch.offset, found.result);
    return { ...found.batch, again: true };
  }

  #add(offset: number, first: Execution, second: Execution): void {
    // The scenario is drawn again only where it is needed: to say where its two runs part.
    const same = first.trial.hash === second.trial.hash;
    this.#tally.add(same ? first.trial : compare(scenarioOf(seedPlus(this.#first, offset)), first, second));
  }
}

/**
 * Each core has a worker of its own, so threads that help one to collect garbage take time from the other. And nearly all of
 * a run dies with it: the larger the space for what is young, the less of it is alive when that is looked through. The worker itself says when,
 * between two runs.
 */
const GARBAGE_FLAGS = [
  "--expose-gc",
  "--single-threaded-gc",
  "--min-semi-space-size=64",
  "--max-semi-space-size=64",
];

/**
 * V8 learns how a function is used from its first call on, and not from the eighth: what is compiled while a worker is young
 * is then good for longer. 6 % of 700 seeds for each of two workers, six turns of each.
 */
const COMPILER_FLAGS = ["--no-lazy-feedback-allocation"];

/** Feeds one worker until there is no batch left. */
function work(worker: number, plan: Plan): Promise<void> {
  const child = fork(new URL("./worker.ts", import.meta.url), {
    serialization: "advanced",
    execArgv: [...process.execArgv, ...GARBAGE_FLAGS, ...COMPILER_FLAGS],
  });
  return new Promise((resolve, reject) => {
    let current: Batch | null = null;
    const proceed = () => {
      current = plan.take(worker);
      if (current === null) child.disconnect();
      else child.send(current);
    };
    child.on("message", (result: BatchResult) => {
      if (current !== null) plan.done(worker, current, result);
      proceed();
    });
    child.on("error", reject);
    child.on("exit", (code) => (code === 0 ? resolve() : reject(deathOf(child, code))));
    proceed();
  });
}

function deathOf(child: ChildProcess, code: number | null): Error {
  return new Error(`worker ${child.pid} ended with ${code ?? child.signalCode}`);
}
