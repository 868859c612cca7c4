import { createServer, type RequestListener, type Server } from "node:http";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { type Child, startChild } from "../demo/child.ts";
import { closeServer, listenOnLoopback } from "../demo/listen.ts";
import { contenders, ONE_HOP, type Running } from "./contenders.ts";
import { runLoad } from "./load.ts";
import { cpuSeconds, memoryBytes, peakMemoryBytes } from "./process-usage.ts";

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
    proxy = await contender.start(origin.readyText, "");
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

  it("reads CPU time and memory of another process", () => {
    expect(cpuSeconds(origin.pid)).toBeGreaterThan(0);
    expect(memoryBytes(origin.pid)).toBeGreaterThan(10 * 2 ** 20);
    expect(peakMemoryBytes(origin.pid)).toBeGreaterThanOrEqual(memoryBytes(origin.pid));
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
