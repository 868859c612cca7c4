/** Many seeds at once: a search for failures, and the run that every change has to pass. */
import type { Trial, Verdict } from "../record/outcome.ts";
import { EXIT_CODES, formatFailure, formatTally } from "../report/report.ts";
import { Tally } from "../report/tally.ts";
import { formatSeed, type Seed } from "../tools/random.ts";
import { commitName } from "./commit.ts";
import { tryCorpus } from "./corpus.ts";
import { missing } from "./gate.ts";
import { readGolden, tryGolden } from "./golden.ts";
import { search } from "./search.ts";

export type ManyOptions = {
  readonly first: Seed;
  readonly seeds: number;
  readonly workers: number;
  readonly doublecheck: boolean;
};

const FAILURES_SHOWN = 5;
/** The run passed, and proves nothing: something in it was never reached. */
const VACUOUS = 6;

/** Runs many seeds, tells about those that failed, and returns the exit code. */
export async function runMany(options: ManyOptions): Promise<number> {
  const startedMs = performance.now();
  const tally = await searchWithProgress(options, new Tally());
  tellFailures(tally.failures);
  console.log(`first seed ${formatSeed(options.first)}`);
  console.log(formatTally(tally, performance.now() - startedMs));
  return worstExitCode(tally.failures);
}

/** Past failures, golden seeds and fresh ones, each twice, and nothing that a seed can reach left out. */
export async function runGate(options: ManyOptions): Promise<number> {
  const startedMs = performance.now();
  const corpus = tryCorpus();
  console.log(`corpus    ${passedOf(corpus.map(({ trial }) => trial))} past failures pass`);
  const golden = readGolden().map(tryGolden);
  console.log(`golden    ${passedOf(golden)} seeds end as they did`);
  const tally = await searchWithProgress({ ...options, doublecheck: true }, new Tally());
  const relapses = corpus.filter(({ trial }) => trial.verdict !== "passed");
  for (const { flag, trial } of relapses) console.log(formatFailure(trial, { flag, commit: commitName() }));
  const unlike = golden.filter(({ verdict }) => verdict !== "passed");
  const failures = [...unlike, ...tally.failures];
  tellFailures(failures);
  console.log(`fresh     ${options.seeds} seeds from ${formatSeed(options.first)} on, each twice`);
  console.log(formatTally(tally, performance.now() - startedMs));
  const lacks = missing(tally);
  for (const line of lacks) console.log(`LACK ${line}`);
  const code = worstExitCode([...relapses.map(({ trial }) => trial), ...failures]);
  return code === 0 && lacks.length > 0 ? VACUOUS : code;
}

async function searchWithProgress({ first, ...options }: ManyOptions, tally: Tally): Promise<Tally> {
  const showProgress = process.stderr.isTTY;
  await search(
    {
      ...options,
      first: formatSeed(first),
      failuresMax: FAILURES_SHOWN,
      progress: ({ seeds, failures }) => {
        if (!showProgress) return;
        process.stderr.write(`\r${seeds} of ${options.seeds} seeds, ${failures.length} failed`);
      },
    },
    tally,
  );
  if (showProgress) process.stderr.write("\n");
  return tally;
}

function tellFailures(failures: readonly Trial[]): void {
  for (const trial of failures.slice(0, FAILURES_SHOWN)) {
    console.log(formatFailure(trial, { flag: trial.name.replace("seed", "--seed"), commit: commitName() }));
  }
}

function passedOf(trials: readonly Trial[]): string {
  return `${trials.filter(({ verdict }) => verdict === "passed").length} of ${trials.length}`;
}

/** A safety violation outranks all else; a crash of the simulator says least about the machines. */
function worstExitCode(failures: readonly Trial[]): number {
  const order: readonly Verdict[] = ["safety", "liveness", "nondeterminism", "crash"];
  const worst = order.find((verdict) => failures.some((trial) => trial.verdict === verdict));
  return EXIT_CODES[worst ?? "passed"];
}
