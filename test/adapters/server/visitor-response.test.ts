import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { brotliDecompressSync, constants, gunzipSync } from "node:zlib";
import { afterEach, describe, expect, test, vi } from "vitest";
import { noteWholeBuffer } from "../../../adapters/socket/whole-buffers.ts";
import { countWrites } from "../count-writes.ts";
import type { RawClient } from "../raw-client.ts";
import { bodyOf, dechunked, head, KIB, MIB, sha256, start } from "./http-harness.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

describe("a whole response", () => {
  test("H14 arrives in one write with its headers in order, and its exchange closes last", async () => {
    const run = await start();
    const client = run.client();
    client.get("/");
    const { exchange } = await run.opened(1);
    const writes = countWrites();
    const headers = ["Set-Cookie", "a=1", "x-Odd", "\u00e9", "set-cookie", "b=2", "content-length", "4"];
    run.respond(exchange, { headers, body: ["ab", "c\u00ff"] });
    await run.log.first("exchange_closed");
    await client.untilText("abc\u00ff");
    expect(writes.count()).toBe(1);
    expect(client.text).toMatch(
      /^HTTP\/1.1 200 OK\r\nSet-Cookie: a=1\r\nx-Odd: \u00e9\r\nset-cookie: b=2\r\ncontent-length: 4\r\n/,
    );
    expect(run.log.events.slice(1)).toEqual([
      { type: "exchange_flushed", exchange, bytes: 4 },
      { type: "exchange_closed", exchange, complete: true },
    ]);
  });

  test("of many megabytes arrives whole, and its bytes are reported as they go", async () => {
    const run = await start();
    const client = run.client();
    client.get("/");
    const { exchange } = await run.opened(1);
    const body = Array.from({ length: 160 }, () => randomBytes(50_000));
    run.respond(exchange, { headers: ["content-length", String(160 * 50_000)], body });
    await run.log.first("exchange_closed");
    await client.until(() => bodyOf(client).length === 160 * 50_000);
    expect(sha256([bodyOf(client)])).toBe(sha256(body));
    expect(run.flushed(exchange)).toBe(160 * 50_000);
    expect(run.log.all("exchange_flushed").length).toBeGreaterThan(10);
    expect(run.log.events.at(-1)).toEqual({ type: "exchange_closed", exchange, complete: true });
  });

  test.each([
    ["HEAD", 200],
    ["GET", 204],
    ["GET", 304],
  ])(
    "H12 to %s with status %i leaves the connection in step for the next request",
    async (method, status) => {
      const run = await start();
      const client = run.client();
      client.send(`${method} / HTTP/1.1`, "Host: x", "", "");
      const first = await run.opened(1);
      run.respond(first.exchange, { status, headers: ["etag", '"1"'], body: [] });
      client.get("/next");
      const second = await run.opened(2);
      run.respond(second.exchange, { body: ["second"] });
      await client.untilText("second");
      expect(client.text).toMatch(
        new RegExp(`^HTTP/1.1 ${status} .*?\r\n\r\nHTTP/1.1 200 OK.*\r\n\r\nsecond$`, "s"),
      );
      expect(run.log.all("exchange_closed").map((event) => event.complete)).toEqual([true, true]);
    },
  );

  test("H20 that ends the connection reaches a visitor who is still sending", async () => {
    const run = await start();
    const client = run.client();
    client.send("POST / HTTP/1.1", "Host: x", `content-length: ${500 * MIB}`, "", "");
    const { exchange } = await run.opened(1);
    let isUploading = true;
    const upload = () => {
      while (isUploading && client.socket.write(Buffer.alloc(64 * KIB)));
    };
    client.socket.on("drain", upload);
    upload();
    run.respond(exchange, { status: 413, body: ["too large"], close: true });
    await client.untilEnded();
    isUploading = false;
    expect(client.ending).toBe("end");
    expect(client.text).toMatch(/^HTTP\/1.1 413 .*connection: close.*too large$/s);
    expect((await run.log.first("exchange_closed")).complete).toBe(true);
    client.socket.end();
    await once(client.socket, "close");
  });
});

describe("a streamed response", () => {
  test("sends its head at once, its pieces as they come, and the last chunk only at its end", async () => {
    const run = await start();
    const client = run.client();
    client.get("/");
    const { exchange } = await run.opened(1);
    run.server.perform(head(exchange));
    await client.untilText("\r\n\r\n");
    run.server.perform({ type: "respond_body", exchange, bytes: Buffer.from("one") });
    await client.untilText("3\r\none\r\n");
    run.server.perform({ type: "respond_body", exchange, bytes: Buffer.from("two") });
    await client.untilText("3\r\ntwo\r\n");
    expect(client.text).not.toContain("0\r\n\r\n");
    run.server.perform({ type: "respond_end", exchange, trailers: [] });
    await client.untilText("0\r\n\r\n");
    await run.log.first("exchange_closed");
    expect(run.flushed(exchange)).toBe(6);
    expect(run.log.events.at(-1)).toEqual({ type: "exchange_closed", exchange, complete: true });
  });

  test("whose head, body and end are ordered together is one write", async () => {
    const run = await start();
    const client = run.client();
    client.get("/");
    const { exchange } = await run.opened(1);
    const writes = countWrites();
    run.server.perform({ ...head(exchange), headers: ["content-length", "5"] });
    run.server.perform({ type: "respond_body", exchange, bytes: Buffer.from("hello") });
    run.server.perform({ type: "respond_end", exchange, trailers: [] });
    await client.untilText("hello");
    expect(writes.count()).toBe(1);
  });

  test("keeps the bytes of a file name that is not ASCII, wherever the length stands", async () => {
    const run = await start();
    const client = run.client();
    client.get("/");
    const { exchange } = await run.opened(1);
    const disposition = 'attachment; filename="caf\xe9.txt"';
    const headers = ["content-length", "2", "content-disposition", disposition];
    run.server.perform({
      type: "respond",
      exchange,
      status: 200,
      headers,
      body: [Buffer.from("ok")],
      close: false,
    });
    await client.untilText("ok");
    expect(client.text).toContain(`content-disposition: ${disposition}\r\n`);
  });

  test("frees the memory of a piece that nobody else needs when it has left, and of no other", async () => {
    const run = await start();
    const client = run.client();
    client.get("/");
    const { exchange } = await run.opened(1);
    const pieces = ["a", "b"].map((letter) => new Uint8Array(50_000).fill(letter.charCodeAt(0)));
    const [last = new Uint8Array(), shared = new Uint8Array()] = pieces;
    for (const piece of pieces) noteWholeBuffer(piece);
    run.server.perform({ ...head(exchange), headers: ["content-length", "100000"] });
    run.server.perform({ type: "respond_body", exchange, bytes: last, lastUse: true });
    run.server.perform({ type: "respond_body", exchange, bytes: shared });
    run.server.perform({ type: "respond_end", exchange, trailers: [] });
    await client.untilText(`\r\n\r\n${"a".repeat(50_000)}${"b".repeat(50_000)}`);
    await run.log.first("exchange_closed");
    expect(run.flushed(exchange)).toBe(100_000);
    expect([last.buffer.byteLength, shared.buffer.byteLength]).toEqual([0, 50_000]);
  });

  test("announces no trailers to HTTP/1.0, which has none", async () => {
    const run = await start();
    const client = run.client();
    client.send("GET / HTTP/1.0\r\nHost: h\r\n\r\n");
    const { exchange } = await run.opened(1);
    run.server.perform({ ...head(exchange), headers: ["trailer", "x-sum"] });
    run.server.perform({ type: "respond_end", exchange, trailers: ["x-sum", "1"] });
    await run.log.first("exchange_closed");
    expect(client.text).not.toMatch(/trailer|x-sum/i);
  });

  test("H22 reports progress while a slow visitor takes a long backlog bit by bit", async () => {
    const run = await start();
    const client = run.client();
    client.socket.pause();
    client.get("/");
    const { exchange } = await run.opened(1);
    const total = 32 * MIB;
    run.server.perform({ ...head(exchange), headers: ["content-length", String(total)] });
    for (let sent = 0; sent < total; sent += 64 * KIB) {
      run.server.perform({ type: "respond_body", exchange, bytes: Buffer.alloc(64 * KIB, 120) });
    }
    run.server.perform({ type: "respond_end", exchange, trailers: [] });
    await run.log.first("exchange_flushed");
    expect(run.flushed(exchange)).toBeLessThan(total);
    expect(run.log.all("exchange_closed")).toEqual([]);
    client.socket.resume();
    await run.log.first("exchange_closed");
    expect(run.flushed(exchange)).toBe(total);
    expect(run.log.all("exchange_flushed").length).toBeGreaterThan(100);
  });

  test("is never chunked for HTTP/1.0, where the end of the connection ends it", async () => {
    const run = await start();
    const client = run.client();
    client.send("GET / HTTP/1.0", "", "");
    const { exchange } = await run.opened(1);
    run.server.perform(head(exchange));
    run.server.perform({ type: "respond_body", exchange, bytes: Buffer.from("all") });
    run.server.perform({ type: "respond_end", exchange, trailers: [] });
    await client.untilEnded();
    expect(client.ending).toBe("end");
    expect(client.text).toMatch(/\r\n\r\nall$/);
  });
});

describe("compression", () => {
  /** What can be read of a body that has not ended yet. */
  const decoders = {
    br: (coded: Buffer) => brotliDecompressSync(coded, { finishFlush: constants.BROTLI_OPERATION_FLUSH }),
    gzip: (coded: Buffer) => gunzipSync(coded, { finishFlush: constants.Z_SYNC_FLUSH }),
  };

  test.each(["br", "gzip"] as const)(
    "H25 with %s lets each event out before the next one is there",
    async (coding) => {
      const run = await start();
      const client = run.client();
      client.get("/");
      const { exchange } = await run.opened(1);
      run.server.perform({ ...head(exchange), coding });
      let sent = "";
      for (const event of ["data: 1\n\n", "data: 2\n\n", `data: ${"x".repeat(200_000)}\n\n`]) {
        sent += event;
        run.server.perform({ type: "respond_body", exchange, bytes: Buffer.from(event) });
        await client.until(() => decoders[coding](dechunked(client)).toString() === sent);
        await run.log.until(() => run.flushed(exchange) === sent.length);
      }
      run.server.perform({ type: "respond_end", exchange, trailers: [] });
      expect((await run.log.first("exchange_closed")).complete).toBe(true);
      await client.untilText("0\r\n\r\n");
    },
  );

  test("H22 codes no further than a slow visitor reads, and sums up to the bytes of the body", async () => {
    const run = await start();
    const pieces = Array.from({ length: 256 }, () => randomBytes(64 * KIB));
    const download = async (client: RawClient) => {
      client.get("/");
      const { exchange } = await run.opened(run.log.all("exchange_opened").length + 1);
      run.server.perform({ ...head(exchange), coding: "gzip" });
      for (const bytes of pieces) run.server.perform({ type: "respond_body", exchange, bytes });
      run.server.perform({ type: "respond_end", exchange, trailers: [] });
      return exchange;
    };
    const slow = run.client();
    slow.socket.pause();
    const slowExchange = await download(slow);
    // The same work twice more, begun later: once that is done, the slow one would be as well if it did not wait.
    for (const fast of [run.client(), run.client()]) {
      const fastExchange = await download(fast);
      await run.log.until(() => run.flushed(fastExchange) === 16 * MIB);
    }
    expect(run.flushed(slowExchange)).toBeLessThan(16 * MIB);
    slow.socket.resume();
    await run.log.until(() => run.log.of(slowExchange).at(-1)?.type === "exchange_closed");
    expect(run.flushed(slowExchange)).toBe(16 * MIB);
    await slow.until(() => slow.text.endsWith("0\r\n\r\n"));
    expect(sha256([gunzipSync(dechunked(slow))])).toBe(sha256(pieces));
  });
});
