import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type CheckOptions, check } from "./check.ts";
import { type Home, type HomeFile, startHome } from "./home.ts";
import { closeServer, listenOnLoopback } from "./listen.ts";
import { type Player, startPlayer } from "./player.ts";

/** Stands for the tune: large enough for every range that the check asks for, and no two places in it alike. */
const tune = Buffer.from(Uint32Array.from({ length: 1_500_000 }, (_, index) => index * 2_654_435_761).buffer);
const sha256 = createHash("sha256").update(tune).digest("hex");

let folder: string;
let file: HomeFile;
let home: Home;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "culvert-test-"));
  file = { path: join(folder, "tune.wav"), bytes: tune.length, sha256, title: "A <title>" };
  await writeFile(file.path, tune);
  home = await startHome(file);
});
afterEach(async () => {
  await home.stop();
  await rm(folder, { recursive: true });
});

describe("the home", () => {
  it("serves the whole file with its entity tag", async () => {
    const response = await fetch(`${home.url}/files/track?trackId=1`);
    expect(response.status).toBe(200);
    expect(response.headers.get("accept-ranges")).toBe("bytes");
    expect(response.headers.get("etag")).toBe(`"${sha256}"`);
    expect(Buffer.from(await response.arrayBuffer()).equals(tune)).toBe(true);
  });

  it("serves a range with its place in the file", async () => {
    const response = await fetch(`${home.url}/tune.wav`, { headers: { range: "bytes=-10" } });
    expect(response.status).toBe(206);
    expect(response.headers.get("content-range")).toBe("bytes 5999990-5999999/6000000");
    expect(Buffer.from(await response.arrayBuffer()).equals(tune.subarray(-10))).toBe(true);
  });

  it("answers 416 with the file's length where the range is beyond it", async () => {
    const response = await fetch(`${home.url}/tune.wav`, { headers: { range: "bytes=6000000-" } });
    expect(response.status).toBe(416);
    expect(response.headers.get("content-range")).toBe("bytes */6000000");
  });

  it("ignores a range that belongs to another version of the file", async () => {
    const headers = { range: "bytes=0-9", "if-range": '"another"' };
    const response = await fetch(`${home.url}/tune.wav`, { headers });
    expect(response.status).toBe(200);
    expect((await response.arrayBuffer()).byteLength).toBe(tune.length);
  });

  it("answers 304 to who has the file, 404 elsewhere and 405 to a POST", async () => {
    const held = await fetch(`${home.url}/tune.wav`, { headers: { "if-none-match": `"${sha256}"` } });
    expect(held.status).toBe(304);
    expect((await fetch(`${home.url}/files/track?trackId=2`)).status).toBe(404);
    expect((await fetch(`${home.url}/tune.wav`, { method: "POST" })).status).toBe(405);
  });

  it("keeps account of what it was asked for", async () => {
    await (await fetch(`${home.url}/tune.wav`, { headers: { range: "bytes=0-99" } })).arrayBuffer();
    await expect.poll(() => home.deliveries.map((delivery) => delivery.state)).toEqual(["complete"]);
    expect(home.deliveries[0]).toMatchObject({
      range: "bytes=0-99",
      status: 206,
      bytes: 100,
      bytesSent: 100,
    });
    expect(home.totals).toEqual({ bytesSent: 100, requests: 1 });
  });
});

describe("the check of --once", () => {
  it("is good where the file arrives as it is", async () => {
    const result = await check(options(home.url));
    expect(result.table).not.toContain("DIFFERENT");
    expect(result.isGood).toBe(true);
  });

  it("is not good where a byte differs, and says so", async () => {
    const changed = Buffer.from(tune);
    changed[3_000_001] = (changed[3_000_001] ?? 0) ^ 1;
    await writeFile(file.path, changed);
    const result = await check(options(home.url));
    expect(result.isGood).toBe(false);
    expect(result.table).toMatch(/streaming .*DIFFERENT SHA-256/);
    expect(result.table).toMatch(/in the middle .*DIFFERENT BYTES/);
    expect(result.table).toMatch(/first 44 bytes .*equal/);
  });

  it("is not good where every body is cut", async () => {
    const cutting = createServer((_, response) => {
      response.writeHead(200, { "content-length": tune.length });
      response.write(tune.subarray(0, 1_000), () => response.destroy());
    });
    const url = await listenOnLoopback(cutting);
    try {
      const result = await check(options(url));
      expect(result.isGood).toBe(false);
      expect(result.table).not.toContain("equal");
      expect(result.table).toMatch(/streaming .*aborted/);
    } finally {
      await closeServer(cutting);
    }
  });

  it("is not good where nobody answers", async () => {
    await home.stop();
    const result = await check(options(home.url));
    expect(result.isGood).toBe(false);
    expect(result.table).toContain("ECONNREFUSED");
  });

  function options(url: string): CheckOptions {
    return {
      file,
      tune,
      signedUrl: `${url}/files/track?trackId=1`,
      plainUrl: `${url}/tune.wav`,
      clientToken: "t",
      cutTunnel: () => {},
    };
  }
});

describe("the player", () => {
  const tuneUrl = "http://127.0.0.1:1/files/track?clientId=demo&signature=s&trackId=1";
  let player: Player;
  beforeEach(async () => {
    player = await startPlayer({
      home,
      file,
      tuneUrl,
      serverUrl: "http://127.0.0.1:1",
      seconds: 9,
      outline: [1, 2],
    });
  });
  afterEach(() => player.stop());

  it("shows a page whose sound comes through the tunnel, with the title as text", async () => {
    const page = await (await fetch(player.url)).text();
    expect(page).toContain(`src="${tuneUrl.replaceAll("&", "&#38;")}"`);
    expect(page).toContain("<h1>A &#60;title&#62;</h1>");
    expect(page).not.toContain("<title>A <title>");
  });

  it("asks nobody but this machine", async () => {
    const page = await (await fetch(player.url)).text();
    const addresses = page.match(/https?:\/\/[^/"'\s]+/g) ?? [];
    expect(addresses.length).toBeGreaterThan(0);
    expect(addresses.filter((address) => !address.startsWith("http://127.0.0.1:"))).toEqual([]);
  });

  it("tells the home's account", async () => {
    await (await fetch(`${home.url}/tune.wav`, { headers: { range: "bytes=0-99" } })).arrayBuffer();
    const live: unknown = await (await fetch(new URL("/live.json", player.url))).json();
    expect(live).toMatchObject({ totals: { requests: 1 }, deliveries: [{ range: "bytes=0-99" }] });
  });

  it("gives its page, which holds a signature, to nobody who came by another name", async () => {
    const { port } = new URL(player.url);
    const { promise, resolve } = Promise.withResolvers<string>();
    const socket = connect(Number(port), "127.0.0.1");
    let answer = "";
    socket.setEncoding("utf8").on("data", (text: string) => {
      answer += text;
    });
    socket.once("close", () => resolve(answer));
    socket.write("GET / HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n");
    expect(await promise).toMatch(/^HTTP\/1.1 403 /);
    expect(answer).not.toContain("signature");
  });
});
