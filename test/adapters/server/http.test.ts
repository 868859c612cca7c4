import { randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import { HttpServer } from "../../../adapters/server/http.ts";
import { NONCE_BYTES } from "../../../core/events.ts";
import { head, KIB, MIB, sha256, start } from "./http-harness.ts";

describe("a request", () => {
  test("H14 H16 is reported with method, target and headers as they were sent", async () => {
    const run = await start();
    const client = run.client();
    client.send(
      "M-SEARCH /a//b/../%2e%2e/%2F;x?q=&q=+&&Q=%ff HTTP/1.1",
      "Host: x",
      "X-Twice: 1",
      "accept: */*",
      "x-tWICE: 2",
      "Cookie: a=1",
      "Cookie: b=2",
      "",
      "",
    );
    const opened = await run.opened(1);
    expect(opened).toEqual({
      type: "exchange_opened",
      exchange: 1,
      connection: 1,
      method: "M-SEARCH",
      target: "/a//b/../%2e%2e/%2F;x?q=&q=+&&Q=%ff",
      headers: [
        ["Host", "x"],
        ["X-Twice", "1"],
        ["accept", "*/*"],
        ["x-tWICE", "2"],
        ["Cookie", "a=1"],
        ["Cookie", "b=2"],
      ].flat(),
      hasBody: false,
      upgrade: false,
      expectsContinue: false,
      peer: "127.0.0.1",
      nonce: expect.any(Uint8Array),
    });
    expect(opened.nonce).toHaveLength(NONCE_BYTES);
  });

  test("H15 keeps each of two thousand short headers", async () => {
    const run = await start();
    const client = run.client();
    client.get("/", ...Array.from({ length: 2_000 }, () => "a: b"));
    expect((await run.opened(1)).headers).toHaveLength(2 * 2_001);
  });

  test.each([
    [["content-length: 5"], true],
    [["transfer-encoding: chunked"], true],
    [["content-length: 0"], false],
    [[], false],
  ])("with %j says whether a body follows", async (headers, hasBody) => {
    const run = await start();
    run.client().send("POST / HTTP/1.1", "Host: x", ...headers, "", "");
    expect((await run.opened(1)).hasBody).toBe(hasBody);
  });

  test("hands over its body only when that is ordered, whole and with its end", async () => {
    const run = await start();
    const body = randomBytes(3 * MIB);
    const client = run.client();
    client.send("POST / HTTP/1.1", "Host: x", `content-length: ${body.length}`, "", "");
    client.socket.write(body);
    const { exchange } = await run.opened(1);
    client.get("/next");
    expect(run.log.types()).toEqual(["exchange_opened"]);
    run.server.perform({ type: "exchange_read", exchange });
    await run.log.first("exchange_body_ended");
    expect(sha256(run.log.all("exchange_body").map((event) => event.bytes))).toBe(sha256([body]));
    await run.opened(2);
  });

  test("H06 that expects 100 gets it when its body is wanted and not before", async () => {
    const run = await start();
    const client = run.client();
    client.send("POST / HTTP/1.1", "Host: x", "content-length: 4", "expect: 100-continue", "", "");
    const { exchange } = await run.opened(1);
    expect(client.text).toBe("");
    run.server.perform({ type: "exchange_read", exchange });
    await client.untilText("HTTP/1.1 100 Continue\r\n\r\n");
    client.send("body");
    await run.log.first("exchange_body_ended");
    run.respond(exchange, { body: ["done"] });
    await client.untilText("done");
    expect((await run.log.first("exchange_closed")).complete).toBe(true);
  });

  test("H06 with another expectation gets 417 and never reaches the core", async () => {
    const run = await start();
    const client = run.client();
    client.get("/", "expect: the-unexpected");
    await client.untilEnded();
    expect(client.text).toMatch(/^HTTP\/1.1 417 .*"code":"expectation_failed"/s);
    expect(run.log.events).toEqual([]);
  });

  test("H05 whose body is shorter than it says is closed without an end of the body", async () => {
    const run = await start();
    const client = run.client();
    client.send("POST / HTTP/1.1", "Host: x", "content-length: 10", "", "part");
    const { exchange } = await run.opened(1);
    run.server.perform({ type: "exchange_read", exchange });
    await run.log.first("exchange_body");
    client.socket.end();
    expect((await run.log.first("exchange_closed")).complete).toBe(false);
    expect(run.log.all("exchange_body_ended")).toEqual([]);
    await client.untilEnded();
    expect(client.text).toMatch(/^HTTP\/1.1 400 /);
  });
});

describe("what is not HTTP", () => {
  test.each([
    ["H01 content-length beside transfer-encoding", ["content-length: 4", "transfer-encoding: chunked"]],
    ["H01 two differing lengths", ["content-length: 4", "content-length: 5"]],
    ["H01 a list of lengths", ["content-length: 5, 5"]],
    ["H01 a signed length", ["content-length: +5"]],
    ["H01 a hexadecimal length", ["content-length: 0x5"]],
    ["H02 a coding after chunked", ["transfer-encoding: chunked, identity"]],
    ["H02 an unknown coding", ["transfer-encoding: xchunked"]],
    ["H02 a coding that nobody here undoes", ["transfer-encoding: gzip, chunked"]],
    ["H02 two codings in two lines", ["transfer-encoding: chunked", "transfer-encoding: chunked"]],
    ["H02 a vertical tab before chunked", ["transfer-encoding: \vchunked"]],
    ["H03 a space before the colon", ["x : 1"]],
    ["H03 a folded header", ["x: 1", " 2"]],
    ["H03 a bare CR", ["x: 1\r2"]],
    ["H03 NUL", ["x: 1\0"]],
  ])("%s gets 400 and opens nothing", async (_name, headers) => {
    const run = await start();
    const client = run.client();
    client.send("POST / HTTP/1.1", "Host: x", ...headers, "", "12345");
    await client.untilEnded();
    expect(client.text).toMatch(/^HTTP\/1.1 400 .*connection: close\r\n.*"code":"bad_request"/s);
    expect(run.log.events).toEqual([]);
  });

  test.each([
    ["H07 no host", []],
    ["H07 two hosts", ["Host: x", "hOST: y"]],
  ])("%s gets 400 and ends the connection", async (_name, headers) => {
    const run = await start();
    const client = run.client();
    client.send("GET / HTTP/1.1", ...headers, "", "GET / HTTP/1.1", "Host: x", "", "");
    await client.untilEnded();
    expect(client.text.match(/HTTP\/1.1 \d+/g)).toEqual(["HTTP/1.1 400"]);
    expect(run.log.events).toEqual([]);
  });

  test.each([
    "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
    "\0\xff\xfe garbage",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
  ])("H03 %j ends the connection and opens nothing", async (bytes) => {
    const run = await start();
    const client = run.client();
    client.send(bytes);
    await client.untilEnded();
    expect(run.log.events).toEqual([]);
  });

  test("H15 a head of 17 KB gets 431", async () => {
    const run = await start();
    const client = run.client();
    client.get("/", `x: ${"y".repeat(17 * KIB)}`);
    await client.untilEnded();
    expect(client.text).toMatch(/^HTTP\/1.1 431 .*"code":"limit_request_headers"/s);
    expect(run.faults).toEqual(["head_too_large"]);
  });

  test("H15 a request line of 64 KB gets 431", async () => {
    const run = await start();
    const client = run.client();
    client.get(`/${"x".repeat(64 * KIB)}`);
    await client.untilEnded();
    expect(client.text).toMatch(/^HTTP\/1.1 431 /);
  });

  test("H17 CONNECT is refused", async () => {
    const run = await start();
    const client = run.client();
    client.send("CONNECT example.com:443 HTTP/1.1", "Host: example.com:443", "", "");
    await client.untilEnded();
    expect(client.text).toMatch(/^HTTP\/1.1 405 /);
    expect(run.log.events).toEqual([]);
  });
});

describe("an upgrade", () => {
  const KEY = "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==";
  const WEBSOCKET = [
    "connection: keep-alive, Upgrade",
    "upgrade: WebSocket",
    "sec-websocket-version: 13",
    KEY,
  ];

  test("that is well-formed is handed over with what followed it", async () => {
    const run = await start();
    const client = run.client();
    client.get("/ws?x=1", ...WEBSOCKET);
    await run.until(() => run.upgrades.length === 1);
    expect(run.upgrades).toEqual(["/ws?x=1"]);
    expect(run.log.events).toEqual([]);
  });

  test("H27 may offer other protocols beside websocket", async () => {
    const run = await start();
    run.client().get("/ws", ...WEBSOCKET.toSpliced(1, 1, "upgrade: h2c, websocket"));
    await run.until(() => run.upgrades.length === 1);
  });

  test.each([
    ["without a key", ["GET / HTTP/1.1", ...WEBSOCKET.slice(0, 3)]],
    ["with a short key", ["GET / HTTP/1.1", ...WEBSOCKET.slice(0, 3), "sec-websocket-key: c2hvcnQ="]],
    ["with two keys", ["GET / HTTP/1.1", ...WEBSOCKET, KEY]],
    ["of another version", ["GET / HTTP/1.1", ...WEBSOCKET.toSpliced(2, 1, "sec-websocket-version: 8")]],
    ["by POST", ["POST / HTTP/1.1", ...WEBSOCKET]],
    ["with a body", ["GET / HTTP/1.1", ...WEBSOCKET, "content-length: 4"]],
    ["on HTTP/1.0", ["GET / HTTP/1.0", ...WEBSOCKET]],
  ])("H27 %s gets 400", async (_name, lines) => {
    const run = await start();
    const client = run.client();
    client.send(...lines, "Host: x", "", "");
    await client.untilEnded();
    expect(client.text).toMatch(/^HTTP\/1.1 400 .*sec-websocket-version: 13\r\n/s);
    expect(run.upgrades).toEqual([]);
    expect(run.log.events).toEqual([]);
  });

  test.each([
    ["to h2c", ["connection: Upgrade, HTTP2-Settings", "upgrade: h2c"]],
    ["that the connection header does not name", ["upgrade: websocket"]],
  ])("H27 %s is a plain request", async (_name, headers) => {
    const run = await start();
    const client = run.client();
    client.get("/", ...headers);
    const { exchange } = await run.opened(1);
    run.respond(exchange, { body: ["plain"] });
    await client.untilText("plain");
    expect(run.upgrades).toEqual([]);
  });

  test("behind a response that is still due gets 400 in its turn", async () => {
    const run = await start();
    const client = run.client();
    client.get("/first");
    client.get("/ws", ...WEBSOCKET);
    const { exchange } = await run.opened(1);
    await run.pulse();
    run.respond(exchange, { body: ["first"] });
    await client.untilEnded();
    expect(client.text).toMatch(/\r\n\r\nfirstHTTP\/1.1 400 /);
    expect(run.upgrades).toEqual([]);
  });
});

describe("the listener", () => {
  test("H23 closes connections beyond its limit as they come", async () => {
    const run = await start({ limits: { connectionsMax: 1 } });
    const [first, second] = [run.client(), run.client()];
    await second.untilEnded();
    first.get("/");
    await run.opened(1);
  });

  test("reports an address that is taken", async () => {
    const run = await start();
    const second = new HttpServer({ ...run.options, port: run.port });
    await expect(second.listen()).rejects.toMatchObject({ code: "EADDRINUSE" });
  });

  test("H28 once closed takes no connection, ends idle ones, and lets running responses finish", async () => {
    const run = await start();
    const [idle, begun, waiting] = [run.client(), run.client(), run.client()];
    idle.get("/idle");
    run.respond((await run.opened(1)).exchange, { body: ["idle"] });
    await idle.untilText("idle");
    begun.get("/begun");
    const streaming = (await run.opened(2)).exchange;
    run.server.perform(head(streaming));
    await begun.untilText("\r\n\r\n");
    waiting.get("/waiting");
    const late = (await run.opened(3)).exchange;

    run.server.perform({ type: "listener_close" });
    await idle.untilEnded();
    const refused = run.client();
    await refused.untilEnded();
    expect(refused.ending).toBe("reset");
    run.server.perform({ type: "respond_body", exchange: streaming, bytes: Buffer.from("more") });
    run.server.perform({ type: "respond_end", exchange: streaming, trailers: [] });
    run.respond(late, { body: ["late"] });
    await Promise.all([begun.untilEnded(), waiting.untilEnded()]);
    expect(begun.text).toMatch(/4\r\nmore\r\n0\r\n\r\n$/);
    expect(waiting.text).toMatch(/connection: close\r\n.*\r\n\r\nlate$/s);
  });
});
