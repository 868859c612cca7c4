/** SIGHUP to processes that have a configuration file: what they read again, and what they make of it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { startOrigin } from "../helpers/origin.ts";
import {
  MAIN,
  type Program,
  type ServerProgram,
  startProgram,
  startServerProgram,
  untilTrue,
} from "../helpers/program.ts";
import { ACCESS_TOKEN, registerAt, startAgent, temporaryFolder } from "../helpers/tunnel.ts";
import { ask, open } from "../helpers/visitor.ts";

const READ = '"msg":"settings read again"';

let file: string;

beforeEach(() => {
  file = join(temporaryFolder(), "culvert.yaml");
});

function write(...lines: readonly string[]): void {
  writeFileSync(file, lines.join("\n"), { mode: 0o600 });
}

/** Those of the log that were written since. */
function linesOf(program: Program): readonly Record<string, unknown>[] {
  const lines = program.output().split("\n");
  return lines.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
}

/** Has the file read again, and waits until the log has so many lines with that text in all. */
async function reload(program: Program, text: string, times = 1): Promise<void> {
  program.signal("SIGHUP");
  await untilTrue(() => program.output().split(text).length > times, program);
}

describe("a server with a configuration file", () => {
  async function readerOf(server: ServerProgram): Promise<string | undefined> {
    const headers = { origin: "https://b.example.org" };
    return (await ask(`${server.url}/health`, { headers })).headers["access-control-allow-origin"];
  }

  test("takes over what it can on SIGHUP, says what needs a restart, and goes on", async () => {
    write("cors-origin: https://a.example.org", "domain: one.example.org", "limit: {tunnelsMax: 5}");
    const server = await startServerProgram({ flags: ["--config", file] });
    expect(await readerOf(server)).toBeUndefined();
    write(
      "cors-origin: https://b.example.org",
      "trusted-proxy: 127.0.0.1",
      "domain: two.example.org",
      "database: sqlite:./other.db",
      "log-format: text",
      "limit: {tunnelsMax: 6, graceMs: 1}",
    );
    await reload(server, READ);
    expect(await readerOf(server)).toBe("https://b.example.org");
    const lines = linesOf(server);
    expect(lines.find(({ msg }) => msg === "settings read again")).toMatchObject({
      changed: ["cors-origin", "trusted-proxy", "limit tunnelsMax"],
      needRestart: ["domain", "limit graceMs"],
    });
    // The database is said by a flag as well, which wins.
    expect(lines.find(({ msg }) => msg === "settings that only a restart takes over")).toMatchObject({
      needRestart: ["log-format"],
    });
    server.signal("SIGTERM");
    expect(await server.ended).toBe(0);
  });

  test("takes over names of homes, which lead there from then on", async () => {
    write("cors-origin: https://a.example.org");
    const server = await startServerProgram({ flags: ["--config", file] });
    const origin = await startOrigin((request, response) =>
      response.end(`${request.headers["x-forwarded-host"]}`),
    );
    const clientToken = await registerAt(server.url, "home");
    const flags = ["--hostname=photos.example.org"];
    const own = { protocol: "native", flags, stateFile: join(temporaryFolder(), "agent.json") } as const;
    const { log, running } = await startAgent(server, origin.url, own);
    const { next } = await log.line("the name is not this home's", { hostname: "photos.example.org" });
    expect(next).toContain("--hostname photos.example.org=home");
    const headers = { host: "photos.example.org", authorization: `Bearer ${clientToken}` };
    const visit = () => ask(`${server.url}/health`, { headers });
    expect((await visit()).body.toString()).toContain("healthy");
    write("cors-origin: https://a.example.org", "hostname: {photos.example.org: home}");
    await reload(server, '"changed":["hostname"]');
    expect((await visit()).body.toString()).toBe("photos.example.org");
    // The next welcome tells the agent, whose operator sees no warning from then on.
    await running.stop();
    const { log: later } = await startAgent(server, origin.url, { ...own, accessToken: null });
    await later.line("visitors find the home", { host: "photos.example.org" });
    expect(later.text).not.toContain("not this home's");
  });

  test("keeps all settings as they are where one of them cannot be used", async () => {
    write("cors-origin: https://a.example.org");
    const server = await startServerProgram({ flags: ["--config", file] });
    write("cors-origin: https://b.example.org", "trusted-proxy: here");
    await reload(server, "the settings stay as they are");
    expect(server.output()).toContain(`the settings stay as they are: ${file} line 2: trusted-proxy must be`);
    expect(await readerOf(server)).toBeUndefined();
    write("cors-origin: https://b.example.org");
    await reload(server, READ);
    expect(await readerOf(server)).toBe("https://b.example.org");
  });

  test("writes more or less into its log from then on", async () => {
    write("log-level: error");
    const server = await startServerProgram({ flags: ["--config", file] });
    expect(linesOf(server)).toEqual([]);
    write("log-level: info");
    await reload(server, '"changed":["log-level"]');
  });

  test("ends when its terminal goes away, whose signal is the same", async () => {
    write("port: 0", "admin-port: 0", "bind: 127.0.0.1", 'database: "sqlite::memory:"');
    const log = join(temporaryFolder(), "log");
    const line = `echo $$ > ${log}.pid; exec ${process.execPath} ${MAIN} serve --config ${file} > ${log} 2>&1`;
    const terminal = spawn("script", ["--quiet", "--command", line, "/dev/null"], {
      env: { PATH: process.env.PATH ?? "", TUNNEL_ACCESS_TOKEN: ACCESS_TOKEN },
      stdio: ["pipe", "ignore", "ignore"],
    });
    onTestFinished(() => void terminal.kill("SIGKILL"));
    const text = () => (existsSync(log) ? readFileSync(log, "utf8") : "");
    const until = async (words: string): Promise<void> => {
      while (!text().includes(words)) {
        if (text().includes("Error")) throw new Error(text());
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    await until("admin listener ready");
    const pid = Number(readFileSync(`${log}.pid`, "utf8"));
    // As often as one likes, it is no end while the terminal is there.
    process.kill(pid, "SIGHUP");
    await until(READ);
    expect(text()).not.toContain('"msg":"draining"');
    terminal.kill("SIGKILL");
    await once(terminal, "exit");
    await until('"msg":"draining"');
  });
});

describe("an agent with a configuration file", () => {
  test("asks other services on SIGHUP, and lets what runs go on", async () => {
    const before = await startOrigin((request, response) => {
      response.write("begun, ");
      if (request.url !== "/long") response.end("before");
      else release = () => response.end("and ended");
    });
    const after = await startOrigin((_request, response) => response.end("after"));
    let release = (): void => {};
    const server = await startServerProgram({ flags: ["--path-routing", "on"] });
    const settings = [`server: ${server.url}`, "state: agent.json", "client-id: home", "access: public"];
    write(...settings, `to: ${before.url}`);
    const agent = startProgram(["agent", "--config", file]);
    await untilTrue(() => agent.output().includes("connected as home"), agent);
    const long = await open(`${server.url}/t/home/long`);
    write(...settings, `to: ${after.url}`, "log-level: debug");
    await reload(agent, '"changed":["to"]');
    expect((await ask(`${server.url}/t/home/x`)).body.toString()).toBe("after");
    release();
    let text = "";
    for await (const bytes of long) text += String(bytes);
    expect(text).toBe("begun, and ended");
  });

  test("tells its server who may visit from then on, and lets what runs go on", async () => {
    let release = (): void => {};
    const origin = await startOrigin((request, response) => {
      response.write("begun, ");
      if (request.url === "/long") release = () => response.end("and ended");
      else response.end("seen");
    });
    const server = await startServerProgram({ flags: ["--path-routing", "on"] });
    const settings = [`server: ${server.url}`, "state: agent.json", "client-id: home", `to: ${origin.url}`];
    write(...settings, "access: public");
    const agent = startProgram(["agent", "--config", file]);
    await untilTrue(() => agent.output().includes("connected as home"), agent);
    const long = await open(`${server.url}/t/home/long`);
    write(...settings, "access: token");
    await reload(agent, '"changed":["access"]');
    await untilTrue(() => server.output().includes("session resumed"), server);
    expect((await ask(`${server.url}/t/home/x`)).status).toBe(401);
    release();
    let text = "";
    for await (const bytes of long) text += String(bytes);
    expect(text).toBe("begun, and ended");
  });

  test("says which of its homes only a restart brings", async () => {
    const server = await startServerProgram({ flags: ["--path-routing", "on"] });
    const home = (name: string) => `  ${name}: {to: 1, state: ${name}.json, access: public}`;
    write(`server: ${server.url}`, "homes:", home("one"), home("two"));
    const agent = startProgram(["agent", "--config", file]);
    await untilTrue(() => agent.output().includes("connected as two"), agent);
    write(`server: ${server.url}`, "homes:", home("two"), home("three"), "host-header: visitor");
    await reload(agent, '"needRestart":["homes"]');
    const read = linesOf(agent).filter(({ msg }) => msg === "settings read again");
    expect(read).toMatchObject([{ home: "two", changed: ["host-header"], needRestart: [] }]);
  });
});
