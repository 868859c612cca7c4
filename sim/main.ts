/** The simulator's command line: one seed looked at closely, or many seeds looked through. */
import { parseArgs } from "node:util";
import { suggestion } from "../core/text/nearest.ts";
import { commitHash } from "./run/commit.ts";
import { refreshGolden } from "./run/golden.ts";
import { type LookOptions, lookAt } from "./run/look.ts";
import { runGate, runMany } from "./run/many.ts";
import { runMutants } from "./run/mutate.ts";
import { readScenarioFile } from "./scenario/scenario-file.ts";
import { parseSeed, type Seed } from "./tools/random.ts";

const HELP = `npm run sim -- [options]

  --seed N        the seed to run, or the first of many; decimal or 0x, 64 bits
  --seeds N       run N seeds, from --seed on (or from a seed of the clock)
  --trace         print every event, effect and fault of the seed
  --until STEP    stop after that many steps of the machines
  --shrink        look for the smallest scenario that fails as the seed does
  --replay FILE   run a scenario file in place of a seed
  --html FILE     write a picture of the seed or of the scenario file: one page for a browser
  --doublecheck   run every seed twice and compare
  --ci            what a change must pass: the corpus, the golden seeds, and 1000 seeds named by
                  the commit, each twice, which must reach all that can be reached
  --golden        write the hashes of the golden seeds anew, after a change on purpose
  --mutant ID     hunt one planted bug, such as PB01, through 2000 seeds or --seeds N
  --mutants       hunt all of them
  --write         keep what was hunted in the table mutants/RESULTS.md
  --workers N     processes for --seeds, 2 unless told

exit codes: 0 passed, 2 safety, 3 liveness, 4 nondeterminism, 5 crash of the simulator, 6 not all was reached,
            1 wrong use`;

const WRONG_USE = 1;
const CI_SEEDS = 1_000;
const MUTANT_SEEDS = 2_000;

type Options = {
  readonly mode: "seeds" | "ci" | "golden" | "mutants";
  readonly seed: Seed;
  readonly seeds: number | null;
  readonly trace: boolean;
  readonly until: number | null;
  readonly shrink: boolean;
  readonly replay: LookOptions["replay"];
  readonly html: string | null;
  readonly doublecheck: boolean;
  readonly workers: number;
  /** The planted bug to hunt; null for all. */
  readonly mutant: string | null;
  readonly write: boolean;
};

const OPTIONS = {
  seed: { type: "string" },
  seeds: { type: "string" },
  trace: { type: "boolean", default: false },
  until: { type: "string" },
  shrink: { type: "boolean", default: false },
  replay: { type: "string" },
  html: { type: "string" },
  doublecheck: { type: "boolean", default: false },
  ci: { type: "boolean", default: false },
  golden: { type: "boolean", default: false },
  workers: { type: "string", default: "2" },
  mutant: { type: "string" },
  mutants: { type: "boolean", default: false },
  write: { type: "boolean", default: false },
  help: { type: "boolean", default: false },
} as const;

process.exitCode = await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<number> {
  const options = readOptions(argv);
  if (typeof options === "string") {
    console.log(options);
    return options === HELP ? 0 : WRONG_USE;
  }
  if (options.mode === "golden") return refresh();
  const many = { ...options, first: options.seed };
  if (options.mode === "mutants") {
    return runMutants({ ...many, id: options.mutant, seeds: options.seeds ?? MUTANT_SEEDS });
  }
  if (options.mode === "ci") return runGate({ ...many, seeds: options.seeds ?? CI_SEEDS });
  return options.seeds === null ? lookAt(options) : runMany({ ...many, seeds: options.seeds });
}

function refresh(): number {
  const changed = refreshGolden();
  console.log(`${changed.length} golden seeds end in another way than before`);
  for (const { seed, mixture, hash } of changed) console.log(`seed ${seed} (${mixture}) hash ${hash}`);
  return 0;
}

/** The options, or what to print instead of running. */
function readOptions(argv: readonly string[]): Options | string {
  for (const argument of argv) {
    const [, name] = /^--([^=]+)/.exec(argument) ?? [];
    if (name === undefined || Object.hasOwn(OPTIONS, name)) continue;
    return `--${name} is unknown${suggestion(name, Object.keys(OPTIONS), "--") || "; see --help"}`;
  }
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: OPTIONS,
    });
    if (values.help) return HELP;
    const hunts = values.mutants || values.mutant !== undefined;
    // A hunt is for a table, which is to be the same as long as nothing changes.
    const seed = parseSeed(values.seed ?? (values.ci ? seedOfCommit() : hunts ? "1" : String(Date.now())));
    if (seed === null) return `--seed ${values.seed} is no whole number of 64 bits`;
    return {
      mode: values.golden ? "golden" : values.ci ? "ci" : hunts ? "mutants" : "seeds",
      seed,
      seeds: values.seeds === undefined ? null : wholeNumber("--seeds", values.seeds),
      trace: values.trace,
      until: values.until === undefined ? null : wholeNumber("--until", values.until),
      shrink: values.shrink,
      replay:
        values.replay === undefined ? null : { path: values.replay, file: readScenarioFile(values.replay) },
      html: values.html ?? null,
      doublecheck: values.doublecheck,
      workers: wholeNumber("--workers", values.workers),
      mutant: values.mutant ?? null,
      write: values.write,
    };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function wholeNumber(flag: string, text: string): number {
  const value = Number(text);
  if (!/^[0-9]{1,9}$/.test(text) || value === 0)
    throw new RangeError(`${flag} ${text} is no whole number above 0`);
  return value;
}

/** Other seeds for each commit, and for everybody who has that commit the same ones. */
function seedOfCommit(): string {
  const hash = commitHash();
  if (hash === "")
    throw new Error("--ci takes its seeds from the commit, and there is none: name one with --seed");
  return `0x${hash.slice(0, 16)}`;
}
