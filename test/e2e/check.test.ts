/** `culvert check` as a person runs it, beside what it reaches for. */
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { acceptQueue } from "../../adapters/check/check-server.ts";
import { portOf, startOrigin } from "../helpers/origin.ts";
import { startProgram } from "../helpers/program.ts";
import { ACCESS_TOKEN, startServer, startTunnel, temporaryFolder } from "../helpers/tunnel.ts";

let folder: string;

beforeEach(() => {
  folder = temporaryFolder();
});

async function check(
  ...args: readonly string[]
): Promise<{ readonly code: number | null; readonly lines: string[] }> {
  const program = startProgram(["check", ...args], { environment: { TUNNEL_ACCESS_TOKEN: undefined } });
  const code = await program.ended;
  return { code, lines: program.output().trimEnd().split("\n") };
}

function config(...lines: readonly string[]): string {
  const file = join(folder, "culvert.yaml");
  writeFileSync(file, lines.join("\n"), { mode: 0o600 });
  return file;
}

/** A port that somebody listens at. */
async function takenPort(): Promise<number> {
  const server = createServer();
  await once(server.listen(0, "127.0.0.1"), "listening");
  onTestFinished(() => void server.close());
  return portOf(server);
}

describe("of a server", () => {
  test("tells of a short queue for connections that wait", () => {
    expect(acceptQueue(128)).toMatchObject([
      { kind: "note", text: expect.stringContaining("128 connections") },
    ]);
    expect(acceptQueue(4_096)).toEqual([]);
    expect(acceptQueue(null)).toEqual([]);
  });

  test("says what it would do, and changes nothing", async () => {
    const file = config(
      "bind: 127.0.0.1",
      "port: 0",
      "admin-port: 0",
      "database: sqlite:new.db",
      "domain: tunnel.example.org",
      `access-token: ${ACCESS_TOKEN}`,
      "trusted-proxy: 127.0.0.1",
    );
    const { code, lines } = await check("serve", "--config", file);
    expect(lines).toEqual([
      "ok       listens for visitors and agents at 127.0.0.1:0, which is any free port",
      "ok       listens for the operator at 127.0.0.1:0, which is any free port",
      `ok       the database ${join(folder, "new.db")} is made at the start`,
      "ok       a home is at https://CLIENT-ID.tunnel.example.org/: its DNS and certificates are yours to see to",
      "ok       agents register with the access token that is given",
      "ok       takes the word of proxies at 127.0.0.1 on who visits",
    ]);
    expect(code).toBe(0);
    expect(existsSync(join(folder, "new.db"))).toBe(false);
  });

  test("notes what somebody may not have meant", async () => {
    const port = await takenPort();
    const { code, lines } = await check(
      ...["serve", "--bind=127.0.0.1", `--port=${port}`, "--admin-port=0", "--database=sqlite::memory:"],
    );
    expect(code).toBe(0);
    expect(lines.filter((line) => line.startsWith("note"))).toEqual([
      `note     127.0.0.1:${port}, for visitors and agents, is taken: by a server that runs, perhaps`,
      "note     the database is in memory: every home is forgotten at the end",
      "note     no browser opens a home: give --domain, or --path-routing on",
      "note     an access token is made for each run, and printed",
      "note     no proxy is trusted: behind one, all visitors seem to have its address",
    ]);
  });

  test("uses a database that is there, and finds one that is none", async () => {
    const database = `sqlite:${folder}/culvert.db`;
    await startServer({ database });
    const flags = ["serve", "--port=0", "--admin-port=0", "--bind=127.0.0.1"];
    const good = await check(...flags, `--database=${database}`);
    expect(good.lines).toContain(`ok       the database ${folder}/culvert.db can be used`);
    const other = join(folder, "other.db");
    writeFileSync(other, "not a database, whatever it is called".repeat(100));
    const bad = await check(...flags, `--database=sqlite:${other}`);
    expect(bad.lines).toContainEqual(
      expect.stringMatching(/^problem {2}the database .*other\.db cannot be used: .*not a database/),
    );
    expect(bad.lines.at(-1)).toBe("culvert: 1 problem found");
    expect(bad.code).toBe(1);
  });

  test("finds a database that does not answer, and an address that is not here, without the password", async () => {
    const { code, lines } = await check(
      ...["serve", "--bind=192.0.2.1", "--port=0", "--admin-port=0"],
      "--database=mysql://culvert:canary-word@127.0.0.1:1/culvert",
    );
    expect(code).toBe(1);
    expect(lines).toContainEqual(
      expect.stringMatching(/^problem {2}cannot listen for visitors.*EADDRNOTAVAIL/),
    );
    expect(lines).toContainEqual(
      expect.stringMatching(
        /^problem {2}the database culvert at 127\.0\.0\.1:1 cannot be used: .*ECONNREFUSED/,
      ),
    );
    expect(lines).toContainEqual(expect.stringMatching(/^note +--database shows its secret/));
    expect(lines.at(-1)).toBe("culvert: 2 problems found");
    expect(lines.join("\n")).not.toContain("canary-word");
  });

  test.skipIf(process.getuid?.() === 0)("finds a folder that takes no database", async () => {
    const closed = join(folder, "closed");
    mkdirSync(closed);
    chmodSync(closed, 0o500);
    const { lines } = await check("serve", "--port=0", "--admin-port=0", `--database=sqlite:${closed}/x.db`);
    expect(lines).toContainEqual(expect.stringMatching(/^problem .*closed cannot be written/));
  });
});

describe("of an agent", () => {
  test("reaches for the server and the services, with the credential that it has", async () => {
    const stateFile = join(folder, "agent.json");
    const tunnel = await startTunnel((_request, response) => response.end(), { agent: { stateFile } });
    const origin = await startOrigin((_request, response) => response.end());
    const { code, lines } = await check(
      ...[
        "agent",
        "--server",
        tunnel.server.url,
        "--to",
        origin.url,
        "--state",
        stateFile,
        "--access=public",
      ],
    );
    expect(lines).toEqual([
      `ok       the server at ${new URL(tunnel.server.url).host} answers`,
      `ok       connects with the client token in ${stateFile}`,
      "note     everybody may visit: the service itself has to ask who it is",
      `ok       the service for /, ${new URL(origin.url).host}, takes connections`,
    ]);
    expect(code).toBe(0);
  });

  test("finds what is in the way of each home", async () => {
    const server = await startServer();
    const origin = await startOrigin((_request, response) => response.end());
    const closed = `http://127.0.0.1:1`;
    const file = config(
      `server: ${server.url}`,
      "homes:",
      `  music: {to: "${origin.url}", state: music.json, access-token: ${ACCESS_TOKEN}}`,
      `  photos: {to: "${closed}", state: photos.json}`,
      `  stray: {to: "${origin.url}", state: stray.json, server: "${closed}", invite: x}`,
    );
    const { code, lines } = await check("agent", "--config", file);
    const at = new URL(server.url).host;
    const to = new URL(origin.url).host;
    expect(lines.slice(0, 6)).toEqual([
      `ok       music: the server at ${at} answers`,
      "ok       music: registers with the access token, once",
      "ok       music: visitors show a token",
      `ok       music: the service for /, ${to}, takes connections`,
      `ok       photos: the server at ${at} answers`,
      "problem  photos: is not registered: give --access-token-file with the server's access token, or --invite-file",
    ]);
    expect(lines).toContainEqual(
      expect.stringMatching(
        /^problem {2}photos: the service for \/, 127\.0\.0\.1:1, cannot be reached: .*ECONNREFUSED/,
      ),
    );
    expect(lines).toContainEqual(
      expect.stringMatching(/^problem {2}stray: nothing takes connections at the server's port/),
    );
    expect(lines.at(-1)).toBe("culvert: 3 problems found");
    expect(code).toBe(1);
  });

  test("finds a server that is no Culvert server", async () => {
    const origin = await startOrigin((_request, response) => response.writeHead(404).end());
    const { lines } = await check("agent", "--server", origin.url, "--to", origin.url, "--invite", "x");
    expect(lines).toContainEqual(
      `problem  ${new URL(origin.url).host} answers 404 to /health: check host, port and path of --server`,
    );
  });

  test("stops at a setting that cannot be used, with its line", async () => {
    const file = config("server: https://x.example.org", "too: 3000");
    const { code, lines } = await check("agent", "--config", file);
    expect(lines).toEqual([`culvert: ${file} line 2: too is unknown; did you mean to?`]);
    expect(code).toBe(1);
  });
});

test("takes the name of the command that is to be checked", async () => {
  expect((await check("sevre")).lines).toEqual(["culvert: check takes serve or agent; did you mean serve?"]);
  expect((await check()).lines).toEqual(["culvert: check takes serve or agent, with its flags"]);
});
