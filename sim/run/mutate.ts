/** The command that hunts planted bugs, one or all of them, and tells what it took to find each. */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { EXIT_CODES } from "../report/report.ts";
import { formatSeed } from "../tools/random.ts";
import { type Find, type HuntOptions, hunt } from "./hunt.ts";
import { MUTANTS, type Mutant } from "./mutants.ts";
import { PatchError } from "./scratch.ts";

export type MutateOptions = HuntOptions & {
  /** One of them; null for all. */
  readonly id: string | null;
  /** Writes the table to `mutants/RESULTS.md` as well. */
  readonly write: boolean;
};

type Row = {
  readonly mutant: Mutant;
  readonly seeds: string;
  readonly checker: string;
  readonly faults: string;
  readonly operations: string;
};

/** Something that has to be reached was not. */
const MISSED = 6;
const RESULTS = fileURLToPath(new URL("../mutants/RESULTS.md", import.meta.url));

/** Returns the exit code: passed where all were found. */
export async function runMutants(options: MutateOptions): Promise<number> {
  const wanted = MUTANTS.filter(({ id }) => options.id === null || options.id === id);
  if (wanted.length === 0) throw new RangeError(`there is no planted bug ${options.id}`);
  const finds: Find[] = [];
  const misfits: string[] = [];
  for (const mutant of wanted) {
    try {
      const find = await hunt(mutant, options);
      finds.push(find);
      console.log(describe(find, options.first));
    } catch (error) {
      if (!(error instanceof PatchError)) throw error;
      misfits.push(error.message);
      console.log(`MISFIT ${mutant.id}: ${error.message}`);
    }
  }
  const table = formatTable(finds);
  console.log(`\n${table}`);
  if (options.write) writeFileSync(RESULTS, table);
  const isWhole = misfits.length === 0 && finds.every(({ seedsTried }) => seedsTried !== null);
  return isWhole ? EXIT_CODES.passed : MISSED;
}

function describe({ mutant, seedsTried, trial, shrunk, alarms }: Find, first: HuntOptions["first"]): string {
  const others = [...alarms].map(([name, count]) => `${name} ${count}`).join(", ");
  const noise = others === "" ? "" : `; other alarms before: ${others}`;
  if (trial === null || shrunk === null) return `MISSED ${mutant.id}: ${mutant.mistake}${noise}`;
  return [
    `found  ${mutant.id}: ${mutant.mistake}`,
    `       ${trial.name}, ${seedsTried} from ${formatSeed(first)} on: ${trial.what}: ${trial.message}`,
    `       shrunk to ${shrunk.faults.length} faults and ${shrunk.operations.length} operations${noise}`,
  ].join("\n");
}

function formatTable(finds: readonly Find[]): string {
  const rows = finds.map(rowOf);
  const found = finds.filter(({ seedsTried }) => seedsTried !== null);
  const summary = [
    `${found.length} of ${finds.length} found`,
    `${found.filter(({ seedsTried }) => (seedsTried ?? 0) <= 200).length} within 200 seeds`,
    `seeds to find at the median ${median(found.map(({ seedsTried }) => seedsTried ?? 0))}`,
    `shrunk at the median to ${median(found.map(({ shrunk }) => shrunk?.faults.length ?? 0))} faults`,
    `and ${median(found.map(({ shrunk }) => shrunk?.operations.length ?? 0))} operations`,
  ].join(", ");
  return [
    "# What it takes to find each planted bug",
    "",
    "Written by `npm run sim -- --mutants --write`.",
    "",
    "| bug | mistake | seeds to find | checker | kind of invariant | faults | operations |",
    "|---|---|---|---|---|---|---|",
    ...rows.map(
      ({ mutant: { id, mistake, kind }, seeds, checker, faults, operations }) =>
        `| ${id} | ${mistake} | ${seeds} | ${checker} | ${kind} | ${faults} | ${operations} |`,
    ),
    "",
    `${summary}.`,
    "",
  ].join("\n");
}

function rowOf({ mutant, seedsTried, trial, shrunk }: Find): Row {
  return {
    mutant,
    seeds: seedsTried === null ? "not found" : String(seedsTried),
    checker: trial === null ? "" : `\`${trial.what}\``,
    faults: String(shrunk?.faults.length ?? ""),
    operations: String(shrunk?.operations.length ?? ""),
  };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
