import { randomBytes } from "node:crypto";
import { describe, expect, onTestFinished, test } from "vitest";
import { createNonceSource } from "../../../adapters/nonce.ts";
import { HttpServer, type HttpServerEvent } from "../../../adapters/server/http.ts";
import { type ServerSocketEvent, ServerSockets } from "../../../adapters/server/web-sockets.ts";
import { edgeLimits } from "../../../core/edge/limits.ts";
import type { ExchangeId } from "../../../core/ids.ts";
import { EventLog } from "../event-log.ts";
import { RawClient } from "../raw-client.ts";
import { bodyOf, head, KIB, MIB, sha256 } from "./http-harness.ts";

const HANDSHAKE = [
  "Connection: keep-alive, Upgrade",
  "upgrade: WebSocket",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  "X-Twice: 1",
  "x-tWICE: 2",
];
const ACCEPTED = [
  "Upgrade",
  "websocket",
  "connection",
  "Upgrade",
  "Set-Cookie",
  "a=1",
  "set-cookie",
  "b=\u00e9",
];
const ACCEPTED_HEAD =
  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nconnection: Upgrade\r\nSet-Cookie: a=1\r\nset-cookie: b=\u00e9\r\n\r\n";

describe("a handshake that is forwarded", () => {
  test("opens an exchange with target and headers as they were sent, and its socket is never heard of again", async () => {
    const run = await start();
    const client = run.client();
    client.get("/a//b?x=%ff", ...HANDSHAKE);
    const opened = await run.log.first("exchange_opened");
    expect(opened).toEqual({
      type: "exchange_opened",
      exchange: 1,
      connection: 1,
      method: "GET",
      target: "/a//b?x=%ff",
      headers: ["Host: x", ...HANDSHAKE].flatMap((line) => line.split(": ")),
      hasBody: true,
      upgrade: true,
      expectsContinue: false,
      peer: "127.0.0.1",
      nonce: expect.any(Uint8Array),
    });
    client.leave();
    expect(await run.log.first("exchange_closed")).toMatchObject({ complete: false });
    expect(run.socketLog.types()).toEqual(["upgrade_requested"]);
  });

  test("is answered with the headers of the home service, order, spelling and duplicates kept", async () => {
    const run = await start();
    const { client, exchange } = await run.forwarded();
    run.http.perform({ type: "respond_upgrade", exchange, headers: ACCEPTED });
    run.http.perform({ type: "respond_body", exchange, bytes: Buffer.from("first") });
    await client.untilText("first");
    expect(client.text).toBe(`${ACCEPTED_HEAD}first`);
    expect(run.log.types()).toEqual(["exchange_opened", "exchange_flushed"]);
  });

  test("may get interim responses before its answer", async () => {
    const run = await start();
    const { client, exchange } = await run.forwarded();
    run.http.perform({ type: "respond_interim", exchange, status: 103, headers: ["Link", "</a>"] });
    run.http.perform({ type: "respond_upgrade", exchange, headers: ACCEPTED });
    await client.untilText("101");
    expect(client.text).toBe(`HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${ACCEPTED_HEAD}`);
  });

  test("hands over what came before the answer, in order", async () => {
    const run = await start(false);
    const client = run.client();
    client.socket.cork();
    client.get("/", ...HANDSHAKE);
    client.send("with it, ");
    client.socket.uncork();
    const { socket } = await run.socketLog.first("upgrade_requested");
    client.send("before it is forwarded, ");
    await run.pulse();
    run.sockets.perform({ type: "upgrade_forward", socket });
    const exchange = run.newest();
    client.send("before the answer, ");
    await run.pulse();
    expect(run.log.all("exchange_body")).toEqual([]);
    run.http.perform({ type: "respond_upgrade", exchange, headers: ACCEPTED });
    client.send("after it");
    await run.log.until(() => run.received(exchange).toString().endsWith("after it"));
    expect(run.received(exchange).toString()).toBe(
      "with it, before it is forwarded, before the answer, after it",
    );
  });

  test("is read no further than a bound before the answer, and nothing is lost", async () => {
    const run = await start();
    const { client, exchange } = await run.forwarded();
    const sent = randomBytes(32 * MIB);
    client.socket.write(sent);
    await run.upload(64 * MIB);
    expect(client.socket.writableLength).toBeGreaterThan(0);
    run.http.perform({ type: "respond_upgrade", exchange, headers: ACCEPTED });
    await run.log.until(() => run.receivedBytes(exchange) === sent.length);
    expect(sha256([run.received(exchange)])).toBe(sha256([sent]));
  });

  test("is closed when its visitor leaves before the answer, which then changes nothing", async () => {
    const run = await start();
    const { client, exchange } = await run.forwarded();
    client.socket.end();
    expect(await run.log.first("exchange_closed")).toEqual({
      type: "exchange_closed",
      exchange,
      complete: false,
    });
    run.http.perform({ type: "respond_upgrade", exchange, headers: ACCEPTED });
    run.http.perform({ type: "respond_body", exchange, bytes: Buffer.from("late") });
    await client.untilEnded();
    expect(client.text).toBe("");
    expect(run.log.events).toHaveLength(2);
  });

  test("T23 that is refused brings status, headers and body, and ends the connection", async () => {
    const run = await start();
    const { client, exchange } = await run.forwarded();
    client.send("too early");
    run.http.perform({
      type: "respond",
      exchange,
      status: 403,
      headers: ["X-Two", "1", "x-two", "2", "content-length", "2"],
      body: [Buffer.from("no")],
      close: false,
    });
    await client.untilEnded();
    expect(client.ending).toBe("end");
    expect(client.text).toMatch(
      /^HTTP\/1.1 403 Forbidden\r\nX-Two: 1\r\nx-two: 2\r\ncontent-length: 2\r\nconnection: close\r\n.*\r\n\r\nno$/s,
    );
    expect(run.log.events.slice(1)).toEqual([
      { type: "exchange_flushed", exchange, bytes: 2 },
      { type: "exchange_closed", exchange, complete: true },
    ]);
  });

  test("T23 that is refused with a streamed response gets all of it, trailers included", async () => {
    const run = await start();
    const { client, exchange } = await run.forwarded();
    run.http.perform({ ...head(exchange), status: 502 });
    const bytes = Buffer.alloc(3 * MIB, 120);
    run.http.perform({ type: "respond_body", exchange, bytes });
    run.http.perform({ type: "respond_end", exchange, trailers: ["X-End", "1"] });
    await client.untilEnded();
    expect(client.ending).toBe("end");
    expect(client.text).toMatch(/^HTTP\/1.1 502 .*transfer-encoding: chunked\r\n/is);
    expect(client.text).toMatch(/x\r\n0\r\nX-End: 1\r\n\r\n$/);
    expect(run.flushed(exchange)).toBe(bytes.length);
    expect(await run.log.first("exchange_closed")).toMatchObject({ complete: true });
  });
});

describe("an upgraded connection", () => {
  test("T21 carries any bytes both ways, and reports what has left", async () => {
    const run = await start();
    const { client, exchange } = await run.upgraded();
    const down = Array.from({ length: 40 }, () => randomBytes(100 * KIB));
    const up = randomBytes(4 * MIB);
    client.socket.write(up);
    for (const bytes of down) run.http.perform({ type: "respond_body", exchange, bytes });
    await client.until(() => bodyOf(client).length === 4_000 * KIB);
    await run.log.until(() => run.receivedBytes(exchange) === up.length);
    await run.log.until(() => run.flushed(exchange) === 4_000 * KIB);
    expect(sha256([bodyOf(client)])).toBe(sha256(down));
    expect(sha256([run.received(exchange)])).toBe(sha256([up]));
  });

  test("sends each piece at once", async () => {
    const run = await start();
    const { client, exchange } = await run.upgraded();
    for (const piece of ["one", "two", "three"]) {
      run.http.perform({ type: "respond_body", exchange, bytes: Buffer.from(piece) });
      await client.until(() => bodyOf(client).toString().endsWith(piece));
    }
    expect(bodyOf(client).toString()).toBe("onetwothree");
  });

  test("H22 reports progress while a slow visitor takes a long backlog bit by bit", async () => {
    const run = await start();
    const { client, exchange } = await run.upgraded();
    client.socket.pause();
    for (let index = 0; index < 32; index++) {
      run.http.perform({ type: "respond_body", exchange, bytes: Buffer.alloc(1 * MIB) });
    }
    run.http.perform({ type: "respond_end", exchange, trailers: [] });
    await run.log.first("exchange_flushed");
    expect(run.flushed(exchange)).toBeLessThan(32 * MIB);
    client.socket.resume();
    await client.untilEnded();
    expect(bodyOf(client)).toHaveLength(32 * MIB);
    await run.log.until(() => run.flushed(exchange) === 32 * MIB);
    expect(run.log.all("exchange_flushed")).toHaveLength(32);
  });

  test("is read no further while it is paused", async () => {
    const run = await start();
    const { client, exchange } = await run.upgraded();
    run.http.perform({ type: "exchange_pause", exchange, paused: true });
    client.socket.write(Buffer.alloc(32 * MIB));
    await run.upload(64 * MIB);
    expect(client.socket.writableLength).toBeGreaterThan(0);
    expect(run.receivedBytes(exchange)).toBeLessThan(1 * MIB);
    run.http.perform({ type: "exchange_pause", exchange, paused: false });
    await run.log.until(() => run.receivedBytes(exchange) === 32 * MIB);
  });

  test("that the visitor ends first can still be written to, and is complete with our end", async () => {
    const run = await start();
    const { client, exchange } = await run.upgraded();
    client.socket.end("bye");
    await run.log.first("exchange_body_ended");
    expect(run.received(exchange).toString()).toBe("bye");
    run.http.perform({ type: "respond_body", exchange, bytes: Buffer.from("so long") });
    run.http.perform({ type: "respond_end", exchange, trailers: [] });
    await client.untilEnded();
    expect(client.ending).toBe("end");
    expect(bodyOf(client).toString()).toBe("so long");
    await run.log.first("exchange_closed");
    expect(run.log.events.slice(1)).toEqual([
      { type: "exchange_body", exchange, bytes: Buffer.from("bye") },
      { type: "exchange_body_ended", exchange, trailers: [] },
      { type: "exchange_flushed", exchange, bytes: 7 },
      { type: "exchange_closed", exchange, complete: true },
    ]);
  });

  test("that we end first can still be read from, and is complete with the visitor's end", async () => {
    const run = await start();
    const { client, exchange } = await run.upgraded();
    run.http.perform({ type: "respond_body", exchange, bytes: Buffer.from("so long") });
    run.http.perform({ type: "respond_end", exchange, trailers: [] });
    await client.untilEnded();
    client.send("and thanks");
    await run.log.until(() => run.received(exchange).toString() === "and thanks");
    expect(run.log.all("exchange_closed")).toEqual([]);
    client.socket.end();
    expect(await run.log.first("exchange_closed")).toEqual({
      type: "exchange_closed",
      exchange,
      complete: true,
    });
    expect(run.log.all("exchange_body_ended")).toHaveLength(1);
  });

  test.each([true, false])("that is cut ends without being complete (after our end: %s)", async (isEnded) => {
    const run = await start();
    const { client, exchange } = await run.upgraded();
    run.http.perform({ type: "respond_body", exchange, bytes: Buffer.from("part") });
    if (isEnded) run.http.perform({ type: "respond_end", exchange, trailers: [] });
    await client.untilText("part");
    run.http.perform({ type: "respond_cut", exchange });
    expect(await run.log.first("exchange_closed")).toEqual({
      type: "exchange_closed",
      exchange,
      complete: false,
    });
    await client.untilEnded();
  });

  test("that breaks is not complete, and what was not sent is never reported as flushed", async () => {
    const run = await start();
    const { client, exchange } = await run.upgraded();
    client.socket.pause();
    for (let index = 0; index < 32; index++) {
      run.http.perform({ type: "respond_body", exchange, bytes: Buffer.alloc(1 * MIB) });
    }
    run.http.perform({ type: "respond_end", exchange, trailers: [] });
    client.socket.resetAndDestroy();
    expect(await run.log.first("exchange_closed")).toMatchObject({ exchange, complete: false });
    expect(run.flushed(exchange)).toBeLessThan(32 * MIB);
    expect(run.log.events.at(-1)?.type).toBe("exchange_closed");
  });

  test("ends when the server closes", async () => {
    const run = await start();
    const { client, exchange } = await run.upgraded();
    await run.http.close();
    await client.untilEnded();
    expect(run.log.events.at(-1)).toEqual({ type: "exchange_closed", exchange, complete: false });
  });
});

/** Both adapters of the server, wired as `server.ts` does it; with `forwards` each handshake is forwarded as it comes. */
async function start(forwards = true) {
  const log = new EventLog<HttpServerEvent>();
  const socketLog = new EventLog<ServerSocketEvent>();
  const nonce = createNonceSource();
  const sockets = new ServerSockets({
    messageBytesMax: 1 * MIB,
    nonce,
    dispatch: (event) => {
      socketLog.dispatch(event);
      if (forwards && event.type === "upgrade_requested") {
        sockets.perform({ type: "upgrade_forward", socket: event.socket });
      }
    },
    onForward: (request) => http.forward(request),
    onRefused: (request) => http.refused(request),
  });
  const http = new HttpServer({
    limits: edgeLimits,
    trustedProxies: [],
    port: 0,
    bind: "127.0.0.1",
    dispatch: (event) => {
      log.dispatch(event);
      if (event.type === "exchange_opened" && !event.upgrade) {
        http.perform({
          type: "respond",
          exchange: event.exchange,
          status: 200,
          headers: ["content-length", "5"],
          body: [Buffer.from("pulse")],
          close: true,
        });
      }
    },
    nonce,
    onUpgrade: (request, stream, rest) => sockets.take(request, stream, rest),
  });
  const { port } = await http.listen();
  onTestFinished(() => {
    sockets.close();
    return http.close();
  });
  const client = () => {
    const made = new RawClient(port);
    onTestFinished(() => made.leave());
    return made;
  };
  const forwarded = async () => {
    const made = client();
    made.get("/", ...HANDSHAKE);
    const { exchange } = await log.first("exchange_opened");
    return { client: made, exchange };
  };
  const newest = () => {
    const opened = log.all("exchange_opened").at(-1);
    if (opened === undefined) throw new Error("no exchange was opened");
    return opened.exchange;
  };
  const upgraded = async () => {
    const { client: made, exchange } = await forwarded();
    http.perform({ type: "respond_upgrade", exchange, headers: ACCEPTED });
    await made.untilText("\r\n\r\n");
    return { client: made, exchange };
  };
  /** A whole exchange on a connection of its own: whatever was under way on others has happened by then. */
  const pulse = async () => {
    const other = client();
    other.get("/pulse");
    await other.untilEnded();
  };
  /** Twice the work of somebody who waits, begun later: once it is done, the other would be done as well if it did not wait. */
  const upload = async (bytes: number) => {
    const other = client();
    other.get("/", ...HANDSHAKE);
    const opened = log.all("exchange_opened").length;
    await log.until(() => log.all("exchange_opened").length > opened);
    const exchange = newest();
    http.perform({ type: "respond_upgrade", exchange, headers: ACCEPTED });
    other.socket.write(Buffer.alloc(bytes));
    await log.until(() => receivedBytes(exchange) === bytes);
  };
  const pieces = (exchange: ExchangeId) =>
    log.all("exchange_body").flatMap((event) => (event.exchange === exchange ? [event.bytes] : []));
  const received = (exchange: ExchangeId) => Buffer.concat(pieces(exchange));
  const receivedBytes = (exchange: ExchangeId) =>
    pieces(exchange).reduce((sum, bytes) => sum + bytes.length, 0);
  const flushed = (exchange: ExchangeId) =>
    log
      .all("exchange_flushed")
      .reduce((sum, event) => sum + (event.exchange === exchange ? event.bytes : 0), 0);
  return {
    http,
    sockets,
    log,
    socketLog,
    client,
    forwarded,
    upgraded,
    newest,
    upload,
    pulse,
    received,
    receivedBytes,
    flushed,
  };
}
