/** Homes that are away, as clients see them that keep a password, and servers that begin before their agents are back. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, onTestFinished, test } from "vitest";
import { hashPassword } from "../../adapters/server/passwords.ts";
import { type OriginListener, startOrigin } from "../helpers/origin.ts";
import { kill, startServerProcess } from "../helpers/server-process.ts";
import { registerAt, startAgent, startServer, temporaryFolder, visitorsOf } from "../helpers/tunnel.ts";
import { ask, problemCode } from "../helpers/visitor.ts";

const PASSWORD = "canary-password-77";
const COMMIT = "1234567890123456789012345678901234567890";

/** A repository as a plain web server has it (`git update-server-info`). */
const repository: OriginListener = (request, response) => {
  if (request.url?.includes("/info/refs")) response.end(`${COMMIT}\trefs/heads/main\n`);
  else response.writeHead(404).end();
};

const served: OriginListener = (_request, response) => response.end("served");

/** git with a store of one saved password, and nobody who could type another one. */
function gitAt(port: number, password: string) {
  const store = join(temporaryFolder(), "credentials");
  const saved = `http://me:${password}@127.0.0.1%3a${port}\n`;
  writeFileSync(store, saved);
  return {
    saved,
    store: () => readFileSync(store, "utf8"),
    async list(): Promise<{ readonly code: unknown; readonly output: string }> {
      const settings = ["-c", "credential.helper=", "-c", `credential.helper=store --file=${store}`];
      const url = `http://127.0.0.1:${port}/t/home/music.git`;
      const child = spawn("git", [...settings, "ls-remote", url], {
        env: { ...process.env, GIT_TERMINAL_PROMPT: "0", GIT_CONFIG_NOSYSTEM: "1", no_proxy: "127.0.0.1" },
      });
      onTestFinished(() => {
        child.kill("SIGKILL");
      });
      let output = "";
      for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding("utf8").on("data", (text: string) => {
          output += text;
        });
      }
      const [code] = await once(child, "close");
      return { code, output };
    },
  };
}

/** As if all homes had been gone for a year. */
function longAgo(file: string): void {
  const database = new DatabaseSync(file);
  database.exec("UPDATE culvert_known_homes SET seen = datetime('now', '-1 year')");
  database.close();
}

describe("the password that git has saved", () => {
  async function started(password: string) {
    const file = join(temporaryFolder(), "culvert.db");
    const options = { database: `sqlite:${file}`, flags: ["--path-routing=on"], limits: { waitMs: 200 } };
    const server = await startServer(options);
    const origin = await startOrigin(repository);
    const stateFile = join(temporaryFolder(), "agent.json");
    const access = `--access=basic:me:${await hashPassword(PASSWORD)}`;
    const start = (at: { readonly url: string }) =>
      startAgent(at, origin.url, { protocol: "native", flags: [access], stateFile });
    const agent = await start(server);
    return { file, options, server, agent, start, git: gitAt(server.port, password) };
  }

  test("survives a home that is away, on a fresh server too", async () => {
    const { file, options, server, agent, start, git } = await started(PASSWORD);
    expect(await git.list()).toMatchObject({ code: 0, output: expect.stringContaining(COMMIT) });

    await agent.running.stop();
    // Git's first request shows nothing, and what is shown is as little worth.
    for (const headers of [{}, { authorization: `Basic ${btoa(`me:${PASSWORD}`)}` }]) {
      const answer = await ask(`${server.url}/t/home/music.git/info/refs`, { headers });
      expect([answer.status, answer.headers["retry-after"]]).toEqual([503, "5"]);
    }
    expect((await git.list()).output).toContain("503");
    expect(git.store()).toBe(git.saved);

    await server.running.stop();
    longAgo(file);
    const fresh = await startServer({ ...options, port: server.port });
    expect((await git.list()).output).toContain("503");
    expect(git.store()).toBe(git.saved);

    await start(fresh);
    expect(await git.list()).toMatchObject({ code: 0, output: expect.stringContaining(COMMIT) });
    expect(git.store()).toBe(git.saved);
  });

  test("is erased where the home is there and says that it is wrong", async () => {
    const { git } = await started("wrong");
    expect((await git.list()).code).not.toBe(0);
    expect(git.store()).toBe("");
  });
});

describe("a server that was killed and started again before its agents are back", () => {
  test("keeps requests by every way in until the home is there", async () => {
    const origin = await startOrigin(served);
    const file = join(temporaryFolder(), "culvert.db");
    const ways = ["--path-routing=on", "--domain=tunnel.test"];
    const first = await startServerProcess(file, 0, ways);
    const stateFile = join(temporaryFolder(), "agent.json");
    const agent = await startAgent(first, origin.url, { protocol: "native", stateFile });
    const clientToken = await registerAt(first.url, "home");
    await kill(first.child);
    // Nobody is there to be told, so that its row stays.
    await agent.running.stop();

    const second = await startServerProcess(file, first.port, ways);
    const authorization = `Bearer ${clientToken}`;
    const visits = [
      visitorsOf(second, "home", clientToken).ask("/a"),
      ask(`${second.url}/t/home/a`, { headers: { authorization } }),
      ask(`${second.url}/a`, { headers: { authorization, host: "home.tunnel.test" } }),
    ];
    // Answered when those before it are at the door.
    expect((await ask(`${second.url}/t/home/a`)).status).toBe(401);
    await startAgent(second, origin.url, { protocol: "native", stateFile });
    const answers = await Promise.all(visits);
    expect(answers.map(({ status, body }) => [status, body.toString()])).toEqual([
      [200, "served"],
      [200, "served"],
      [200, "served"],
    ]);
  });

  test("tells a public home from one that wants a token, and that from none only to who has one", async () => {
    const origin = await startOrigin(served);
    const file = join(temporaryFolder(), "culvert.db");
    const first = await startServerProcess(file, 0, ["--path-routing=on"]);
    const agents = [
      await startAgent(first, origin.url, {
        clientId: "open",
        protocol: "native",
        flags: ["--access=public"],
      }),
      await startAgent(first, origin.url, { clientId: "closed", protocol: "native" }),
    ];
    const clientToken = await registerAt(first.url, "closed");
    await kill(first.child);
    for (const agent of agents) await agent.running.stop();
    longAgo(file);
    // The rows of the killed one have lapsed as well.
    const database = new DatabaseSync(file);
    database.exec("DELETE FROM connections");
    database.close();

    const { url } = await startServerProcess(file, first.port, ["--path-routing=on"]);
    const see = async (clientId: string, headers = {}) => {
      const answer = await ask(`${url}/t/${clientId}/`, { headers });
      return [answer.status, problemCode(answer), answer.headers["www-authenticate"]];
    };
    const away = [503, "agent_not_connected", undefined];
    const refused = [401, "unauthorized", "Bearer"];
    expect(await see("open")).toEqual(away);
    expect(await see("open", { authorization: "Basic bWU6eA==" })).toEqual(away);
    expect(await see("closed", { authorization: `Bearer ${clientToken}` })).toEqual(away);
    for (const clientId of ["closed", "nobody"]) {
      expect(await see(clientId)).toEqual(refused);
      expect(await see(clientId, { authorization: "Bearer x" })).toEqual(refused);
    }
  });
});
