/** Several processes behind one port: each is a node, and whoever visits need not know. */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { registerClient } from "../demo/culvert.ts";
import { type OriginListener, startOrigin } from "../helpers/origin.ts";
import {
  freePorts,
  type Program,
  type ServerProgram,
  startProgram,
  startServerProgram,
  untilTrue,
} from "../helpers/program.ts";
import { ACCESS_TOKEN, temporaryFolder, visitorsOf } from "../helpers/tunnel.ts";
import { ask } from "../helpers/visitor.ts";

const WORKERS = 2;

type Machine = ServerProgram & {
  /** Where the workers' sockets are. */
  readonly temporary: string;
  readonly database: string;
};

type Row = { readonly worker: number; readonly pid: number; readonly status: { readonly tunnels: number } };

async function startMachine(flags: readonly string[] = []): Promise<Machine> {
  const temporary = temporaryFolder();
  const database = `sqlite:${join(temporaryFolder(), "culvert.db")}`;
  const server = await startServerProgram({
    database,
    flags: [`--workers=${WORKERS}`, ...flags],
    environment: { TMPDIR: temporary },
  });
  const machine = { ...server, temporary, database };
  await untilTrue(() => server.output().includes("admin listener ready"), server);
  return machine;
}

async function rowsOf({ adminUrl }: Machine): Promise<readonly Row[]> {
  const { workers } = JSON.parse((await ask(`${adminUrl}/status.json`)).body.toString());
  return workers;
}

/** One that is whole again has as many workers as before, and each answers. */
async function untilWhole(machine: Machine): Promise<readonly Row[]> {
  let rows: readonly Row[] = [];
  await untilTrue(async () => {
    rows = await rowsOf(machine);
    return rows.length === WORKERS && rows.every(({ status }) => status !== null);
  }, machine);
  return rows;
}

type Home = { visit(path?: string): Promise<number>; readonly agent: Program };

async function startHome(machine: Machine, id: string, origin: string): Promise<Home> {
  const token = await registerClient({ url: machine.url, accessToken: ACCESS_TOKEN }, id);
  const visitors = visitorsOf(machine, id, token);
  const agent = startProgram([
    ...["agent", "--server", machine.url, "--to", origin, "--client-id", id],
    ...["--state", join(temporaryFolder(), "agent.json"), "--log-level=debug"],
  ]);
  const visit = async (path = "/") => (await visitors.ask(path)).status ?? 0;
  const home = { visit, agent };
  // A worker that was asked for it before it was there goes by that for 2 seconds.
  await untilTrue(async () => (await visits(home, 20)).join() === "200", agent);
  return home;
}

/** Homes until each worker has one, with the process that each is at. */
async function startHomeAtEach(
  machine: Machine,
  origin: string,
): Promise<(Home & { readonly pid: number })[]> {
  const homes = new Map<number, Home & { readonly pid: number }>();
  let before = new Map<number, number>();
  // By chance each home is at any worker.
  for (let index = 0; homes.size < WORKERS; index++) {
    if (index > 40) throw new Error("all homes come to one worker");
    const home = await startHome(machine, `home-${index}`, origin);
    const rows = await untilWhole(machine);
    const at = rows.find(({ pid, status }) => status.tunnels > (before.get(pid) ?? 0));
    before = new Map(rows.map(({ pid, status }) => [pid, status.tunnels]));
    if (at !== undefined && !homes.has(at.pid)) homes.set(at.pid, { ...home, pid: at.pid });
  }
  return [...homes.values()];
}

const serve: OriginListener = (_, response) => void response.end("served");

/** Each visit is a connection of its own, which comes to any worker. */
async function visits(home: Home, count: number): Promise<readonly number[]> {
  return [...new Set(await Promise.all(Array.from({ length: count }, () => home.visit())))];
}

function metric(text: string, name: string): number {
  return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]);
}

async function metricsOf({ adminUrl }: Machine): Promise<string> {
  return (await ask(`${adminUrl}/metrics`)).body.toString();
}

function isAlive(pid: number): boolean {
  return existsSync(`/proc/${pid}`) && !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
}

test("a home is reached by whoever comes to any worker, and the machine tells of all of them", async () => {
  const origin = await startOrigin(serve);
  const machine = await startMachine();
  const homes = await startHomeAtEach(machine, origin.url);
  const before = metric(await metricsOf(machine), 'culvert_exchanges_ended_total\\{outcome="completed"\\}');
  for (const home of homes) expect(await visits(home, 40)).toEqual([200]);
  const text = await metricsOf(machine);
  const rows = await untilWhole(machine);
  expect(metric(text, "culvert_tunnels")).toBe(rows.reduce((sum, { status }) => sum + status.tunnels, 0));
  expect(metric(text, "culvert_hops_sent_total")).toBeGreaterThan(0);
  expect(metric(text, "culvert_hops_taken_total")).toBe(metric(text, "culvert_hops_sent_total"));
  const after = metric(text, 'culvert_exchanges_ended_total\\{outcome="completed"\\}');
  // What goes by two workers ends at both.
  expect(after - before).toBeGreaterThanOrEqual(40 * homes.length);
  expect(metric(text, "culvert_registry_up")).toBe(1);
  expect((await ask(`${machine.adminUrl}/ready`)).status).toBe(200);
});

test("nobody but the server's user finds the sockets, no process list shows a secret, and nothing is left", async () => {
  const machine = await startMachine();
  const [folder = "", ...others] = readdirSync(machine.temporary).filter((name) => name.includes("workers"));
  expect(others).toEqual([]);
  const path = join(machine.temporary, folder);
  expect(statSync(path).mode & 0o777).toBe(0o700);
  expect(readdirSync(path)).toHaveLength(WORKERS);
  const rows = await untilWhole(machine);
  for (const { pid } of rows) {
    const line = execFileSync("ps", ["-o", "args=", "-p", String(pid)], { encoding: "utf8" });
    expect(line.trim()).toMatch(/program\.cjs worker$/);
    const environment = readFileSync(`/proc/${pid}/environ`, "utf8");
    expect(environment).not.toMatch(/CLUSTER_SECRET/);
  }
  machine.signal("SIGTERM");
  expect(await machine.ended).toBe(0);
  expect(existsSync(path)).toBe(false);
  expect(rows.map(({ pid }) => isAlive(pid))).toEqual(rows.map(() => false));
});

test("a worker that is killed is replaced, its homes are back, and homes of others notice nothing", async () => {
  const origin = await startOrigin(serve);
  const machine = await startMachine();
  const homes = await startHomeAtEach(machine, origin.url);
  for (const home of homes) await visits(home, 20);
  const completed = 'culvert_exchanges_ended_total\\{outcome="completed"\\}';
  const counted = metric(await metricsOf(machine), completed);
  const [killed, other] = homes;
  if (killed === undefined || other === undefined) throw new Error("there are no two homes");
  process.kill(killed.pid, "SIGKILL");
  await untilTrue(() => machine.output().includes('"signal":"SIGKILL"'), machine);
  const rows = await untilWhole(machine);
  expect(rows.map(({ pid }) => pid)).not.toContain(killed.pid);
  expect(rows.map(({ pid }) => pid)).toContain(other.pid);
  expect(await visits(other, 40)).toEqual([200]);
  await untilTrue(async () => (await killed.visit()) === 200, killed.agent);
  expect(await visits(killed, 40)).toEqual([200]);
  expect(metric(await metricsOf(machine), completed)).toBeGreaterThanOrEqual(counted + 80);
});

test("on SIGTERM what runs is answered at every worker, and then all are gone", async () => {
  const held: (() => void)[] = [];
  const origin = await startOrigin((request, response) => {
    if (!request.url?.startsWith("/slow")) return void response.end("served");
    held.push(() => response.end("late"));
  });
  const machine = await startMachine();
  const homes = await startHomeAtEach(machine, origin.url);
  const slow = homes.flatMap((home) => Array.from({ length: 5 }, () => home.visit("/slow")));
  await untilTrue(() => held.length === slow.length, machine);
  machine.signal("SIGTERM");
  await untilTrue(() => machine.output().split('"msg":"draining"').length > WORKERS, machine);
  expect((await ask(`${machine.adminUrl}/ready`)).status).toBe(503);
  for (const home of homes) expect(await home.visit()).toBe(200);
  for (const answer of held) answer();
  expect([...new Set(await Promise.all(slow))]).toEqual([200]);
  expect(await machine.ended).toBe(0);
});

test("workers end with a primary that is killed, and leave no socket", async () => {
  const machine = await startMachine();
  const rows = await untilWhole(machine);
  machine.signal("SIGKILL");
  await machine.ended;
  await expect.poll(() => rows.some(({ pid }) => isAlive(pid))).toBe(false);
  expect(readdirSync(machine.temporary).filter((name) => name.includes("workers"))).toEqual([]);
});

test("a port that somebody has is said once, and by the exit code", async () => {
  const [port, adminPort] = await freePorts();
  const taken = createServer().listen(port, "127.0.0.1");
  try {
    const program = startProgram([
      ...["serve", "--workers=2", "--bind=127.0.0.1", `--port=${port}`, `--admin-port=${adminPort}`],
      `--database=sqlite:${join(temporaryFolder(), "culvert.db")}`,
    ]);
    expect(await program.ended).toBe(1);
    expect(program.output()).toMatch(/^culvert: cannot listen for visitors and agents: .*EADDRINUSE.*\n$/);
  } finally {
    taken.close();
  }
});

test("is no command that a person calls", async () => {
  const program = startProgram(["worker"]);
  expect(await program.ended).toBe(1);
  expect(program.output()).toContain("is what culvert serve --workers starts");
});
