/**
 * `npm run bench`: the direct origin, proxies and tunnels under the same loads, in turns, each in processes of its own.
 * What is not ours is measured where it is installed. `--quick` for a first look, `--only SECTION` for one part,
 * `--contenders NAME,NAME` for some, `--json FILE` for the numbers. Exits 1 where a load failed.
 */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Child, startChild } from "../demo/child.ts";
import { Cleanup } from "../demo/cleanup.ts";
import { type Contender, contenders, type Place, unmeasured } from "./contenders.ts";
import { measureHostile } from "./hostile.ts";
import { measureIdle } from "./idle.ts";
import { measureLeaving } from "./leaving.ts";
import { measureNeighbours } from "./neighbours.ts";
import { DISTANCE_MS, isLoadSection, type LoadSection, type Plan, planOf, SECTIONS } from "./plan.ts";
import { measureReturn } from "./returning.ts";
import { runRounds, type Starting } from "./rounds.ts";
import { faultsOf, renderSummary, type Summary } from "./summary.ts";
import { measureWan } from "./wan.ts";
import { wanMissing } from "./wan-network.ts";

const cleanup = new Cleanup();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => void end(130));
try {
  const options = readOptions();
  const summary = await run(options);
  clearProgress();
  console.log(`\n${renderSummary(summary)}\n`);
  const faults = faultsOf(summary);
  for (const fault of faults) console.error(`bench: ${fault}`);
  if (options.jsonFile !== undefined) await writeFile(options.jsonFile, toJson(options.plan, summary));
  await end(faults.length === 0 ? 0 : 1);
} catch (error) {
  clearProgress();
  // While everything is being taken down, what is under way fails, and nobody wants to know.
  if (!cleanup.started) console.error(`bench: ${error instanceof Error ? error.message : String(error)}`);
  await end(1);
}

type Options = {
  readonly plan: Plan;
  readonly chosen: readonly Contender[];
  readonly jsonFile: string | undefined;
};

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      quick: { type: "boolean", default: false },
      only: { type: "string" },
      contenders: { type: "string" },
      json: { type: "string" },
    },
  });
  const only = SECTIONS.find((section) => section === values.only) ?? null;
  if (only === null && values.only !== undefined) {
    throw new Error(`--only takes one of ${SECTIONS.join(", ")}, not ${values.only}`);
  }
  const names = values.contenders?.split(",") ?? contenders.map(({ name }) => name);
  const chosen = names.map((name) => {
    const found = contenders.find((contender) => contender.name === name);
    if (found === undefined) throw new Error(`--contenders knows no ${name}`);
    return found;
  });
  return { plan: planOf({ quick: values.quick, only }), chosen, jsonFile: values.json };
}

async function run({ plan, chosen }: Options): Promise<Summary> {
  const folder = await mkdtemp(join(tmpdir(), "culvert-bench-"));
  cleanup.add(() => rm(folder, { recursive: true, force: true }));
  const present = chosen.filter((contender) => contender.missing() === null);
  const absent = chosen.flatMap((contender) => {
    const why = contender.missing();
    return why === null ? [] : [`${contender.name}: ${why}`];
  });
  const hasNoWan = plan.sections.includes("wan") ? wanMissing() : null;
  const missing = [...absent, ...unmeasured, ...(hasNoWan === null ? [] : [`wan: ${hasNoWan}`])];
  const loads = plan.sections.filter(isLoadSection);
  const near = await runContenders(plan, present, {
    sections: loads.filter((section) => section !== "distance"),
    folder: join(folder, "near"),
    link: async (url) => url,
  });
  const far = await runContenders(plan, present, {
    sections: loads.filter((section) => section === "distance"),
    folder: join(folder, "far"),
    link: startRelay,
  });
  const behindLine = present.filter(({ hasWan }) => hasWan === true);
  const wan =
    plan.sections.includes("wan") && hasNoWan === null
      ? await measureWan(plan, behindLine, join(folder, "wan"), cleanup, progress)
      : null;
  const neighbours = plan.sections.includes("neighbours")
    ? await measureNeighbours(plan, join(folder, "neighbours"), startRelay, cleanup, progress)
    : null;
  const hostile = plan.sections.includes("hostile")
    ? await measureHostile(plan, join(folder, "hostile"), cleanup, progress)
    : null;
  const leaving = plan.sections.includes("leaving")
    ? await measureLeaving(plan, join(folder, "leaving"), cleanup, progress)
    : null;
  const idle = plan.sections.includes("idle") ? await measureIdle(plan, folder, cleanup, progress) : null;
  const crowd = plan.sections.includes("crowd") ? await measureReturn(plan, folder, cleanup, progress) : null;
  return {
    lines: [...near.lines, ...far.lines],
    memories: [...near.memories, ...far.memories],
    missing,
    wan,
    neighbours,
    hostile,
    leaving,
    idle,
    crowd,
  };
}

/** Starts every contender, measures them in turns, and ends them. */
async function runContenders(
  plan: Plan,
  present: readonly Contender[],
  options: {
    readonly sections: readonly LoadSection[];
    readonly folder: string;
    readonly link: Place["link"];
  },
): Promise<Pick<Summary, "lines" | "memories">> {
  const { sections, folder, link } = options;
  if (sections.length === 0) return { lines: [], memories: [] };
  const own = new Cleanup();
  cleanup.add(() => own.run());
  const origin = await startChild({
    name: "origin",
    file: "test/bench/origin.ts",
    readyPrefix: "listening on ",
  });
  own.add(() => origin.stop());
  const generators = { load: await startGenerator(own), neighbour: await startGenerator(own) };
  const entries: Starting[] = [];
  for (const [index, contender] of present.entries()) {
    progress(`starting: ${contender.name}`);
    const place = { originUrl: origin.readyText, folder: join(folder, String(index)), link };
    await mkdir(place.folder, { recursive: true });
    const running = await contender.start(place);
    own.add(() => running.stop());
    entries.push({ contender, running });
  }
  const result = await runRounds(plan, sections, entries, generators, progress);
  await own.run();
  return result;
}

async function startGenerator(own: Cleanup): Promise<Child> {
  const generator = await startChild({
    name: "load generator",
    file: "test/bench/load-process.ts",
    readyPrefix: "ready",
    channel: true,
  });
  own.add(() => generator.stop());
  return generator;
}

async function startRelay(url: string): Promise<string> {
  const relay = await startChild({
    name: "relay",
    file: "test/bench/relay-process.ts",
    args: [new URL(url).port, String(DISTANCE_MS)],
    readyPrefix: "listening on ",
  });
  cleanup.add(() => relay.stop());
  return relay.readyText;
}

function toJson(plan: Plan, summary: Summary): string {
  const machine = {
    node: process.version,
    platform: process.platform,
    arch: process.arch,
    cpus: cpus().length,
  };
  return `${JSON.stringify({ machine, plan, ...summary }, null, 2)}\n`;
}

/** One line that is written over on a terminal; elsewhere nothing, so that a log holds only results. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
}

function clearProgress(): void {
  progress("");
}

/** The first call decides the exit code; the others wait for the same end. */
async function end(exitCode: number): Promise<never> {
  if (!cleanup.started) process.exitCode = exitCode;
  await cleanup.run();
  process.exit();
}
