/** What signals do to whole processes: which end one, how, and which do nothing at all. */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, onTestFinished, test } from "vitest";
import { portOf, startOrigin } from "../helpers/origin.ts";
import {
  isHealthy,
  type Program,
  startAgentProgram,
  startProgram,
  startServerProgram,
  untilTrue,
} from "../helpers/program.ts";
import { registerAt, startAgent, temporaryFolder, visitorsOf } from "../helpers/tunnel.ts";
import { open } from "../helpers/visitor.ts";

const STOPPING = ["SIGTERM", "SIGINT", "SIGHUP"] as const;

const HARMLESS = [
  "SIGUSR1",
  "SIGUSR2",
  "SIGQUIT",
  "SIGPIPE",
  "SIGALRM",
  "SIGVTALRM",
  "SIGPROF",
  "SIGIO",
  "SIGPWR",
  "SIGSTKFLT",
  "SIGXCPU",
  "SIGXFSZ",
] as const;

describe("a server", () => {
  test.each(STOPPING)("drains on %s and exits 0", async (signal) => {
    const server = await startServerProgram();
    server.signal(signal);
    expect(await server.ended).toBe(0);
    expect(server.output()).toContain('"msg":"draining"');
  });

  test.each([
    ["SIGHUP", "SIGHUP"],
    ["SIGHUP", "SIGTERM"],
    ["SIGINT", "SIGHUP"],
  ] as const)("lets what runs go on after %s, and leaves at once on %s with 1", async (first, second) => {
    const origin = await startOrigin((_request, response) => response.write("the beginning"));
    const server = await startServerProgram();
    await startAgent(server, origin.url);
    const clientToken = await registerAt(server.url, "home");
    const { target } = visitorsOf(server, "home", clientToken);
    const headers = { authorization: `Bearer ${clientToken}` };
    const response = await open(server.url + target("/endless"), { headers });
    response.on("error", () => {});
    server.signal(first);
    await untilTrue(() => server.output().includes('"msg":"draining"'), server);
    server.signal(second);
    expect(await server.ended).toBe(1);
  });

  test("takes no notice of any other signal that would end a program", async () => {
    const server = await startServerProgram();
    for (const signal of HARMLESS) {
      server.signal(signal);
      expect(await isHealthy(server), signal).toBe(true);
    }
    server.signal("SIGTERM");
    expect(await server.ended).toBe(0);
  });

  test("opens no debugger on SIGUSR1", async () => {
    // Another port than the default one, which somebody else may have.
    const server = await startServerProgram({ environment: { NODE_OPTIONS: "--inspect-port=0" } });
    for (let turn = 0; turn < 5; turn++) {
      server.signal("SIGUSR1");
      expect(await isHealthy(server)).toBe(true);
    }
    expect(listeners(server)).toBe(2);
    server.signal("SIGTERM");
    expect(await server.ended).toBe(0);
    expect(server.output()).not.toContain("Debugger");
  });

  test("closes the debugger that a SIGUSR1 opened before the program was loaded", async () => {
    const server = await startServerProgram({
      environment: { NODE_OPTIONS: "--inspect-port=0" },
      onStart: async (program) => {
        // Node has its own handler by then, and has hardly read a line of ours.
        await untilTrue(() => catchesUsr1(program), program);
        program.signal("SIGUSR1");
      },
    });
    await untilTrue(() => listeners(server) === 2, server);
    server.signal("SIGTERM");
    expect(await server.ended).toBe(0);
  });

  test("exits 0 on a signal while it waits for its database at the start", async () => {
    const database = createServer();
    const asked = new Promise((resolve) => database.once("connection", resolve));
    await new Promise<void>((resolve) => database.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void database.close());
    const server = startProgram([
      "serve",
      "--port=0",
      "--admin-port=0",
      `--database=mysql://a:b@127.0.0.1:${portOf(database)}/c`,
    ]);
    await asked;
    server.signal("SIGTERM");
    expect(await server.ended).toBe(0);
  });

  test("exits 0 while its database is locked, with a tunnel whose row it cannot delete", async () => {
    const file = join(temporaryFolder(), "culvert.db");
    const server = await startServerProgram({ database: `sqlite:${file}` });
    await startAgent(server, "http://127.0.0.1:1", { limits: { retryMs: 60_000, retryDownMs: 60_000 } });
    const other = new DatabaseSync(file);
    onTestFinished(() => other.close());
    other.exec("BEGIN IMMEDIATE");
    server.signal("SIGTERM");
    expect(await server.ended).toBe(0);
  });
});

test("a process ends as it should while one of its threads is in a call that never returns", async () => {
  // As a look-up is whose name server says nothing: nobody ever opens the other end.
  const pipe = join(temporaryFolder(), "pipe");
  execFileSync("mkfifo", [pipe]);
  const stuck = encodeURIComponent(`import { open } from "node:fs"; open("${pipe}", "r", () => {});`);
  const environment = { NODE_OPTIONS: `--import=data:text/javascript,${stuck}` };
  const server = await startServerProgram({ environment });
  server.signal("SIGTERM");
  expect(await server.ended).toBe(0);
  expect(server.output()).toContain('"msg":"draining"');
  expect(await startProgram(["sevre"], { environment }).ended).toBe(1);
});

describe("an agent", () => {
  test.each(STOPPING)(
    "drains on %s and exits 0, after all those that it takes no notice of",
    async (signal) => {
      const origin = await startOrigin((_request, response) => response.end("served"));
      const server = await startServerProgram();
      const agent = await startAgentProgram(server, origin.url, {
        environment: { NODE_OPTIONS: "--inspect-port=0" },
      });
      for (const harmless of HARMLESS) {
        agent.signal(harmless);
        expect((await agent.visit("/song")).body.toString(), harmless).toBe("served");
      }
      expect(listeners(agent)).toBe(0);
      agent.signal(signal);
      expect(await agent.ended).toBe(0);
      expect(agent.output()).not.toContain("Debugger");
    },
  );
});

/** How many sockets of the process listen (proc_pid_net(5)). */
function listeners({ pid }: Program): number {
  const lines = ["tcp", "tcp6"].flatMap((name) =>
    readFileSync(`/proc/${pid}/net/${name}`, "utf8").split("\n"),
  );
  const listening = new Set(
    lines
      .map((line) => line.trim().split(/\s+/))
      .filter(isListening)
      .map(inodeOf),
  );
  return readdirSync(`/proc/${pid}/fd`).filter((fd) => listening.has(targetOf(`/proc/${pid}/fd/${fd}`)))
    .length;
}

function isListening([, , , state]: readonly string[]): boolean {
  return state === "0A";
}

function inodeOf(columns: readonly string[]): string {
  return `socket:[${columns[9]}]`;
}

/** Empty for a descriptor that was closed meanwhile. */
function targetOf(link: string): string {
  try {
    return readlinkSync(link);
  } catch {
    return "";
  }
}

/** Whether the process has a handler for SIGUSR1, which is number 10, whoever installed it (proc_pid_status(5)). */
function catchesUsr1({ pid }: Program): boolean {
  const [, mask = "0"] = /^SigCgt:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return ((BigInt(`0x${mask}`) >> 9n) & 1n) === 1n;
}
