/**
 * A crowd of idle agents whose server is killed and started again: whether all come back, how long that takes them, how
 * many handshakes are given up or sent away on the way, what an idle tunnel costs, and how long the server's loop stands.
 */
import { join } from "node:path";
import { type Child, startChild } from "../demo/child.ts";
import type { Cleanup } from "../demo/cleanup.ts";
import { type Server, startServer } from "../demo/culvert.ts";
import type { LightAgentsAnswer, LightAgentsOrder } from "./light-agents.ts";
import type { Plan } from "./plan.ts";
import { freePort } from "./program.ts";
import type { ProbeAnswer, ProbeOrder } from "./server-probe.ts";
import { percentile } from "./statistics.ts";

/** One time in which all agents connect. */
export type ReturnLine = {
  readonly when: string;
  readonly agents: number;
  /** From the moment in which there was no server to each agent's tunnel. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly lastMs: number;
  /** How long of it nobody listened. */
  readonly absentMs: number;
  /** Handshakes that agents gave up, those that were sent away for a while, and all other tries in vain. */
  readonly givenUp: number;
  readonly sentAway: number;
  readonly otherTries: number;
  /** The longest that the server's loop stood. */
  readonly loopMs: number;
  /** Resident memory of a tunnel, after all garbage was collected. */
  readonly bytesPerTunnel: number;
  readonly fault: string | null;
};

/** `folder` is for the registry's file. */
export async function measureReturn(
  plan: Plan,
  folder: string,
  cleanup: Cleanup,
  progress: (text: string) => void,
): Promise<ReturnLine[]> {
  const crowds = await Promise.all(Array.from({ length: PROCESSES }, startAgents));
  for (const crowd of crowds) cleanup.add(() => crowd.stop());
  const order = (make: (number: number) => LightAgentsOrder): Promise<LightAgentsAnswer[]> =>
    Promise.all(crowds.map(async (crowd, index) => (await crowd.ask(make(index))) as LightAgentsAnswer));

  // By another server: what registering costs would be counted as the tunnels'.
  progress("crowd: registering clients");
  const database = `sqlite:${join(folder, "crowd.db")}`;
  const registrar = await startServer({ database });
  const { url: registrarUrl, accessToken } = registrar;
  const count = Math.ceil(plan.crowdAgents / PROCESSES);
  const registered = await order(() => ({ type: "prepare", url: registrarUrl, accessToken, count }));
  await registrar.child.stop();

  const port = await freePort();
  const start = async (): Promise<Server> => {
    const server = await startServer({
      database,
      port,
      args: ["--trusted-proxy", "127.0.0.1"],
      nodeFlags: ["--expose-gc", "--import", "./test/bench/server-probe.ts"],
      channel: true,
    });
    cleanup.add(() => server.child.stop());
    await probe(server, { type: "watch" });
    return server;
  };
  progress(`crowd: ${count * PROCESSES} agents come for the first time`);
  const first = await start();
  const empty = await probe(first, { type: "measure" });
  const beganMs = Date.now();
  const came = await order((number) => ({ type: "begin", url: first.url, number }));
  const full = await probe(first, { type: "measure" });

  progress("crowd: the server is killed and started again");
  const backs = order(() => ({ type: "watch" }));
  const killedMs = Date.now();
  process.kill(first.child.pid, "SIGKILL");
  await first.child.ended;
  const second = await start();
  const absentMs = Date.now() - killedMs;
  const back = await backs;
  const again = await probe(second, { type: "measure" });
  const fault = registered.find((answer) => answer.fault !== null)?.fault ?? null;
  const lines = [
    { when: "the first time", answers: came, sinceMs: beganMs, absentMs: 0, probed: full },
    { when: "after kill -9", answers: back, sinceMs: killedMs, absentMs, probed: again },
  ];
  return lines.map((line) => ({ ...lineOf(line, empty), fault: fault ?? faultOf(line.answers) }));
}

const PROCESSES = 2;

function startAgents(): Promise<Child> {
  return startChild({
    name: "light agents",
    file: "test/bench/light-agents.ts",
    readyPrefix: "ready",
    channel: true,
  });
}

async function probe({ child }: Server, order: ProbeOrder): Promise<ProbeAnswer> {
  return (await child.ask(order)) as ProbeAnswer;
}

type Coming = {
  readonly when: string;
  readonly answers: readonly LightAgentsAnswer[];
  readonly sinceMs: number;
  readonly absentMs: number;
  readonly probed: ProbeAnswer;
};

function lineOf({ when, answers, sinceMs, absentMs, probed }: Coming, empty: ProbeAnswer) {
  const times = answers.flatMap(({ backAtMs }) => backAtMs.map((ms) => ms - sinceMs));
  const sorted = Float64Array.from(times).sort();
  const tries = (isMeant: (cause: string) => boolean): number =>
    answers
      .flatMap(({ causes }) => Object.entries(causes))
      .reduce((sum, [cause, count]) => sum + (isMeant(cause) ? count : 0), 0);
  const givenUp = tries(isGivenUp);
  const sentAway = tries(isSentAway);
  return {
    when,
    agents: times.length,
    p50Ms: percentile(sorted, 0.5),
    p99Ms: percentile(sorted, 0.99),
    lastMs: sorted.at(-1) ?? 0,
    absentMs,
    givenUp,
    sentAway,
    otherTries: tries(() => true) - givenUp - sentAway,
    loopMs: probed.loopMs,
    bytesPerTunnel: (probed.rss - empty.rss) / times.length,
  };
}

/** In the words of `core/agent/life/`. */
function isGivenUp(cause: string): boolean {
  return cause.endsWith(" in time");
}

function isSentAway(cause: string): boolean {
  return cause.startsWith("the server refused the handshake with 503");
}

function faultOf(answers: readonly LightAgentsAnswer[]): string | null {
  return answers.find(({ fault }) => fault !== null)?.fault ?? null;
}
