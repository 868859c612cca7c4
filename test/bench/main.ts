/**
 * `npm run bench`: the direct origin, a plain proxy and the tunnel under the same loads, in turns, each in processes of its
 * own. `--quick` for a first look, `--only small|bulk|idle` for one part, `--json FILE` for the numbers. Exits 1 where a
 * load failed.
 */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { startChild } from "../demo/child.ts";
import { Cleanup } from "../demo/cleanup.ts";
import { contenders } from "./contenders.ts";
import { measureIdle } from "./idle.ts";
import { type Plan, planOf, type Section } from "./plan.ts";
import { runRounds, type Starting } from "./rounds.ts";
import { faultsOf, renderSummary, type Summary } from "./summary.ts";

const cleanup = new Cleanup();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => void end(130));
try {
  const { plan, jsonFile } = readOptions();
  const summary = await run(plan);
  clearProgress();
  console.log(`\n${renderSummary(summary)}\n`);
  const faults = faultsOf(summary);
  for (const fault of faults) console.error(`bench: ${fault}`);
  if (jsonFile !== undefined) await writeFile(jsonFile, toJson(plan, summary));
  await end(faults.length === 0 ? 0 : 1);
} catch (error) {
  clearProgress();
  // While everything is being taken down, what is under way fails, and nobody wants to know.
  if (!cleanup.started) console.error(`bench: ${error instanceof Error ? error.message : String(error)}`);
  await end(1);
}

function readOptions(): { readonly plan: Plan; readonly jsonFile: string | undefined } {
  const { values } = parseArgs({
    options: {
      quick: { type: "boolean", default: false },
      only: { type: "string" },
      json: { type: "string" },
    },
  });
  const only = values.only ?? null;
  if (only !== null && !isSection(only)) throw new Error(`--only takes small, bulk or idle, not ${only}`);
  return { plan: planOf({ quick: values.quick, only }), jsonFile: values.json };
}

function isSection(text: string): text is Section {
  return text === "small" || text === "bulk" || text === "idle";
}

async function run(plan: Plan): Promise<Summary> {
  const rounds = plan.sections.some((section) => section !== "idle");
  const folder = await mkdtemp(join(tmpdir(), "culvert-bench-"));
  cleanup.add(() => rm(folder, { recursive: true, force: true }));
  const { lines, memories } = rounds ? await runAllContenders(plan, folder) : { lines: [], memories: [] };
  const idle = plan.sections.includes("idle") ? await measureIdle(plan, folder, cleanup, progress) : null;
  return { lines, memories, idle };
}

async function runAllContenders(plan: Plan, folder: string): Promise<Pick<Summary, "lines" | "memories">> {
  const origin = await startChild({
    name: "origin",
    file: "test/bench/origin.ts",
    readyPrefix: "listening on ",
  });
  cleanup.add(() => origin.stop());
  const load = await startChild({
    name: "load generator",
    file: "test/bench/load-process.ts",
    readyPrefix: "ready",
    channel: true,
  });
  cleanup.add(() => load.stop());
  const entries: Starting[] = [];
  for (const contender of contenders) {
    progress(`starting: ${contender.name}`);
    const own = join(folder, contender.name);
    await mkdir(own);
    const running = await contender.start(origin.readyText, own);
    cleanup.add(() => running.stop());
    entries.push({ contender, running });
  }
  return runRounds(plan, entries, load, progress);
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
