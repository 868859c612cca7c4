/** A worker process: tries the seeds that it is sent, batch by batch, and sends back what came of them. */
import { scenarioOf } from "../drawing/swarm.ts";
import type { Execution } from "../record/outcome.ts";
import { parseSeed, seedPlus } from "../tools/random.ts";
import { execute } from "./trial.ts";

export type Batch = {
  readonly first: string;
  readonly offset: number;
  readonly count: number;
  /** It is their second time: the last seed goes first. */
  readonly again: boolean;
};
export type BatchResult = {
  /** What the batch cost this process on all cores: the machine may be busy with other things as well. */
  readonly cpuMs: number;
  /** In the order of the seeds. */
  readonly executions: readonly Execution[];
};

/**
 * Of so many seeds the garbage is collected after one, between two runs: next to nothing is alive there, and what is alive
 * is what a collection costs. In the middle of a run everything that it still needs would be copied.
 */
const SEEDS_PER_COLLECTION = 3;

process.on("message", (batch: Batch) => {
  const seed = parseSeed(batch.first);
  if (seed === null) throw new RangeError(`${batch.first} is no seed`);
  const before = process.cpuUsage();
  const executions: Execution[] = [];
  for (let index = 0; index < batch.count; index++) {
    const place = batch.again ? batch.count - 1 - index : index;
    executions[place] = execute(scenarioOf(seedPlus(seed, batch.offset + place)));
    if (index % SEEDS_PER_COLLECTION === 0) globalThis.gc?.({ type: "minor" });
  }
  const { user, system } = process.cpuUsage(before);
  const result: BatchResult = { cpuMs: (user + system) / 1000, executions };
  process.send?.(result);
});
process.on("disconnect", () => process.exit(0));
