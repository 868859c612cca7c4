/**
 * One visitor who has a token, beside strangers who want to keep him out: what his requests take him, whether his home's
 * tunnel stays, whether the operator is answered, and what memory it takes the server.
 */
import { mkdir } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { startChild } from "../demo/child.ts";
import { Cleanup } from "../demo/cleanup.ts";
import { startCulvert } from "./contender-culvert.ts";
import type { LoadResult, RequestLoad } from "./load.ts";
import type { Plan } from "./plan.ts";
import { peakMemoryBytes } from "./process-usage.ts";
import { freePort } from "./program.ts";
import { HOSTILE_KINDS, type HostileKind, type StrangersOrder, type StrangersResult } from "./strangers.ts";

/** What the visitor had beside some strangers. */
export type HostileLine = {
  readonly strangers: string;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** The longest that the operator's listener took for an answer. */
  readonly operatorMs: number;
  /** The most that was resident since the server's start. */
  readonly serverBytes: number;
  readonly fault: string | null;
};

/** Each kind by itself, and then all at once. */
const CASES: readonly (readonly HostileKind[])[] = [
  [],
  ...HOSTILE_KINDS.map((kind) => [kind]),
  HOSTILE_KINDS,
];

export async function measureHostile(
  plan: Plan,
  folder: string,
  cleanup: Cleanup,
  progress: (text: string) => void,
): Promise<HostileLine[]> {
  const lines: HostileLine[] = [];
  for (const kinds of CASES) {
    progress(`beside strangers: ${kinds.join(", ")}`);
    const own = new Cleanup();
    cleanup.add(() => own.run());
    lines.push(await measureBeside(plan, kinds, `${folder}-${lines.length}`, own));
    await own.run();
  }
  return lines;
}

async function measureBeside(
  { requestMs, strangers: count }: Plan,
  kinds: readonly HostileKind[],
  folder: string,
  own: Cleanup,
): Promise<HostileLine> {
  await mkdir(folder, { recursive: true });
  const origin = await startChild({
    name: "origin",
    file: "test/bench/origin.ts",
    readyPrefix: "listening on ",
  });
  own.add(() => origin.stop());
  const adminPort = await freePort();
  const running = await startCulvert("native", {
    originUrl: origin.readyText,
    folder,
    link: async (url) => url,
    adminPort,
  });
  own.add(() => running.stop());
  const generators = await Promise.all(["load", "strangers"].map(startGenerator));
  for (const generator of generators) own.add(() => generator.stop());
  const [load, strangers] = generators;
  if (load === undefined || strangers === undefined) throw new Error("a load generator is missing");
  const target = running.target("/small");
  const ask = async (durationMs: number): Promise<LoadResult> =>
    (await load.ask({
      kind: "requests",
      target,
      connections: VISITS,
      durationMs,
    } satisfies RequestLoad)) as LoadResult;

  await ask(WARM_UP_MS);
  const url = new URL(target.url).origin;
  await strangers.ask({ kind: "strangers", kinds, count, url } satisfies StrangersOrder);
  const operator = new Operator(adminPort);
  // The strangers' code is warm by then, and their connections are full.
  await delay(kinds.length === 0 ? 0 : SETTLE_MS);
  const visitor = await ask(STRANGE_TIMES * requestMs);
  const { longestMs, fault: operatorFault } = await operator.stop();
  const { fault } = (await strangers.ask({ kind: "stop" })) as StrangersResult;
  const server = running.processes.find(({ role }) => role === "server");
  return {
    strangers: kinds.length === 0 ? "nobody" : `${count} ${kinds.length === 1 ? kinds[0] : "of each"}`,
    perSecond: visitor.completed / visitor.seconds,
    p50Ms: visitor.p50Ms,
    p99Ms: visitor.p99Ms,
    operatorMs: longestMs,
    serverBytes: peakMemoryBytes(server?.pid ?? 0),
    fault: visitor.fault ?? fault ?? operatorFault,
  };
}

const VISITS = 4;
const WARM_UP_MS = 1_500;
const SETTLE_MS = 2_000;
/** So much longer than a load without them: some strangers are cut, and come back. */
const STRANGE_TIMES = 4;

function startGenerator(name: string) {
  return startChild({
    name: `generator of ${name}`,
    file: "test/bench/load-process.ts",
    readyPrefix: "ready",
    channel: true,
  });
}

/** Asks the operator's listener again and again, and whether the home's tunnel is the one it was. */
class Operator {
  readonly #url: string;
  readonly #done: Promise<void>;
  #stopped = false;
  #longestMs = 0;
  #fault: string | null = null;

  constructor(port: number) {
    this.#url = `http://127.0.0.1:${port}/status.json`;
    this.#done = this.#look();
  }

  async stop(): Promise<{ readonly longestMs: number; readonly fault: string | null }> {
    this.#stopped = true;
    await this.#done;
    return { longestMs: this.#longestMs, fault: this.#fault };
  }

  async #look(): Promise<void> {
    while (!this.#stopped && this.#fault === null) {
      const began = performance.now();
      try {
        const answer = await fetch(this.#url, { signal: AbortSignal.timeout(OPERATOR_MS_MAX) });
        const { tunnels, tunnelsAccepted, resumptions } = (await answer.json()) as Record<string, number>;
        if (tunnels !== 1 || tunnelsAccepted !== 1 || resumptions !== 0) this.#fault = "the tunnel was lost";
      } catch (error) {
        this.#fault = `the operator's listener: ${error instanceof Error ? error.message : String(error)}`;
      }
      this.#longestMs = Math.max(this.#longestMs, performance.now() - began);
      await delay(OPERATOR_EVERY_MS);
    }
  }
}

const OPERATOR_EVERY_MS = 100;
const OPERATOR_MS_MAX = 5_000;
