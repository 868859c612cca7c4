/** A server and agents put together as the commands do it, inside this process. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type RunningAgent, startAgent } from "../../adapters/agent/agent.ts";
import { createLogger } from "../../adapters/operator/log.ts";
import { type RunningServer, startServer } from "../../adapters/server/server.ts";
import { readServeConfig } from "../../adapters/settings/settings.ts";
import { StartupError } from "../../adapters/startup-error.ts";
import { readAgentConfig } from "../helpers/settings.ts";

const ACCESS_TOKEN = "canary-access-5d1f";
const silent = createLogger("error", { write: () => {} });

let folder: string;
let stateFile: string;
let servers: RunningServer[];
let agents: RunningAgent[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "culvert-composition-"));
  stateFile = join(folder, "agent.json");
  servers = [];
  agents = [];
});

afterEach(async () => {
  await Promise.allSettled(agents.map((agent) => agent.stop()));
  await Promise.allSettled(servers.map((server) => server.stop()));
  rmSync(folder, { recursive: true });
});

async function serve(flags: readonly string[] = []): Promise<RunningServer> {
  const local = [
    "--port=0",
    "--bind=127.0.0.1",
    "--admin-port=0",
    `--database=sqlite:${join(folder, "x.db")}`,
  ];
  const config = readServeConfig([...local, ...flags], {});
  const server = await startServer({ ...config, accessToken: ACCESS_TOKEN }, silent);
  servers.push(server);
  return server;
}

function runAgent(server: RunningServer, flags: readonly string[] = [], logger = silent): RunningAgent {
  const config = readAgentConfig([`--server=${urlOf(server)}`, "--to=http://127.0.0.1:1", ...flags], {});
  const agent = startAgent({ ...config, stateFile }, logger);
  // What a test does not look at must not end the process.
  agent.ended.catch(() => {});
  agents.push(agent);
  return agent;
}

function urlOf({ address }: RunningServer): string {
  return `http://127.0.0.1:${address.port}`;
}

function state(): { clientId: string; clientToken: string | null } {
  return JSON.parse(readFileSync(stateFile, "utf8"));
}

describe("an agent", () => {
  test("makes a client id, registers it once, and is the same one at the next start", async () => {
    const server = await serve();
    const first = runAgent(server, [`--access-token=${ACCESS_TOKEN}`]);
    expect(await first.connected).toBe(true);
    expect(first.clientId).toMatch(/^home-/);
    const kept = state();
    await first.stop();

    const second = runAgent(server);
    expect(await second.connected).toBe(true);
    expect(second.clientId).toBe(first.clientId);
    expect(state()).toEqual(kept);
  });

  test("does not use the token of another client id", async () => {
    const server = await serve();
    const first = runAgent(server, [`--access-token=${ACCESS_TOKEN}`]);
    await first.connected;
    await first.stop();
    await expect(runAgent(server, ["--client-id=other"]).ended).rejects.toThrow(StartupError);
  });

  test("keeps the token of the client id that the state file had before, and says where", async () => {
    const server = await serve();
    const first = runAgent(server, [`--access-token=${ACCESS_TOKEN}`]);
    await first.connected;
    await first.stop();
    const kept = state();
    const lines: string[] = [];
    const logger = createLogger("warn", { write: (line) => lines.push(line) });
    const other = runAgent(server, ["--client-id=other", `--access-token=${ACCESS_TOKEN}`], logger);
    expect(await other.connected).toBe(true);
    expect(state().clientId).toBe("other");
    expect(JSON.parse(readFileSync(`${stateFile}.previous`, "utf8"))).toEqual(kept);
    expect(lines.join("")).toContain(`${stateFile}.previous`);
    expect(lines.join("")).not.toContain(kept.clientToken);
  });

  test("needs no state file where it is given its client token, and registers nothing", async () => {
    const server = await serve();
    const first = runAgent(server, [`--access-token=${ACCESS_TOKEN}`]);
    await first.connected;
    await first.stop();
    const { clientId, clientToken } = state();
    stateFile = join(folder, "x.db", "agent.json");
    const given = [`--client-id=${clientId}`, `--access-token=${ACCESS_TOKEN}`];
    const second = runAgent(server, [...given, `--client-token=${clientToken}`]);
    expect(await second.connected).toBe(true);
    await second.stop();
    await expect(runAgent(server, [...given, "--client-token=wrong"]).ended).rejects.toThrow(StartupError);
    expect(() => runAgent(server, [`--client-token=${clientToken}`])).toThrow(/--client-id/);
  });

  test("does not show its token to another server", async () => {
    const server = await serve();
    const first = runAgent(server, [`--access-token=${ACCESS_TOKEN}`]);
    await first.connected;
    await first.stop();
    writeFileSync(stateFile, JSON.stringify({ ...state(), server: "https://other.example.org/" }));
    await expect(runAgent(server).ended).rejects.toThrow(StartupError);
  });

  test("says nothing of the headers and passwords that it was given (A14)", async () => {
    const lines: string[] = [];
    const logger = createLogger("debug", { write: (line) => lines.push(line) });
    const server = await serve();
    const secrets = [
      "--header=Authorization: canary-header-77",
      `--access=basic:me:${"c0ffee".repeat(10)}cafe`,
    ];
    const agent = runAgent(
      server,
      [`--access-token=${ACCESS_TOKEN}`, "--tls-skip-verify=on", ...secrets],
      logger,
    );
    expect(await agent.connected).toBe(true);
    await agent.stop();
    expect(lines.join("")).toContain("not verified");
    expect(lines.join("")).not.toMatch(/canary|c0ffee/);
  });

  test("is not started with a state file that it could not keep its token in", async () => {
    const server = await serve();
    stateFile = join(folder, "x.db", "agent.json");
    expect(() => runAgent(server)).toThrow(StartupError);
  });
});

describe("a server", () => {
  test("is gone with all its listeners when it has stopped", async () => {
    const server = await serve();
    const admin = `http://127.0.0.1:${server.adminPort}`;
    expect((await fetch(`${admin}/ready`)).status).toBe(200);
    await server.stop();
    await expect(fetch(`${admin}/health`)).rejects.toThrow();
    await expect(fetch(`${urlOf(server)}/health`)).rejects.toThrow();
  });

  test("knows its agents again after a restart on the same database", async () => {
    const first = await serve();
    const agent = runAgent(first, [`--access-token=${ACCESS_TOKEN}`]);
    await agent.connected;
    await agent.stop();
    await first.stop();
    const second = await serve();
    writeFileSync(stateFile, JSON.stringify({ ...state(), server: `${urlOf(second)}/` }));
    expect(await runAgent(second).connected).toBe(true);
  });
});
