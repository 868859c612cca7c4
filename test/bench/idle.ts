/** What an idle tunnel costs the server in memory: a line through several counts of tunnels, after a full collection. */
import { join } from "node:path";
import { startChild } from "../demo/child.ts";
import type { Cleanup } from "../demo/cleanup.ts";
import { startServer } from "../demo/culvert.ts";
import type { IdleAnswer, IdleOrder } from "./idle-agents.ts";
import type { Plan } from "./plan.ts";
import type { ProbeAnswer, ProbeOrder } from "./server-probe.ts";

export type IdleResult = {
  /** Resident bytes of the server at each count of tunnels. */
  readonly points: readonly { readonly tunnels: number; readonly rss: number; readonly heapUsed: number }[];
  /** From the first point to the last. */
  readonly rssPerTunnel: number;
  readonly heapPerTunnel: number;
  readonly fault: string | null;
};

/** `folder` is for the registry's file. */
export async function measureIdle(
  plan: Plan,
  folder: string,
  cleanup: Cleanup,
  progress: (text: string) => void,
): Promise<IdleResult> {
  const agents = await startChild({
    name: "idle agents",
    file: "test/bench/idle-agents.ts",
    readyPrefix: "ready",
    channel: true,
  });
  cleanup.add(() => agents.stop());
  // Both channels are between files of this folder; these are the shapes that they carry.
  const order = async (order: IdleOrder): Promise<IdleAnswer> => (await agents.ask(order)) as IdleAnswer;

  // Registering costs several requests for each client. Another server does that, on the same registry: memory that the
  // measured one had used and freed before would be reused by the tunnels and hide what they need.
  progress("idle: registering clients");
  const database = `sqlite:${join(folder, "registry.db")}`;
  const registrar = await startServer({ database });
  const { url, accessToken } = registrar;
  await order({ type: "prepare", url, accessToken, count: WARM_UP_TUNNELS + plan.idleTunnels });
  await registrar.child.stop();

  const server = await startServer({
    database,
    nodeFlags: ["--expose-gc", "--import", "./test/bench/server-probe.ts"],
    channel: true,
  });
  cleanup.add(() => server.child.stop());
  const points: IdleResult["points"][number][] = [];
  let fault: string | null = null;
  // The first tunnels pay for code and tables that all others share, so they are open before the first point.
  for (const count of [WARM_UP_TUNNELS, plan.idleTunnels / 2, plan.idleTunnels / 2]) {
    progress(`idle: ${count} more tunnels`);
    const answer = await order({ type: "open", url: server.url, count });
    const { rss, heapUsed } = (await server.child.ask({
      type: "measure",
    } satisfies ProbeOrder)) as ProbeAnswer;
    fault ??= answer.fault;
    points.push({ tunnels: answer.open, rss, heapUsed });
  }
  const [first, last] = [points.at(0), points.at(-1)];
  if (first === undefined || last === undefined || last.tunnels <= first.tunnels) {
    return { points, rssPerTunnel: 0, heapPerTunnel: 0, fault: fault ?? "no idle tunnel stood" };
  }
  const tunnels = last.tunnels - first.tunnels;
  return {
    points,
    rssPerTunnel: (last.rss - first.rss) / tunnels,
    heapPerTunnel: (last.heapUsed - first.heapUsed) / tunnels,
    fault,
  };
}

const WARM_UP_TUNNELS = 100;
