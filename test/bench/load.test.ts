import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type RequestListener, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { type Child, startChild } from "../demo/child.ts";
import { Cleanup } from "../demo/cleanup.ts";
import { closeServer, listenOnLoopback } from "../demo/listen.ts";
import { startTcpRelay } from "../helpers/tcp-relay.ts";
import { contenders, ONE_HOP, type Running } from "./contenders.ts";
import { runLoad } from "./load.ts";
import { PacedDownload } from "./paced-load.ts";
import { cpuSeconds, memoryBytes, peakMemoryBytes } from "./process-usage.ts";
import { findProgram, freePort, startProgram } from "./program.ts";

describe("the load against the bench's own origin and proxy", () => {
  let origin: Child;
  let proxy: Running;
  beforeAll(async () => {
    origin = await startChild({
      name: "origin",
      file: "test/bench/origin.ts",
      readyPrefix: "listening on ",
    });
    const contender = contenders.find(({ name }) => name === ONE_HOP);
    if (contender === undefined) throw new Error("no one-hop proxy among the contenders");
    proxy = await contender.start({ originUrl: origin.readyText, folder: "", link: async (url) => url });
    return async () => {
      await proxy.stop();
      await origin.stop();
    };
  });

  it("asks again and again on each connection until its time is over", async () => {
    const target = { url: `${origin.readyText}/small`, headers: {} };
    const result = await runLoad({ kind: "requests", target, connections: 4, durationMs: 200 });
    expect(result.fault).toBeNull();
    expect(result.completed).toBeGreaterThan(50);
    expect(result.bodyBytes).toBe(64 * result.completed);
    expect(result.seconds).toBeGreaterThanOrEqual(0.2);
    expect(result.p50Ms).toBeGreaterThan(0);
    expect(result.p99Ms).toBeGreaterThanOrEqual(result.p50Ms);
  });

  it("counts the bytes of several downloads through the proxy", async () => {
    const bytes = 5_000_001;
    const target = proxy.target(`/bulk?bytes=${bytes}`);
    const result = await runLoad({ kind: "downloads", target, connections: 3, bytes });
    expect(result).toMatchObject({ fault: null, completed: 3, bodyBytes: 3 * bytes });
  });

  it("reports a status that is no success", async () => {
    const target = proxy.target("/elsewhere");
    const result = await runLoad({ kind: "requests", target, connections: 1, durationMs: 1_000 });
    expect(result).toMatchObject({ completed: 1, fault: "status 404" });
  });

  it("reads a download at its pace beside another load, until it is stopped", async () => {
    const target = proxy.target(`/bulk?bytes=${2 ** 32}`);
    const paced = new PacedDownload({ kind: "paced", target, bytesPerSecond: 20e6 });
    await paced.ready;
    const small = proxy.target("/small");
    await runLoad({ kind: "requests", target: small, connections: 2, durationMs: 300 });
    const result = paced.stop();
    expect(result.fault).toBeNull();
    expect(result.bytesPerSecond).toBeGreaterThan(15e6);
    expect(result.bytesPerSecond).toBeLessThan(25e6);
  });

  it("reads the beginning of a download and nothing more", async () => {
    const target = proxy.target(`/bulk?bytes=${2 ** 32}`);
    const stalled = new PacedDownload({ kind: "paced", target, bytesPerSecond: 0 });
    await stalled.ready;
    const small = proxy.target("/small");
    await runLoad({ kind: "requests", target: small, connections: 1, durationMs: 100 });
    expect(stalled.stop()).toEqual({ bytesPerSecond: 0, fault: null });
  });

  it("tells why a paced download is none", async () => {
    const elsewhere = proxy.target("/elsewhere");
    const refused = new PacedDownload({ kind: "paced", target: elsewhere, bytesPerSecond: 0 });
    await refused.ready;
    expect(refused.stop().fault).toContain("404");
    const short = new PacedDownload({
      kind: "paced",
      target: proxy.target("/bulk?bytes=5000000"),
      bytesPerSecond: 20e6,
    });
    await short.ready;
    expect(short.stop().fault).toMatch(/only \d+ MB\/s/);
  });

  it("reads CPU time and memory of another process", () => {
    expect(cpuSeconds(origin.pid)).toBeGreaterThan(0);
    expect(memoryBytes(origin.pid)).toBeGreaterThan(10 * 2 ** 20);
    expect(peakMemoryBytes(origin.pid)).toBeGreaterThanOrEqual(memoryBytes(origin.pid));
  });
});

describe("contenders that are not ours", () => {
  const others = contenders.filter(({ name }) => name.startsWith("nginx") || name.startsWith("ssh"));

  it.for(others)("downloads through $name where it is installed", async (contender, { skip }) => {
    const missing = contender.missing();
    if (missing !== null) skip(missing);
    const folder = await mkdtemp(join(tmpdir(), "culvert-test-"));
    const cleanup = new Cleanup();
    cleanup.add(() => rm(folder, { recursive: true }));
    try {
      const origin = await startChild({
        name: "origin",
        file: "test/bench/origin.ts",
        readyPrefix: "listening on ",
      });
      cleanup.add(() => origin.stop());
      const relay = await startTcpRelay({ port: Number(new URL(origin.readyText).port) });
      cleanup.add(() => relay.close());
      let linked = 0;
      const running = await contender.start({
        originUrl: `http://127.0.0.1:${relay.port}`,
        folder,
        link: async (url) => {
          linked += 1;
          return url;
        },
      });
      cleanup.add(() => running.stop());
      const target = running.target("/bulk?bytes=300000");
      const result = await runLoad({ kind: "downloads", target, connections: 2, bytes: 300_000 });
      expect(result).toMatchObject({ fault: null, completed: 2 });
      expect(linked).toBe(1);
      for (const { pid } of running.processes) expect(memoryBytes(pid)).toBeGreaterThan(0);
    } finally {
      await cleanup.run();
    }
  });

  it("says what is not installed", () => {
    expect(findProgram("sh")).toMatch(/\/sh$/);
    expect(findProgram("no-program-has-this-name")).toBeNull();
  });

  it("fails with what a program said that did not come up", async () => {
    const file = findProgram("sh") ?? "";
    const args = ["-c", "echo no port left >&2; exit 3"];
    await expect(startProgram({ file, args, port: await freePort() })).rejects.toThrow("no port left");
  });
});

describe("the load against a server that misbehaves", () => {
  let server: Server | null = null;
  afterEach(async () => {
    if (server !== null) await closeServer(server);
    server = null;
  });

  it("reports a body that is cut", async () => {
    const target = await serve((_, response) => {
      response.writeHead(200, { "content-length": 100 });
      response.write("half", () => response.destroy());
    });
    const result = await runLoad({ kind: "downloads", target, connections: 2, bytes: 100 });
    expect(result.fault).toBe("a connection was closed before its response was whole");
    expect(result.completed).toBe(0);
  });

  it("reports a body of another length", async () => {
    const target = await serve((_, response) => response.end("short"));
    const result = await runLoad({ kind: "downloads", target, connections: 1, bytes: 100 });
    expect(result.fault).toBe("5 bytes instead of 100");
  });

  it("reports that nobody listens", async () => {
    const target = await serve((_, response) => response.end());
    if (server !== null) await closeServer(server);
    server = null;
    const result = await runLoad({ kind: "requests", target, connections: 2, durationMs: 1_000 });
    expect(result.fault).toContain("ECONNREFUSED");
  });

  it("sends the headers it is given", async () => {
    const seen: (string | undefined)[] = [];
    const target = await serve((request, response) => {
      seen.push(request.headers.authorization);
      response.end();
    });
    await runLoad({
      kind: "downloads",
      target: { ...target, headers: { authorization: "Bearer t" } },
      connections: 1,
      bytes: 0,
    });
    expect(seen).toEqual(["Bearer t"]);
  });

  async function serve(listener: RequestListener): Promise<{ url: string; headers: Record<string, string> }> {
    server = createServer(listener);
    return { url: `${await listenOnLoopback(server)}/`, headers: {} };
  }
});
