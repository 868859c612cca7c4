import type { ServerResponse } from "node:http";
import https from "node:https";
import net from "node:net";
import { TLSSocket } from "node:tls";
import { describe, expect, test } from "vitest";
import { clientLimits } from "../../../core/origins/client.ts";
import { listen } from "../listen.ts";
import { createCertificate } from "./certificate.ts";
import { cleanups, OK, origin, rawOrigin, start } from "./harness.ts";

const answerThatAnnounces = (keepAlive: string) =>
  `HTTP/1.1 200 OK\r\nKeep-Alive: ${keepAlive}\r\nContent-Length: 2\r\n\r\nok`;

test("a service that serves one connection at a time, to its end, serves six requests one after the other", async () => {
  const waiting: net.Socket[] = [];
  let served: net.Socket | null = null;
  const next = () => {
    served = waiting.shift() ?? null;
    served?.resume();
  };
  const service = net.createServer({ pauseOnConnect: true }, (socket) => {
    socket.on("error", () => {});
    socket.on("data", () => setTimeout(() => socket.write(OK), 20));
    socket.on("close", () => {
      if (served === socket) next();
    });
    waiting.push(socket);
    if (served === null) next();
  });
  const port = await listen(service, cleanups);
  // Without an end of a connection nobody else would be served for an hour.
  const run = start(new URL(`http://${port}/`), { limits: { idleMs: 3_600_000 } });
  const exchanges = Array.from({ length: 6 }, () => run.request());
  for (const exchange of exchanges) {
    await run.over(exchange);
    expect(run.bodyOf(exchange).toString()).toBe("ok");
  }
});

describe("an idle connection", () => {
  test("is closed after its time", async () => {
    const raw = await rawOrigin((socket) => socket.write(OK));
    const run = start(raw.url);
    await run.over(run.request());
    const idleSinceMs = performance.now();
    await raw.allClosed();
    expect(performance.now() - idleSinceMs).toBeGreaterThan(clientLimits.idleMs - 500);
  });

  test("is closed a second before the origin said that it will close it", async () => {
    const raw = await rawOrigin((socket) => socket.write(answerThatAnnounces("timeout=2, max=100")));
    const run = start(raw.url);
    await run.over(run.request());
    const idleSinceMs = performance.now();
    await raw.allClosed();
    expect(performance.now() - idleSinceMs).toBeLessThan(2_000);
  });

  test.each(["timeout=1", "timeout=0"])("is not kept at all by %s", async (announced) => {
    const raw = await rawOrigin((socket) => socket.write(answerThatAnnounces(announced)));
    const run = start(raw.url);
    await run.over(run.request());
    await raw.allClosed();
    await run.over(run.request());
    expect(raw.connections()).toBe(2);
  });

  test.each(["timeout=60", "max=5", "timeout"])("is kept as ever by %s", async (announced) => {
    const raw = await rawOrigin((socket) => socket.write(answerThatAnnounces(announced)));
    const run = start(raw.url);
    for (let round = 0; round < 3; round++) await run.over(run.request());
    expect(raw.connections()).toBe(1);
  });

  test("forgets what the origin announced with an earlier answer", async () => {
    const raw = await rawOrigin((socket, _request, nth) =>
      socket.write(nth === 1 ? answerThatAnnounces("timeout=2") : OK),
    );
    const run = start(raw.url);
    await run.over(run.request());
    await run.over(run.request());
    const idleSinceMs = performance.now();
    await raw.allClosed();
    expect(performance.now() - idleSinceMs).toBeGreaterThan(clientLimits.idleMs - 500);
  });

  test("is dropped when the origin says something unasked, which never passes for an answer", async () => {
    let first: net.Socket | undefined;
    const raw = await rawOrigin((socket) => {
      first ??= socket;
      socket.write(OK);
    });
    const run = start(raw.url);
    await run.over(run.request());
    const idleSinceMs = performance.now();
    first?.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfalse");
    await raw.allClosed();
    expect(performance.now() - idleSinceMs).toBeLessThan(clientLimits.idleMs / 2);
    const second = run.request();
    await run.over(second);
    expect(run.bodyOf(second).toString()).toBe("ok");
    expect(raw.connections()).toBe(2);
  });

  test("that the origin closes is not used again", async () => {
    let first: net.Socket | undefined;
    const raw = await rawOrigin((socket) => {
      first ??= socket;
      socket.write(OK);
    });
    const run = start(raw.url);
    await run.over(run.request());
    first?.end();
    await raw.allClosed();
    await run.over(run.request({ method: "POST", body: Buffer.from("once") }));
    expect(run.log.types()).not.toContain("origin_failed");
    expect(raw.connections()).toBe(2);
  });

  test("is cut by close", async () => {
    const raw = await rawOrigin((socket) => socket.write(OK));
    const run = start(raw.url);
    await run.over(run.request());
    run.origin.close();
    await raw.allClosed();
    expect(raw.connections()).toBe(1);
  });
});

describe("the pool", () => {
  test("makes a connection for each request that runs, and of the idle ones uses the latest", async () => {
    const waiting: ServerResponse[] = [];
    const asked = new Map<string | undefined, number | undefined>();
    const server = await origin((request, response) => {
      asked.set(request.url, request.socket.remotePort);
      if (request.url === "/alone") response.end();
      else if (waiting.push(response) === 2) waiting[1]?.end();
    });
    const run = start(server.url);
    const first = run.request({ target: "/first" });
    run.request({ target: "/second" });
    await run.log.first("origin_ended");
    waiting[0]?.end();
    await run.log.until(() => run.log.all("origin_ended").length === 2);
    const latest = run.log.events.at(-1)?.exchange === first ? "/first" : "/second";
    await run.over(run.request({ target: "/alone" }));
    expect(new Set(asked.values()).size).toBe(2);
    expect(asked.get("/alone")).toBe(asked.get(latest));
  });

  test("keeps so many idle ones and no more", async () => {
    const raw = await rawOrigin(() => {});
    const run = start(raw.url, { limits: { idleMs: 60_000 } });
    const exchanges = Array.from({ length: 260 }, () => run.request());
    await raw.requested(260);
    raw.answerAll(OK);
    for (const exchange of exchanges) await run.over(exchange);
    await raw.openUntil(256);
    await run.over(run.request());
    expect(raw.open()).toBe(256);
    expect(raw.connections()).toBe(260);
  });

  test("does not keep what the origin does not want kept", async () => {
    const ports = new Set<number | undefined>();
    const closing = await origin((request, response) => {
      ports.add(request.socket.remotePort);
      response.setHeader("Connection", "close").end("ok");
    });
    const run = start(closing.url);
    for (let round = 0; round < 2; round++) await run.over(run.request());
    expect(run.log.types()).not.toContain("origin_failed");
    expect(ports.size).toBe(2);
  });

  test("offers the latest TLS session to the origin again", async () => {
    const wasReused: boolean[] = [];
    const server = https.createServer(createCertificate(), (request, response) => {
      if (request.socket instanceof TLSSocket) wasReused.push(request.socket.isSessionReused());
      response.setHeader("Connection", "close").end("ok");
    });
    const run = start(new URL(`https://${await listen(server, cleanups)}/`), { tlsSkipVerify: true });
    for (let round = 0; round < 2; round++) await run.over(run.request());
    expect(wasReused).toEqual([false, true]);
  });
});
