import { once } from "node:events";
import http from "node:http";
import type net from "node:net";
import { describe, expect, test } from "vitest";
import { WebSocketServer } from "ws";
import { listen } from "../listen.ts";
import { cleanups, MIB, OK, rawOrigin, start } from "./harness.ts";

const SWITCH =
  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nconnection: Upgrade\r\nX-A: 1\r\nx-a: 2\r\n\r\n";
const SWITCH_HEADERS = ["Upgrade", "websocket", "connection", "Upgrade", "X-A", "1", "x-a", "2"];

describe("an upgrade that the origin takes", () => {
  test("goes out with its headers exactly as they are", async () => {
    const raw = await rawOrigin((socket) => socket.write(SWITCH));
    const run = start(new URL("/base", raw.url));
    run.upgrade(["sec-WebSocket-Key", "x", "Cookie", "a=1", "Cookie", "b=2"]);
    await run.log.first("origin_head");
    expect(raw.whole().split("\r\n")).toEqual([
      "GET /base/ws HTTP/1.1",
      "Host: home",
      "Connection: Upgrade",
      "Upgrade: websocket",
      "sec-WebSocket-Key: x",
      "Cookie: a=1",
      "Cookie: b=2",
      "",
      "",
    ]);
  });

  test("carries raw bytes both ways from the first one behind the head, and tells what has left", async () => {
    const raw = await rawOrigin((socket, request, nth) => {
      socket.write(nth === 1 ? `${SWITCH}early` : `<${request}>`);
    });
    const run = start(raw.url);
    const exchange = run.upgrade();
    await run.log.until(() => run.body().toString() === "early");
    expect(run.log.events[0]).toMatchObject({
      type: "origin_head",
      exchange,
      status: 101,
      headers: SWITCH_HEADERS,
    });
    run.send(exchange, "one");
    await run.log.until(() => run.body().toString() === "early<one>");
    run.send(exchange, "two");
    await run.log.until(() => run.body().toString() === "early<one><two>");
    expect(run.flushed(exchange)).toBe(6);
  });

  test("ends when the origin ends it, after what was sent", async () => {
    const raw = await rawOrigin((socket, _request, nth) =>
      nth === 1 ? socket.write(SWITCH) : socket.end("bye"),
    );
    const run = start(raw.url);
    const exchange = run.upgrade();
    await run.log.first("origin_head");
    run.send(exchange, "enough");
    await run.over(exchange);
    expect(run.log.events.at(-1)).toEqual({ type: "origin_ended", exchange, trailers: [] });
    expect(run.body().toString()).toBe("bye");
    run.send(exchange, "late");
    await raw.allClosed();
    expect(raw.whole()).not.toContain("late");
  });

  test("goes on one way when the visitor has ended the other", async () => {
    let peer: net.Socket | undefined;
    const raw = await rawOrigin((socket, _request, nth) => {
      peer = socket;
      socket.allowHalfOpen = true;
      if (nth === 1) socket.write(SWITCH);
    });
    const run = start(raw.url);
    const exchange = run.upgrade();
    await run.log.first("origin_head");
    run.send(exchange, "last words");
    const heardEnd = peer && once(peer, "end");
    run.end(exchange);
    await heardEnd;
    expect(raw.whole()).toMatch(/last words$/);
    expect(run.log.types()).not.toContain("origin_ended");
    peer?.write("still here");
    await run.log.until(() => run.body().toString() === "still here");
    peer?.end();
    await run.over(exchange);
    expect(run.log.events.at(-1)?.type).toBe("origin_ended");
  });

  test("breaks with the connection", async () => {
    const raw = await rawOrigin((socket, _request, nth) =>
      nth === 1 ? socket.write(SWITCH) : socket.resetAndDestroy(),
    );
    const run = start(raw.url);
    const exchange = run.upgrade();
    await run.log.first("origin_head");
    run.send(exchange, "boo");
    await run.over(exchange);
    expect(run.log.events.at(-1)).toEqual({ type: "origin_failed", exchange, fault: "broken" });
  });

  test("stops reading while paused, from the head on", async () => {
    const raw = await rawOrigin((socket) => {
      socket.write(SWITCH);
      for (let part = 0; part < 64; part++) socket.write(Buffer.alloc(MIB));
      socket.end();
    });
    const run = start(raw.url);
    const exchange = run.upgrade();
    run.pause(exchange, true);
    await run.log.first("origin_head");
    const other = await rawOrigin((socket) => socket.write(OK));
    const meanwhile = start(other.url);
    for (let round = 0; round < 50; round++) await meanwhile.over(meanwhile.request());
    // No more than what came in one read with the head.
    expect(run.body().length).toBeLessThanOrEqual(64 * 1024);
    run.pause(exchange, false);
    await run.log.until(() => run.body().length > MIB);
    run.pause(exchange, true);
    const atPause = run.body().length;
    await new Promise((resolve) => setImmediate(resolve));
    expect(run.body().length - atPause).toBeLessThanOrEqual(64 * 1024);
    run.pause(exchange, false);
    await run.over(exchange);
    expect(run.body().length).toBe(64 * MIB);
  });

  test("is cut by an abort, which is its last event, and by close", async () => {
    const raw = await rawOrigin((socket) => socket.write(SWITCH));
    const run = start(raw.url);
    const aborted = run.upgrade();
    await run.log.first("origin_head");
    run.abort(aborted);
    expect(run.log.events.at(-1)).toEqual({ type: "origin_failed", exchange: aborted, fault: "broken" });
    await raw.allClosed();
    const closed = run.upgrade();
    await run.log.until(() => run.log.all("origin_head").length === 2);
    run.origin.close();
    await run.over(closed);
    await raw.allClosed();
    expect(run.log.types()).toEqual(["origin_head", "origin_failed", "origin_head", "origin_failed"]);
  });

  test("is reset by an abort, so that the origin cannot take what came for the whole", async () => {
    const faults: unknown[] = [];
    const raw = await rawOrigin((socket, _request, nth) => {
      if (nth > 1) return;
      socket.on("end", () => faults.push("end")).on("error", (error) => faults.push(error));
      socket.write(SWITCH);
    });
    const run = start(raw.url);
    const exchange = run.upgrade();
    await run.log.first("origin_head");
    run.send(exchange, "half");
    await run.log.until(() => run.flushed(exchange) === 4);
    run.abort(exchange);
    await raw.allClosed();
    expect(faults).toEqual([expect.objectContaining({ code: "ECONNRESET" })]);
  });

  test("says nothing more when it is cut from within its head, whatever came with that", async () => {
    const raw = await rawOrigin((socket) => socket.write(`${SWITCH}early`));
    const run = start(raw.url);
    const exchange = run.upgrade();
    await run.log.until(() => {
      if (run.log.all("origin_head").length === 0) return false;
      run.abort(exchange);
      return true;
    });
    await raw.allClosed();
    expect(run.log.types()).toEqual(["origin_head", "origin_failed"]);
  });

  test("may be silent for longer than a connection may be idle", async () => {
    const raw = await rawOrigin((socket, request) => {
      if (request.startsWith("GET /ws")) socket.write(SWITCH);
      else socket.write(request.startsWith("GET ") ? OK : `<${request}>`);
    });
    const run = start(raw.url);
    const exchange = run.upgrade();
    await run.log.first("origin_head");
    await run.over(run.request());
    await raw.openUntil(1);
    run.send(exchange, "still");
    await run.log.until(() => run.bodyOf(exchange).toString() === "<still>");
  });

  test("does not take its connection from the pool of the others", async () => {
    const raw = await rawOrigin((socket, request) =>
      socket.write(request.startsWith("GET /ws") ? SWITCH : OK),
    );
    const run = start(raw.url);
    await run.over(run.request());
    run.upgrade();
    await run.log.until(() => run.log.all("origin_head").length === 2);
    await run.over(run.request());
    expect(raw.connections()).toBe(2);
  });

  test("T21 lets a WebSocket service see what it knows: a frame in, a frame out, and the closing handshake", async () => {
    const server = http.createServer();
    const services = new WebSocketServer({ server });
    services.on("connection", (webSocket) =>
      webSocket.on("message", (data) => webSocket.send(data.toString())),
    );
    const run = start(new URL(`http://${await listen(server, cleanups)}/`));
    const exchange = run.upgrade([
      "Sec-WebSocket-Version",
      "13",
      "Sec-WebSocket-Key",
      "dGhlIHNhbXBsZSBub25jZQ==",
    ]);
    const head = await run.log.first("origin_head");
    expect(head.headers).toContain("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    // RFC 6455 section 5.7: a masked "Hello", and its echo; then a masked close with 1000.
    run.send(exchange, Buffer.from("818537fa213d7f9f4d5158", "hex"));
    await run.log.until(() => run.body().equals(Buffer.from("810548656c6c6f", "hex")));
    run.send(exchange, Buffer.from("88820000000003e8", "hex"));
    await run.over(exchange);
    expect(run.body().toString("hex")).toBe("810548656c6c6f880203e8");
    expect(run.log.events.at(-1)?.type).toBe("origin_ended");
  });
});

describe("T23 an upgrade that the origin refuses", () => {
  test.each([
    ["401 Unauthorized", "WWW-Authenticate: Basic\r\n"],
    ["302 Found", "Location: /login\r\n"],
    ["426 Upgrade Required", "Upgrade: websocket\r\n"],
  ])("is a plain response, and its connection is good for the next request: %s", async (status, header) => {
    const raw = await rawOrigin((socket, _request, nth) =>
      socket.write(nth === 1 ? `HTTP/1.1 ${status}\r\n${header}Content-Length: 2\r\n\r\nno` : OK),
    );
    const run = start(raw.url);
    const exchange = run.upgrade();
    await run.log.first("origin_head");
    run.send(exchange, "frames of somebody who did not wait");
    run.end(exchange);
    await run.over(exchange);
    expect(run.log.types()).toEqual(["origin_head", "origin_body", "origin_ended"]);
    expect(run.log.events[0]).toMatchObject({ status: Number(status.slice(0, 3)) });
    await run.over(run.request());
    expect(raw.whole()).not.toContain("frames");
    expect(raw.connections()).toBe(1);
  });
});
