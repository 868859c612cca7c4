/** The program as a supervisor has it: a process of its own, with any outputs, of which only its ports and its end are seen. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { createServer } from "node:net";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { WebSocket } from "ws";
import { registerClient } from "../demo/culvert.ts";
import { ACCESS_TOKEN, temporaryFolder, visitorsOf } from "./tunnel.ts";
import { type Answer, ask, open } from "./visitor.ts";

const ROOT = join(import.meta.dirname, "../..");
/** What is shipped. */
export const MAIN = join(ROOT, "dist/program.cjs");

/** A file descriptor, or a pipe that is read and kept in `output`. */
export type Sink = number | "pipe";

export type ProgramOptions = {
  /** How it is called; by default what was built, on the Node that runs the tests. */
  readonly command?: readonly string[];
  readonly stdout?: Sink;
  readonly stderr?: Sink;
  /** None by default. */
  readonly stdin?: "pipe";
  /** Undefined takes one away that every program here gets. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Runs it by this shell script, as its arguments: `exec "$@" >&-`. */
  readonly script?: string;
};

export type Program = {
  readonly pid: number;
  /** Its exit code; null after a signal. */
  readonly ended: Promise<number | null>;
  /** What came through pipes so far. */
  output(): string;
  signal(name: NodeJS.Signals): void;
  /** What a person does at its terminal. */
  type(keys: string): void;
};

/** Kills what is left of it when the test is over. */
export function startProgram(args: readonly string[], options: ProgramOptions = {}): Program {
  const line = [...(options.command ?? [process.execPath, MAIN]), ...args];
  const [file = "", ...rest] = options.script ? ["bash", "-c", options.script, "bash", ...line] : line;
  const child = spawn(file, rest, {
    cwd: ROOT,
    env: {
      PATH: process.env.PATH ?? "",
      HOME: temporaryFolder(),
      TUNNEL_ACCESS_TOKEN: ACCESS_TOKEN,
      ...options.environment,
    },
    stdio: [options.stdin ?? "ignore", options.stdout ?? "pipe", options.stderr ?? "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  // Not "close": what it started may hold its outputs for longer.
  const ended = once(child, "exit").then(([code]) => code);
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  return {
    pid: child.pid ?? 0,
    ended,
    output: () => output,
    signal: (name) => child.kill(name),
    type: (keys) => child.stdin?.write(keys),
  };
}

export type ServerProgram = Program & { readonly url: string; readonly adminUrl: string };

/** A server that answers by now, found by its port and not by what it prints. */
export async function startServerProgram(
  options: ProgramOptions & {
    readonly database?: string;
    readonly flags?: readonly string[];
    /** Called before it can answer. */
    readonly onStart?: (program: Program) => Promise<void>;
  } = {},
): Promise<ServerProgram> {
  const [port, adminPort] = await freePorts();
  const program = startProgram(
    [
      "serve",
      "--bind=127.0.0.1",
      `--port=${port}`,
      `--admin-port=${adminPort}`,
      `--database=${options.database ?? "sqlite::memory:"}`,
      ...(options.flags ?? []),
    ],
    options,
  );
  await options.onStart?.(program);
  const server = { ...program, url: `http://127.0.0.1:${port}`, adminUrl: `http://127.0.0.1:${adminPort}` };
  await untilTrue(() => isHealthy(server), program);
  return server;
}

export type AgentProgram = Program & {
  /** What a visitor of its home gets. */
  visit(path: string): Promise<Answer>;
  /** The same up to the response's head. */
  openVisit(path: string): Promise<IncomingMessage>;
  /** A WebSocket with its service. */
  openSocket(path: string): WebSocket;
};

/** An agent whose home can be visited by now. */
export async function startAgentProgram(
  server: Pick<ServerProgram, "url">,
  origin: string,
  options: ProgramOptions & { readonly flags?: readonly string[]; readonly stateFile?: string } = {},
): Promise<AgentProgram> {
  const clientToken = await registerClient({ url: server.url, accessToken: ACCESS_TOKEN }, "home");
  const visitors = visitorsOf(server, "home", clientToken);
  const state = options.stateFile ?? join(temporaryFolder(), "agent.json");
  const program = startProgram(
    [
      ...["agent", "--server", server.url, "--to", origin, "--client-id", "home"],
      ...["--state", state],
      ...(options.flags ?? ["--log-level", "debug"]),
    ],
    options,
  );
  await untilTrue(async () => (await visitors.ask("/")).status !== 424, program);
  return {
    ...program,
    visit: (path) => visitors.ask(path),
    openVisit: (path) =>
      open(server.url + visitors.target(path), { headers: { authorization: `Bearer ${clientToken}` } }),
    openSocket: (path) =>
      new WebSocket(server.url.replace("http", "ws") + visitors.target(path), {
        headers: { authorization: `Bearer ${clientToken}` },
      }),
  };
}

/** Two ports that were free a moment ago. */
export async function freePorts(): Promise<[number, number]> {
  const servers = [createServer(), createServer()];
  const ports = await Promise.all(
    servers.map(async (server) => {
      await once(server.listen(0, "127.0.0.1"), "listening");
      const address = server.address();
      return typeof address === "object" && address !== null ? address.port : 0;
    }),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return [ports[0] ?? 0, ports[1] ?? 0];
}

export async function isHealthy({
  url,
  adminUrl,
}: Pick<ServerProgram, "url" | "adminUrl">): Promise<boolean> {
  const answers = await Promise.allSettled([ask(`${url}/health`), ask(`${adminUrl}/health`)]);
  return answers.every((answer) => answer.status === "fulfilled" && answer.value.status === 200);
}

/** Looks again and again; rejects where the process ends before. */
export async function untilTrue(look: () => boolean | Promise<boolean>, program: Program): Promise<void> {
  let hasEnded = false;
  void program.ended.then(() => {
    hasEnded = true;
  });
  while (!(await look())) {
    if (hasEnded) throw new Error(`it ended with ${await program.ended}: ${program.output()}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
