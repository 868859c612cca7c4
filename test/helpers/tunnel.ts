/**
 * The product as it runs, server and agent, inside the test's process and over real sockets on free ports of 127.0.0.1.
 * Whatever a test starts here ends with it.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { type RunningAgent, startAgent as runAgent } from "../../adapters/agent/agent.ts";
import { createLogger } from "../../adapters/operator/log.ts";
import { type RunningServer, startServer as runServer } from "../../adapters/server/server.ts";
import type { PeerConfig } from "../../adapters/settings/peer.ts";
import { readServeConfig } from "../../adapters/settings/settings.ts";
import { StartupError } from "../../adapters/startup-error.ts";
import type { AgentLimits, ServerLimits } from "../../core/limits.ts";
import { clientTokenIn, query, registerClient, signatureToken } from "../demo/culvert.ts";
import { type Origin, type OriginListener, startOrigin } from "./origin.ts";
import { readAgentConfig } from "./settings.ts";
import { type Answer, type AskOptions, ask } from "./visitor.ts";
import { Watch } from "./watch.ts";

/** The operator's token of every server here; no output may ever show it. */
export const ACCESS_TOKEN = "canary-access-5d1f";

/** What a test left running is not waited for at its end. */
const DRAIN_MS = 100;

export type ServerOptions = {
  readonly limits?: Partial<ServerLimits>;
  /** As in `--database`. */
  readonly database?: string;
  /** 0 takes any free port. */
  readonly port?: number;
  /** Further flags, such as `--domain=tunnel.test`. */
  readonly flags?: readonly string[];
  /** The way to other nodes. */
  readonly peer?: PeerConfig;
};

export type Server = {
  readonly port: number;
  readonly adminPort: number;
  /** Such as `http://127.0.0.1:41234`. */
  readonly url: string;
  readonly log: Log;
  readonly running: RunningServer;
  /** A new client token: with one that the test or an agent of it has, else with the operator's token. */
  register(clientId: string): Promise<string>;
  /** A new signature token. */
  sign(clientId: string, clientToken: string): Promise<string>;
  /** What the status page shows: sizes, counters, outcomes. */
  status(): Promise<Status>;
};

export async function startServer(options: ServerOptions = {}): Promise<Server> {
  const flags = {
    port: options.port ?? 0,
    bind: "127.0.0.1",
    "admin-port": 0,
    database: options.database ?? "sqlite::memory:",
  };
  const config = readServeConfig(
    [...Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`), ...(options.flags ?? [])],
    {},
  );
  const log = new Log();
  const limits = { ...config.limits, drainMs: DRAIN_MS, ...options.limits };
  const running = await runServer(
    {
      ...config,
      limits,
      accessToken: ACCESS_TOKEN,
      ...(options.peer === undefined ? {} : { peer: options.peer }),
    },
    createLogger("debug", log),
  );
  // A bug ends the server, and must fail the test wherever that waits.
  running.ended.catch((error: unknown) => log.fail(error));
  onTestFinished(() => running.stop());
  const { port } = running.address;
  const url = `http://127.0.0.1:${port}`;
  return {
    port,
    adminPort: running.adminPort ?? 0,
    url,
    log,
    running,
    register: (clientId) => registerAt(url, clientId),
    sign: (clientId, clientToken) => signatureToken(url, clientId, clientToken),
    status: async () => {
      const answer = await ask(`http://127.0.0.1:${running.adminPort}/status.json`);
      return JSON.parse(answer.body.toString());
    },
  };
}

export type Status = {
  readonly tunnels: number;
  readonly visitorSockets: number;
  readonly exchanges: number;
  readonly sessions: number;
  readonly waiting: number;
  readonly heldBytes: number;
  readonly bytesOut: number;
  readonly sessionBytes: number;
  readonly outcomes: Readonly<Record<string, number>>;
  readonly strayPackets: number;
  readonly duplicatePackets: number;
  readonly abortsSent: number;
  readonly agentProtocolErrors: number;
  readonly tunnelPauses: number;
  readonly exchangesOpened: number;
  readonly tunnelsAccepted: number;
  readonly resumptions: number;
  readonly hopsSent: number;
  readonly hopsAstray: number;
  readonly hopsTaken: number;
};

/** What the two ends speak. */
export type Protocol = "moosicbox" | "native";

export type AgentOptions = {
  readonly clientId?: string;
  /** MoosicBox's protocol by default. */
  readonly protocol?: Protocol;
  /** Further flags, such as `--access=public`. */
  readonly flags?: readonly string[];
  readonly limits?: Partial<AgentLimits>;
  /** The operator's by default; null where the state file has a client token. */
  readonly accessToken?: string | null;
  /** A folder of its own by default. */
  readonly stateFile?: string;
};

export type Agent = { readonly clientId: string; readonly log: Log; readonly running: RunningAgent };

/** By client id: where the agents of the running test keep their tokens. */
const agentFiles = new Map<string, string>();

/** The client tokens that `registerAt` got, by server and client id. */
const registered = new Map<string, string>();

/** As `register` of the server at that URL. */
export async function registerAt(url: string, clientId: string): Promise<string> {
  const file = agentFiles.get(clientId);
  const key = `${url} ${clientId}`;
  const own = file === undefined ? registered.get(key) : clientTokenIn(file);
  const token = await registerClient({ url, accessToken: own ?? ACCESS_TOKEN }, clientId);
  registered.set(key, token);
  onTestFinished(() => {
    registered.delete(key);
  });
  return token;
}

/** An agent that holds its tunnel. */
export async function startAgent(
  server: Pick<Server, "url">,
  origin: string,
  options: AgentOptions = {},
): Promise<Agent> {
  const clientId = options.clientId ?? "home";
  const { accessToken = ACCESS_TOKEN } = options;
  const flags = {
    server: server.url,
    to: origin,
    "client-id": clientId,
    ...(accessToken === null ? {} : { "access-token": accessToken }),
    protocol: options.protocol ?? "moosicbox",
  };
  const config = readAgentConfig(
    [...Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`), ...(options.flags ?? [])],
    {},
  );
  const log = new Log();
  const limits = { ...config.limits, drainMs: DRAIN_MS, ...options.limits };
  const stateFile = options.stateFile ?? join(temporaryFolder(), "agent.json");
  agentFiles.set(clientId, stateFile);
  onTestFinished(() => {
    agentFiles.delete(clientId);
  });
  const running = runAgent({ ...config, limits, stateFile }, createLogger("debug", log));
  running.ended.catch((error: unknown) => log.fail(error));
  // One that gave up tells the test so by `ended`.
  onTestFinished(() => running.stop().catch(throwUnlessStartup));
  if (!(await running.connected)) await running.ended;
  return { clientId, log, running };
}

function throwUnlessStartup(error: unknown): void {
  if (!(error instanceof StartupError)) throw error;
}

export type TunnelOptions = {
  readonly server?: ServerOptions;
  readonly agent?: AgentOptions;
};

/** A server with one home: an agent, its origin and a token. */
export type Tunnel = {
  readonly server: Server;
  readonly agent: Agent;
  readonly origin: Origin;
  readonly clientId: string;
  readonly clientToken: string;
  /** A target of the home, such as `/songs?clientId=home`. */
  target(path: string): string;
  /** One request with the home's token, on a connection of its own. */
  ask(path: string, options?: AskOptions): Promise<Answer>;
};

export async function startTunnel(listener: OriginListener, options: TunnelOptions = {}): Promise<Tunnel> {
  const origin = await startOrigin(listener);
  const server = await startServer(options.server);
  const agent = await startAgent(server, origin.url, options.agent);
  const clientToken = await server.register(agent.clientId);
  return { server, agent, origin, clientToken, ...visitorsOf(server, agent.clientId, clientToken) };
}

/** How visitors reach one home of a server. */
export function visitorsOf(
  server: Pick<Server, "url">,
  clientId: string,
  clientToken: string,
): Pick<Tunnel, "clientId" | "target" | "ask"> {
  const target = (path: string) => `${path}${path.includes("?") ? "&" : "?"}${query({ clientId })}`;
  return {
    clientId,
    target,
    ask: (path, { headers = {}, ...rest } = {}) =>
      ask(server.url + target(path), {
        ...rest,
        headers: { authorization: `Bearer ${clientToken}`, ...headers },
      }),
  };
}

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "culvert-e2e-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export type LogLine = Readonly<Record<string, unknown>> & { readonly msg: string };

/** The lines of a log as they are written. */
export class Log {
  readonly #watch = new Watch();
  #failure: { readonly error: unknown } | null = null;
  text = "";
  lines: LogLine[] = [];

  write(line: string): void {
    this.text += line;
    this.lines.push(JSON.parse(line));
    this.#watch.changed();
  }

  /** Lets go of the lines so far, for a test that weighs memory. */
  forget(): void {
    this.text = "";
    this.lines = [];
  }

  fail(error: unknown): void {
    this.#failure = { error };
    this.#watch.changed();
  }

  /** The first line with that message and those fields, whether it was written or is still to be. */
  line(message: string, fields: Readonly<Record<string, unknown>> = {}): Promise<LogLine> {
    return this.#watch.until(() => {
      if (this.#failure !== null) throw this.#failure.error;
      return this.lines.find((line) => line.msg === message && has(line, fields));
    });
  }

  /** Until that many lines with that message were written. */
  async count(message: string, count: number): Promise<void> {
    await this.#watch.until(() => {
      if (this.#failure !== null) throw this.#failure.error;
      return this.lines.filter((line) => line.msg === message).length >= count;
    });
  }
}

function has(line: LogLine, fields: Readonly<Record<string, unknown>>): boolean {
  return Object.entries(fields).every(([name, value]) => line[name] === value);
}
