/**
 * One download and then one upload over a distance, beside visitors who do nothing: what is idle, or not read, must cost
 * nobody else his speed, nor the two processes their memory. Each crowd has a server and an agent of its own, because a
 * peak of memory is never forgotten.
 *
 * A download that nobody reads fills the kernel's buffers first, 4 MiB of a visitor on this machine and 2 MiB of an origin.
 * Where these come to what the kernel has for all connections (`tcp_mem`), every connection of the machine stands nearly
 * still, and the line says so: what it measures then is the kernel.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { startChild } from "../demo/child.ts";
import { Cleanup } from "../demo/cleanup.ts";
import { culvertNative } from "./contender-culvert.ts";
import type { Place, Running } from "./contenders.ts";
import type { CrowdOrder, CrowdResult } from "./crowd.ts";
import type { DownloadLoad, LoadResult } from "./load.ts";
import type { Plan } from "./plan.ts";
import { cpuSeconds, isKernelStarved, peakMemoryBytes } from "./process-usage.ts";
import type { UploadLoad } from "./upload.ts";

/** One crowd, and what one visitor had beside it. */
export type NeighbourLine = {
  readonly crowd: string;
  /** Bytes of body per second. */
  readonly download: number;
  readonly upload: number;
  /** Peaks of resident bytes. */
  readonly serverBytes: number;
  readonly agentBytes: number;
  /** The kernel's memory for connections was spent beside this crowd. */
  readonly isStarved: boolean;
  readonly fault: string | null;
};

type Crowd = Pick<CrowdOrder, "visitors" | "count"> & { readonly path: string };

const CROWDS: readonly Crowd[] = [
  { visitors: "event streams", count: 0, path: "/events" },
  { visitors: "event streams", count: 60, path: "/events" },
  { visitors: "event streams", count: 70, path: "/events" },
  { visitors: "event streams", count: 500, path: "/events" },
  { visitors: "WebSockets", count: 500, path: "/socket" },
  { visitors: "unread downloads", count: 100, path: `/bulk?bytes=${2 ** 36}` },
  { visitors: "unread downloads", count: 900, path: `/bulk?bytes=${2 ** 36}` },
];

export async function measureNeighbours(
  plan: Plan,
  folder: string,
  link: Place["link"],
  cleanup: Cleanup,
  progress: (text: string) => void,
): Promise<NeighbourLine[]> {
  const lines: NeighbourLine[] = [];
  for (const crowd of CROWDS) {
    progress(`beside ${crowd.count} ${crowd.visitors}`);
    const own = new Cleanup();
    cleanup.add(() => own.run());
    const place = join(folder, String(lines.length));
    await mkdir(place, { recursive: true });
    lines.push(await measureBeside(plan, crowd, place, link, own));
    await own.run();
  }
  return lines;
}

async function measureBeside(
  plan: Plan,
  { visitors, count, path }: Crowd,
  folder: string,
  link: Place["link"],
  own: Cleanup,
): Promise<NeighbourLine> {
  const origin = await startChild({
    name: "origin",
    file: "test/bench/origin.ts",
    readyPrefix: "listening on ",
  });
  own.add(() => origin.stop());
  const running = await culvertNative.start({ originUrl: origin.readyText, folder, link });
  own.add(() => running.stop());
  const generator = () =>
    startChild({
      name: "load generator",
      file: "test/bench/load-process.ts",
      readyPrefix: "ready",
      channel: true,
    });
  const load = await generator();
  own.add(() => load.stop());
  const neighbours = await generator();
  own.add(() => neighbours.stop());

  await neighbours.ask({ kind: "crowd", visitors, count, target: running.target(path) } satisfies CrowdOrder);
  await settle(running);
  const bytes = plan.downloadBytes;
  const download = (await load.ask({
    kind: "downloads",
    target: running.target(`/bulk?bytes=${bytes}`),
    connections: 1,
    bytes,
  } satisfies DownloadLoad)) as LoadResult;
  const isStarved = isKernelStarved();
  const upload = (await load.ask({
    kind: "upload",
    target: running.target("/upload"),
    bytes,
  } satisfies UploadLoad)) as LoadResult;
  const { fault } = (await neighbours.ask({ kind: "stop" })) as CrowdResult;
  return {
    crowd: count === 0 ? "nobody" : `${count} ${visitors}`,
    download: download.bodyBytes / download.seconds,
    upload: upload.bodyBytes / upload.seconds,
    serverBytes: peakOf(running, "server"),
    agentBytes: peakOf(running, "agent"),
    isStarved,
    fault: fault ?? download.fault ?? upload.fault,
  };
}

/** Until server and agent have nothing to do: the buffers on the way are full. */
async function settle(running: Running): Promise<void> {
  const used = () => running.processes.reduce((sum, { pid }) => sum + cpuSeconds(pid), 0);
  for (let waitedMs = 0; waitedMs < SETTLE_MS_MAX; waitedMs += SETTLE_STEP_MS) {
    const before = used();
    await delay(SETTLE_STEP_MS);
    if (used() - before < SETTLED_SECONDS) return;
  }
}

const SETTLE_MS_MAX = 60_000;
const SETTLE_STEP_MS = 2_000;
const SETTLED_SECONDS = 0.08;

function peakOf(running: Running, role: string): number {
  const found = running.processes.find((each) => each.role === role);
  if (found === undefined) throw new Error(`there is no ${role}`);
  return peakMemoryBytes(found.pid);
}
