/** What people notice of a MySQL that is gone, hangs, is slow or may only be read: as little as can be (D01, D02, D03, D12). */
import { spawn } from "node:child_process";
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ACCESS_TOKEN, startTunnel, type Tunnel } from "../helpers/tunnel.ts";
import { type Answer, ask, open, problemCode, read } from "../helpers/visitor.ts";
import {
  ACCOUNT,
  asRoot,
  createDatabase,
  isOurs,
  killServer,
  pauseServer,
  setGlobal,
  startServer as startMysql,
  unpauseServer,
  until,
} from "./database.ts";
import { Relay } from "./relay.ts";

const HALF_BYTES = 256 * 1024;

/** A home whose songs stop half-way until they are released. */
async function startSongs(database: string, limits = {}) {
  const song = randomBytes(2 * HALF_BYTES);
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const tunnel = await startTunnel(
    async ({ url = "" }, response) => {
      if (!url.startsWith("/song")) return void response.end("at home");
      response.write(song.subarray(0, HALF_BYTES));
      await released;
      response.end(song.subarray(HALF_BYTES));
    },
    { server: { database, limits } },
  );
  return { ...tunnel, song, release };
}

/** Downloads that have begun, to be awaited later. */
async function listen({ server, target, clientToken }: Tunnel, count: number): Promise<Download[]> {
  const headers = { authorization: `Bearer ${clientToken}` };
  const begun = Array.from({ length: count }, async (_, index) => {
    const response = await open(server.url + target(`/song?n=${index}`), { headers });
    await once(response, "readable");
    return { ended: read(response) };
  });
  return Promise.all(begun);
}

type Download = { readonly ended: Promise<Answer> };

async function expectWhole(downloads: readonly Download[], song: Uint8Array): Promise<void> {
  for (const { ended } of downloads) {
    const answer = await ended;
    expect(answer.isWhole).toBe(true);
    expect(sha256(answer.body)).toBe(sha256(song));
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** A stranger's request, and how long its answer took. */
async function askWithUnknownToken({ server, target }: Tunnel) {
  const startMs = performance.now();
  const headers = { authorization: `Bearer ${randomUUID()}` };
  const answer = await ask(server.url + target("/x"), { headers });
  return { answer, ms: performance.now() - startMs };
}

async function expectRegistryDown(tunnel: Tunnel): Promise<void> {
  const { answer, ms } = await askWithUnknownToken(tunnel);
  expect(answer.status).toBe(503);
  expect(problemCode(answer)).toBe("registry_down");
  expect(Number(answer.headers["retry-after"])).toBeGreaterThan(0);
  expect(ms).toBeLessThan(5_000);
}

function registration({ server }: Tunnel, clientId: string): Promise<Answer> {
  const headers = { authorization: `Bearer ${ACCESS_TOKEN}` };
  return ask(`${server.url}/auth/register-client?clientId=${clientId}`, { method: "POST", headers });
}

function readiness({ server }: Tunnel): Promise<Answer> {
  return ask(`http://127.0.0.1:${server.adminPort}/ready`);
}

describe("MySQL is killed", () => {
  test.runIf(isOurs)(
    "during 50 downloads: none breaks, strangers get 503, and all is well soon after its return",
    async () => {
      const database = await createDatabase();
      const songs = await startSongs(database.url());
      const downloads = await listen(songs, 50);
      await killServer();

      await Promise.all(Array.from({ length: 5 }, () => expectRegistryDown(songs)));
      const known = await songs.ask("/x");
      expect(known.body.toString()).toBe("at home");
      expect((await registration(songs, "other")).status).toBe(503);
      expect((await readiness(songs)).status).toBe(503);

      songs.release();
      await expectWhole(downloads, songs.song);

      await startMysql();
      const backMs = performance.now();
      await until(async () => (await registration(songs, "other")).status === 200);
      await until(async () => (await askWithUnknownToken(songs)).answer.status === 401);
      await until(async () => (await readiness(songs)).status === 200);
      expect(performance.now() - backMs).toBeLessThan(10_000);
      expect(await songs.server.status()).toMatchObject({ tunnels: 1, tunnelsAccepted: 1 });
      expect(songs.server.log.text).not.toContain(ACCOUNT.password);
    },
  );

  test.runIf(isOurs)("and a server that is told to be strict lets nobody in meanwhile", async () => {
    const database = await createDatabase();
    const songs = await startSongs(database.url(), { tokenFreshMs: 0, tokenTrustMs: 0 });
    expect((await songs.ask("/x")).status).toBe(200);
    await killServer();
    expect(problemCode(await songs.ask("/x"))).toBe("registry_down");
    await startMysql();
    await until(async () => (await songs.ask("/x")).status === 200);
  });
});

describe("MySQL hangs (D03)", () => {
  test.runIf(isOurs)("and downloads and known visitors go on, strangers get 503 in time", async () => {
    const database = await createDatabase();
    const songs = await startSongs(database.url());
    const downloads = await listen(songs, 5);
    await pauseServer();
    await expectRegistryDown(songs);
    const startMs = performance.now();
    expect((await songs.ask("/x")).status).toBe(200);
    expect(performance.now() - startMs).toBeLessThan(500);
    songs.release();
    await expectWhole(downloads, songs.song);
    await unpauseServer();
    await until(async () => (await askWithUnknownToken(songs)).answer.status === 401);
  });
});

describe("each query takes two seconds (D12)", () => {
  test("and neither bytes in flight nor known visitors wait for it", async () => {
    const database = await createDatabase();
    const relay = await Relay.start();
    const songs = await startSongs(database.url({}, relay.port));
    const downloads = await listen(songs, 5);
    relay.mode = { type: "slow", delayMs: 2_000 };
    const stranger = askWithUnknownToken(songs);
    const startMs = performance.now();
    for (let index = 0; index < 10; index++) expect((await songs.ask("/x")).status).toBe(200);
    expect(performance.now() - startMs).toBeLessThan(1_000);
    songs.release();
    await expectWhole(downloads, songs.song);
    expect(performance.now() - startMs).toBeLessThan(2_000);
    const { answer, ms } = await stranger;
    expect([401, 503]).toContain(answer.status);
    expect(ms).toBeLessThan(5_000);
    relay.mode = { type: "pass" };
  });
});

describe("MySQL comes back as a read-only server (D02)", () => {
  test("and is not ready: visitors go on, registrations are to be repeated, and nothing is restarted", async () => {
    const database = await createDatabase();
    const songs = await startSongs(database.url());
    const downloads = await listen(songs, 5);
    await setGlobal("read_only", 1);
    const unready = await readiness(songs);
    expect(unready.status).toBe(503);
    expect(JSON.parse(unready.body.toString())).toMatchObject({ reason: "registry_read_only" });
    const refused = await registration(songs, "other");
    expect(refused.status).toBe(503);
    expect(problemCode(refused)).toBe("registry_down");
    expect(Number(refused.headers["retry-after"])).toBeGreaterThan(0);
    expect((await songs.ask("/x")).status).toBe(200);
    expect((await askWithUnknownToken(songs)).answer.status).toBe(401);
    songs.release();
    await expectWhole(downloads, songs.song);
    await asRoot("SET GLOBAL read_only = 0");
    expect((await readiness(songs)).status).toBe(200);
    expect((await registration(songs, "other")).status).toBe(200);
    expect(await songs.server.status()).toMatchObject({ tunnels: 1, tunnelsAccepted: 1 });
  });
});

describe("MySQL is not there at the start (D01)", () => {
  test.each([
    ["cannot be reached", { startMs: 300 }, 1],
    ["takes no such account", {}, undefined],
  ])(
    "or %s: the process ends with 1 and one clear line, without the password",
    async (_name, parameters, port) => {
      const database = await createDatabase();
      const url = database.url(parameters, port);
      const process_ = spawn(
        process.execPath,
        ["--import", "tsx", "adapters/main.ts", "serve", "--port=0", "--admin-port=0", "--bind=127.0.0.1"],
        {
          cwd: join(import.meta.dirname, "../.."),
          env: {
            PATH: process.env.PATH,
            DATABASE_URL: port === undefined ? url.replace("://", "://nobody_") : url,
          },
        },
      );
      let text = "";
      process_.stderr.setEncoding("utf8").on("data", (part: string) => {
        text += part;
      });
      const [code] = await once(process_, "close");
      expect(code).toBe(1);
      expect(text).toMatch(/^culvert: cannot use the database: .*$/m);
      expect(text).not.toContain("canary");
    },
  );
});
