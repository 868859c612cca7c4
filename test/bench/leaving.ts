/**
 * A storm of visitors who leave in the middle of what they asked for: what is left of them at both ends a moment later, what
 * memory they took, and what the next visitor has of the speed that there was before.
 */
import { mkdir } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { startChild } from "../demo/child.ts";
import type { Cleanup } from "../demo/cleanup.ts";
import { startCulvert } from "./contender-culvert.ts";
import type { LeaversOrder, LeaversResult } from "./leavers.ts";
import type { DownloadLoad, LoadResult } from "./load.ts";
import type { Plan } from "./plan.ts";
import { connectionsTo, peakMemoryBytes } from "./process-usage.ts";
import { freePort } from "./program.ts";
import type { UploadLoad } from "./upload.ts";

export type LeavingResult = {
  /** How many came and left. */
  readonly visits: number;
  /** A moment later: exchanges of the server, and connections of the agent to its service, the kept ones included. */
  readonly exchanges: number;
  readonly originConnections: number;
  /** Peaks of resident bytes. */
  readonly serverBytes: number;
  readonly agentBytes: number;
  /** Bytes of body per second. */
  readonly before: Speeds;
  readonly after: Speeds;
  readonly fault: string | null;
};

type Speeds = { readonly download: number; readonly upload: number };

export async function measureLeaving(
  plan: Plan,
  folder: string,
  cleanup: Cleanup,
  progress: (text: string) => void,
): Promise<LeavingResult> {
  await mkdir(folder, { recursive: true });
  const origin = await startChild({
    name: "origin",
    file: "test/bench/origin.ts",
    readyPrefix: "listening on ",
  });
  cleanup.add(() => origin.stop());
  const adminPort = await freePort();
  const originUrl = origin.readyText;
  const running = await startCulvert("native", { originUrl, folder, link: async (url) => url, adminPort });
  cleanup.add(() => running.stop());
  const load = await startChild({
    name: "load generator",
    file: "test/bench/load-process.ts",
    readyPrefix: "ready",
    channel: true,
  });
  cleanup.add(() => load.stop());
  const bytes = plan.downloadBytes;
  const faults: (string | null)[] = [];
  const ask = async (order: DownloadLoad | UploadLoad): Promise<number> => {
    const { bodyBytes, seconds, fault } = (await load.ask(order)) as LoadResult;
    faults.push(fault);
    return bodyBytes / seconds;
  };
  const speeds = async (): Promise<Speeds> => ({
    download: await ask({
      kind: "downloads",
      target: running.target(`/bulk?bytes=${bytes}`),
      connections: 1,
      bytes,
    }),
    upload: await ask({ kind: "upload", target: running.target("/upload"), bytes }),
  });

  progress("before any visitor leaves");
  // The first time brings the code into its compiled form.
  await speeds();
  const before = await speeds();
  progress("while visitors leave");
  const { visits, fault } = (await load.ask({
    kind: "leavers",
    download: running.target(`/bulk?bytes=${2 ** 36}`),
    upload: running.target("/upload"),
    unread: running.target("/unread"),
    lanes: LANES,
    visitsMax: VISITS_MAX,
    durationMs: 20 * plan.requestMs,
  } satisfies LeaversOrder)) as LeaversResult;
  await delay(LATER_MS);
  const status = await fetch(`http://127.0.0.1:${adminPort}/status.json`);
  const { exchanges } = (await status.json()) as { readonly exchanges: number };
  const pidOf = (role: string): number => running.processes.find((each) => each.role === role)?.pid ?? 0;
  const originConnections = connectionsTo(pidOf("agent"), Number(new URL(originUrl).port));
  progress("after they have left");
  const after = await speeds();
  return {
    visits,
    exchanges,
    originConnections,
    serverBytes: peakMemoryBytes(pidOf("server")),
    agentBytes: peakMemoryBytes(pidOf("agent")),
    before,
    after,
    fault: fault ?? faults.find((each) => each !== null) ?? null,
  };
}

const LANES = 24;
const VISITS_MAX = 12_000;
const LATER_MS = 3_000;
