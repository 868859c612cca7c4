/**
 * Seeds whose hashes are kept in a file. A change that alters what the machines or the world do shows there, and is
 * confirmed on purpose: `npm run sim -- --golden` writes the file anew. Since the file is the same for everybody, it
 * also shows what depends on a process, a machine or a version of Node.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { type Mixture, mixtureOf, scenarioOf } from "../drawing/swarm.ts";
import type { Trial } from "../record/outcome.ts";
import { formatSeed, parseSeed, type Seed } from "../tools/random.ts";
import { execute } from "./trial.ts";

export type Golden = { readonly seed: string; readonly mixture: Mixture; readonly hash: string };

export const GOLDEN_FILE = new URL("../golden.json", import.meta.url);

/** How many seeds of each mixture are kept. */
const COUNTS: Readonly<Record<Mixture, number>> = { none: 4, one: 4, everything: 4, swarm: 12, restarts: 4 };

export function readGolden(file: URL = GOLDEN_FILE): Golden[] {
  return JSON.parse(readFileSync(file, "utf8"));
}

/** Runs all golden seeds and writes down how they end; returns those whose hash has changed. */
export function refreshGolden(file: URL = GOLDEN_FILE): Golden[] {
  const before = new Map(readGolden(file).map(({ seed, hash }) => [seed, hash]));
  const golden = chooseSeeds().map((seed): Golden => {
    const { trial } = execute(scenarioOf(seed));
    return { seed: formatSeed(seed), mixture: mixtureOf(seed), hash: trial.hash };
  });
  writeFileSync(file, `[\n${golden.map((entry) => `  ${line(entry)}`).join(",\n")}\n]\n`);
  return golden.filter(({ seed, hash }) => before.get(seed) !== hash);
}

/** Runs one golden seed: what it came to, with another hash than the file's as a failure of its own. */
export function tryGolden({ seed, hash }: Golden): Trial {
  const parsed = parseSeed(seed);
  if (parsed === null) throw new RangeError(`${seed} is no seed`);
  const { trial } = execute(scenarioOf(parsed));
  if (trial.verdict !== "passed" || trial.hash === hash) return trial;
  return {
    ...trial,
    verdict: "nondeterminism",
    what: "golden",
    message: `seed ${seed} ends with hash ${trial.hash} and not with ${hash}: what it does has changed. If that was meant: npm run sim -- --golden`,
  };
}

/** The first seeds of each mixture. */
function chooseSeeds(): Seed[] {
  const left = { ...COUNTS };
  const chosen: Seed[] = [];
  for (let low = 1; Object.values(left).some((count) => count > 0); low++) {
    const seed = { high: 0, low };
    const mixture = mixtureOf(seed);
    if (left[mixture] === 0) continue;
    left[mixture]--;
    chosen.push(seed);
  }
  return chosen;
}

/** As the formatter writes it. */
function line({ seed, mixture, hash }: Golden): string {
  return `{ "seed": "${seed}", "mixture": "${mixture}", "hash": "${hash}" }`;
}
