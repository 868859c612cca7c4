/** The command that hunts planted bugs, one or all of them, and tells what it took to find each. */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { EXIT_CODES } from "../report/report.ts";
import { formatSeed } from "../tools/random.ts";
import { type Find, type HuntOptions, hunt } from "./hunt.ts";
import { MUTANTS } from "./mutants.ts";
import { PatchError } from "./scratch.ts";

export type MutateOptions = HuntOptions & {
  /** One of them; null for all. */
  readonly id: string | null;
  /** Writes what was found to `mutants/RESULTS.md` as well, whose other rows stay. */
  readonly write: boolean;
};

type Row = {
  readonly id: string;
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
  const rows = finds.map(rowOf);
  console.log(`\n${formatTable(rows)}`);
  if (options.write)
    writeFileSync(RESULTS, formatTable(merged(readTable(readFileSync(RESULTS, "utf8")), rows)));
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

/** In the order of the list, without bugs that are planted no more: the newer row of each. */
function merged(before: readonly Row[], after: readonly Row[]): Row[] {
  const byId = new Map([...before, ...after].map((row) => [row.id, row]));
  return MUTANTS.flatMap(({ id }) => byId.get(id) ?? []);
}

function readTable(table: string): Row[] {
  const lines = table.split("\n").filter((line) => line.startsWith("| PB"));
  return lines.map((line) => {
    const [id = "", , seeds = "", checker = "", , faults = "", operations = ""] = line
      .slice(1, -1)
      .split("|")
      .map((cell) => cell.trim());
    return { id, seeds, checker, faults, operations };
  });
}

function formatTable(rows: readonly Row[]): string {
  const found = rows.filter(({ seeds }) => seeds !== NOT_FOUND);
  const summary = [
    `${found.length} of ${rows.length} found`,
    `${found.filter(({ seeds }) => Number(seeds) <= 200).length} within 200 seeds`,
    `seeds to find at the median ${median(found.map(({ seeds }) => Number(seeds)))}`,
    `shrunk at the median to ${median(found.map(({ faults }) => Number(faults)))} faults`,
    `and ${median(found.map(({ operations }) => Number(operations)))} operations`,
  ].join(", ");
  return [
    "# What it takes to find each planted bug",
    "",
    "Written by `npm run sim -- --mutants --write`, and its rows by `npm run sim -- --mutant ID --write`.",
    "",
    "| bug | mistake | seeds to find | checker | kind of invariant | faults | operations |",
    "|---|---|---|---|---|---|---|",
    ...rows.map(formatRow),
    "",
    `${summary}.`,
    "",
  ].join("\n");
}

function formatRow({ id, seeds, checker, faults, operations }: Row): string {
  const { mistake = "", kind = "" } = MUTANTS.find((mutant) => mutant.id === id) ?? {};
  return `| ${id} | ${mistake} | ${seeds} | ${checker} | ${kind} | ${faults} | ${operations} |`;
}

function rowOf({ mutant: { id }, seedsTried, trial, shrunk }: Find): Row {
  return {
    id,
    seeds: seedsTried === null ? NOT_FOUND : String(seedsTried),
    checker: trial === null ? "" : `\`${trial.what}\``,
    faults: String(shrunk?.faults.length ?? ""),
    operations: String(shrunk?.operations.length ?? ""),
  };
}

const NOT_FOUND = "not found";

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
