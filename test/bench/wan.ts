/**
 * What a home's slow line makes of small requests beside a download, and of the download: for each contender the same line, and
 * a server, a proxy or a visitor on the other side of it. In turns within each round.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type Child, startChild } from "../demo/child.ts";
import { Cleanup } from "../demo/cleanup.ts";
import type { Contender, Running } from "./contenders.ts";
import type { DownloadLoad, LoadResult, RequestLoad } from "./load.ts";
import type { PacedLoad, PacedResult } from "./paced-load.ts";
import type { Plan } from "./plan.ts";
import { median } from "./statistics.ts";
import { startWan, type WanLine } from "./wan-network.ts";

/** Medians of the rounds. */
export type WanResult = {
  readonly line: string;
  readonly contender: string;
  /** Small requests beside a download. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** One download by itself, bytes of body per second. */
  readonly perSecond: number;
  readonly fault: string | null;
};

const KIB = 1024;

/** A home's line with a router's usual queue, and a slow one. */
export const WAN_LINES: readonly WanLine[] = [
  { name: "20 Mbit/s, 15 ms each way", bitsPerMs: 20_000, delayMs: 15, queueBytes: 73 * KIB },
  { name: "2 Mbit/s, 40 ms each way", bitsPerMs: 2_000, delayMs: 40, queueBytes: 73 * KIB },
];

export const WAN_CONNECTIONS = 4;

/** Some seconds of each, so that TCP's ups and downs are in it. */
const REQUESTS_MS = 8_000;
const DOWNLOAD_MS = 8_000;
/** What the load before has left in the queue is gone after this. */
const SETTLE_MS = 1_500;

export async function measureWan(
  plan: Plan,
  chosen: readonly Contender[],
  folder: string,
  cleanup: Cleanup,
  progress: (text: string) => void,
): Promise<WanResult[]> {
  const results: WanResult[] = [];
  for (const [index, line] of WAN_LINES.entries()) {
    const own = new Cleanup();
    cleanup.add(() => own.run());
    results.push(...(await measureLine(plan, line, chosen, join(folder, String(index)), own, progress)));
    await own.run();
  }
  return results;
}

async function measureLine(
  plan: Plan,
  line: WanLine,
  chosen: readonly Contender[],
  folder: string,
  own: Cleanup,
  progress: (text: string) => void,
): Promise<WanResult[]> {
  const wan = await startWan(line, own);
  const origin = await startChild({
    name: "origin",
    file: "test/bench/origin.ts",
    args: [wan.homeAddress],
    readyPrefix: "listening on ",
    namespace: wan.home,
  });
  own.add(() => origin.stop());
  const generators = { load: await startGenerator(own), neighbour: await startGenerator(own) };
  const series: { contender: Contender; running: Running; samples: Sample[] }[] = [];
  for (const [index, contender] of chosen.entries()) {
    const place = join(folder, String(index));
    await mkdir(place, { recursive: true });
    const running = await contender.start({
      originUrl: origin.readyText,
      folder: place,
      link: async (url) => url,
      wan,
    });
    own.add(() => running.stop());
    series.push({ contender, running, samples: [] });
  }
  for (let round = 1; round <= plan.rounds.wan; round++) {
    for (const { contender, running, samples } of series) {
      progress(`round ${round} of ${plan.rounds.wan}: ${line.name}, ${contender.name}`);
      samples.push(await measure(line, running, generators));
    }
  }
  return series.map(({ contender, samples }) => ({
    line: line.name,
    contender: contender.name,
    p50Ms: median(samples.map((sample) => sample.p50Ms)),
    p99Ms: median(samples.map((sample) => sample.p99Ms)),
    perSecond: median(samples.map((sample) => sample.perSecond)),
    fault: samples.find(({ fault }) => fault !== null)?.fault ?? null,
  }));
}

type Sample = Pick<WanResult, "p50Ms" | "p99Ms" | "perSecond" | "fault">;

async function measure(
  { bitsPerMs }: WanLine,
  running: Running,
  { load, neighbour }: { readonly load: Child; readonly neighbour: Child },
): Promise<Sample> {
  const bytes = Math.round((bitsPerMs / 8) * DOWNLOAD_MS);
  await delay(SETTLE_MS);
  const download = (await load.ask({
    kind: "downloads",
    target: running.target(`/bulk?bytes=${bytes}`),
    connections: 1,
    bytes,
  } satisfies DownloadLoad)) as LoadResult;
  await neighbour.ask({
    kind: "paced",
    target: running.target(`/bulk?bytes=${bytes * 100}`),
    bytesPerSecond: null,
  } satisfies PacedLoad);
  const small = (await load.ask({
    kind: "requests",
    target: running.target("/small"),
    connections: WAN_CONNECTIONS,
    durationMs: REQUESTS_MS,
  } satisfies RequestLoad)) as LoadResult;
  const { bytesPerSecond } = (await neighbour.ask({ kind: "stop" })) as PacedResult;
  return {
    p50Ms: small.p50Ms,
    p99Ms: small.p99Ms,
    perSecond: download.bodyBytes / download.seconds,
    fault:
      download.fault ?? small.fault ?? (bytesPerSecond > 0 ? null : "the download beside them stood still"),
  };
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
