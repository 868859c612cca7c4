/**
 * What strangers send to the public port: HTTP that can be read in two ways, HTTP that is none, and HTTP at its edges.
 * Each request here names a connected home and carries its token, so that whatever the edge lets through would arrive.
 */
import { randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import { startHome } from "../helpers/moosicbox-agent.ts";
import { connect, statuses } from "../helpers/raw-http.ts";
import type { ServerOptions } from "../helpers/tunnel.ts";

async function startVisitedHome(options: ServerOptions = {}) {
  const home = await startHome(options);
  const { server, agent } = home;
  const authorization = `Authorization: Bearer ${home.clientToken}`;
  return {
    ...home,
    authorization,
    connect: () => connect(server.port),
    /** A head for the home, which a test completes with headers of its own. */
    head: (method: string, ...headers: string[]) =>
      [`${method} ${home.target("/x")} HTTP/1.1`, "Host: x", authorization, ...headers, "", ""].join("\r\n"),
    /** A good request is the first thing that the home hears of. */
    async hasHeardNothing(): Promise<void> {
      const asked = home.ask("/good");
      const request = await agent.request();
      expect(request.path).toBe("good");
      agent.reply(request);
      expect((await asked).status).toBe(200);
    },
  };
}

type Home = Awaited<ReturnType<typeof startVisitedHome>>;

/** The bytes get 400 or a silent close, the home hears nothing, and no stack trace is logged. */
async function expectRefused(home: Home, bytes: string | Buffer): Promise<void> {
  const visitor = home.connect();
  visitor.socket.write(typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes);
  visitor.socket.end();
  await visitor.untilEnded();
  expect(statuses(visitor).filter((status) => status !== 400)).toEqual([]);
  await home.hasHeardNothing();
  expect(home.server.log.text).not.toContain('"stack"');
}

describe("framing that two readers would read differently", () => {
  test.each([
    ["both a length and chunks", ["Content-Length: 5", "Transfer-Encoding: chunked"]],
    ["chunks and a length", ["Transfer-Encoding: chunked", "Content-Length: 5"]],
    ["two lengths that differ", ["Content-Length: 5", "Content-Length: 6"]],
    ["a list of lengths", ["Content-Length: 5, 5"]],
    ["a length with a sign", ["Content-Length: +5"]],
    ["a negative length", ["Content-Length: -5"]],
    ["a hexadecimal length", ["Content-Length: 0x5"]],
    ["an empty length", ["Content-Length:"]],
  ])("H01: refuses %s", async (_what, headers) => {
    const home = await startVisitedHome();
    await expectRefused(home, `${home.head("POST", ...headers)}"abc"`);
  });

  test.each([
    ["another coding behind chunked", ["Transfer-Encoding: chunked, identity"]],
    ["another coding before chunked", ["Transfer-Encoding: gzip, chunked"]],
    ["chunked twice", ["Transfer-Encoding: chunked, chunked"]],
    ["two fields", ["Transfer-Encoding: chunked", "Transfer-Encoding: identity"]],
    ["an unknown coding", ["Transfer-Encoding: xchunked"]],
    ["a vertical tab before the coding", ["Transfer-Encoding: \x0bchunked"]],
    ["a folded field", ["Transfer-Encoding:", " chunked"]],
  ])("H02: refuses %s in Transfer-Encoding", async (_what, headers) => {
    const home = await startVisitedHome();
    await expectRefused(home, `${home.head("POST", ...headers)}5\r\n"abc"\r\n0\r\n\r\n`);
  });

  test("H02: takes a tab before the coding for the white space that it is", async () => {
    const home = await startVisitedHome();
    const visitor = home.connect();
    visitor.send(`${home.head("POST", "Transfer-Encoding:\tchunked")}5\r\n"abc"\r\n0\r\n\r\n`);
    const request = await home.agent.request();
    expect(request.payload).toBe("abc");
    home.agent.reply(request);
    await visitor.untilText("200 OK");
  });
});

describe("bytes that are not HTTP", () => {
  /** `good` is the rest of a head with which the request would be served. */
  test.each<[string, (line: string, good: string) => string | Buffer]>([
    ["a space before the colon", (line, good) => `${line}Host : x\r\n${good}`],
    ["a space before a header's name", (line, good) => `${line} A: b\r\nHost: x\r\n${good}`],
    ["a folded header", (line, good) => `${line}Host: x\r\nA: b\r\n c\r\n${good}`],
    ["a bare CR in a value", (line, good) => `${line}Host: x\r\nA: b\rc\r\n${good}`],
    ["bare LF as line ends", (line, good) => `${line}Host: x\r\n${good}`.replaceAll("\r\n", "\n")],
    ["a NUL in a value", (line, good) => `${line}Host: x\r\nA: b\0c\r\n${good}`],
    ["no host", (line, good) => `${line}${good}`],
    ["two hosts", (line, good) => `${line}Host: x\r\nHost: y\r\n${good}`],
    ["a TLS hello", () => Buffer.from("160301010001000100fc0303", "hex")],
    ["a PROXY line", (line, good) => `PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n${line}Host: x\r\n${good}`],
    ["random bytes", () => Buffer.concat([Buffer.from([0]), randomBytes(4_096)])],
  ])("H03: refuses %s", async (_what, bytesOf) => {
    const home = await startVisitedHome();
    await expectRefused(
      home,
      bytesOf(`GET ${home.target("/x")} HTTP/1.1\r\n`, `${home.authorization}\r\n\r\n`),
    );
  });

  test("H03: the same request without such a fault is served", async () => {
    const home = await startVisitedHome();
    const visitor = home.connect();
    visitor.send(home.head("GET"));
    home.agent.reply(await home.agent.request(), { body: "served" });
    await visitor.untilText("served");
  });
});

describe("a request body", () => {
  test.each([
    ["beyond any number", "FFFFFFFFFFFFFFFFF\r\n"],
    ["that is negative", "-1\r\n"],
    ["with a prefix", "0x5\r\n"],
    ["with garbage behind it", "5 x\r\n"],
    ["with a space behind it", "5 \r\n"],
    ["with a lone LF behind it", "5\n"],
    ["that is empty", "\r\n"],
  ])("H04: is refused for a chunk size %s", async (_what, size) => {
    const home = await startVisitedHome();
    await expectRefused(home, `${home.head("POST", "Transfer-Encoding: chunked")}${size}"abc"\r\n0\r\n\r\n`);
  });

  test("H04: is refused for sixteen megabytes of chunk extensions, long before they are read", async () => {
    const home = await startVisitedHome();
    const visitor = home.connect();
    visitor.send(home.head("POST", "Transfer-Encoding: chunked"));
    visitor.send(`5;${"x".repeat(64 * 1024)}`);
    await visitor.untilText(" 400 ");
    visitor.send("x".repeat(16 * 1024 * 1024));
    visitor.socket.end();
    await visitor.untilEnded();
    await home.hasHeardNothing();
    expect(await home.server.status()).toMatchObject({ exchanges: 0, heldBytes: 0 });
  });

  test("H05: that is shorter than it says never becomes a shorter complete one", async () => {
    const home = await startVisitedHome();
    const visitor = home.connect();
    visitor.send(`${home.head("POST", "Content-Length: 100")}{"a":1}`);
    visitor.socket.end();
    await visitor.untilEnded();
    expect(statuses(visitor).filter((status) => status !== 400)).toEqual([]);
    await home.server.log.line("exchange ended", { outcome: "visitor_left" });
    await home.hasHeardNothing();
  });

  test("H05: that stops half-way gets 408, and the home hears nothing", async () => {
    const home = await startVisitedHome({ limits: { exchangeIdleMs: 100 } });
    const visitor = home.connect();
    visitor.send(`${home.head("POST", "Content-Length: 100")}{"a":1}`);
    await visitor.untilEnded();
    expect(statuses(visitor)).toEqual([408]);
    expect(visitor.text).toContain('"code":"request_timeout"');
    await home.hasHeardNothing();
  });

  test("H06: that waits for 100 Continue is asked for once its visitor is let in, and answered by a slow home", async () => {
    const home = await startVisitedHome();
    const visitor = home.connect();
    visitor.send(home.head("POST", "Content-Length: 5", "Expect: 100-continue"));
    await visitor.untilText("100 Continue\r\n\r\n");
    visitor.send('"abc"');
    const request = await home.agent.request();
    expect(request.payload).toBe("abc");
    home.agent.reply(request, { status: 403, body: "not here" });
    await visitor.untilText("not here");
    expect(statuses(visitor)).toEqual([100, 403]);
  });

  test("H06: that waits for 100 Continue is never asked for where its visitor is not let in", async () => {
    const home = await startVisitedHome();
    const visitor = home.connect();
    visitor.send(
      `POST ${home.target("/x")} HTTP/1.1`,
      "Host: x",
      "Authorization: Bearer wrong",
      "Content-Length: 5",
      "Expect: 100-continue",
      "",
      "",
    );
    await visitor.untilEnded();
    expect(statuses(visitor)).toEqual([401]);
    await home.hasHeardNothing();
  });

  test("H06: with an expectation that nobody knows gets 417", async () => {
    const home = await startVisitedHome();
    const visitor = home.connect();
    visitor.send(home.head("POST", "Content-Length: 5", "Expect: a-miracle"));
    await visitor.untilEnded();
    expect(statuses(visitor)).toEqual([417]);
    await home.hasHeardNothing();
  });
});

describe("methods", () => {
  test.each(["DELETE", "PATCH", "OPTIONS"])("H17: carries %s to the home", async (method) => {
    const home = await startVisitedHome();
    const visitor = home.connect();
    visitor.send(home.head(method));
    const request = await home.agent.request();
    expect(request.method).toBe(method);
    home.agent.reply(request, { body: "served" });
    await visitor.untilText("served");
  });

  test.each(["TRACE", "PROPFIND", "M-SEARCH"])(
    "H17: refuses %s at once, which no MoosicBox agent can read, and says what it takes",
    async (method) => {
      const home = await startVisitedHome();
      const visitor = home.connect();
      const body = "<propfind/>";
      visitor.send(home.head(method, `Content-Length: ${body.length}`) + body);
      await visitor.untilText('"code":"method_not_allowed"');
      expect(statuses(visitor)).toEqual([405]);
      expect(visitor.text).toMatch(/\r\nallow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n/i);
      await home.hasHeardNothing();
    },
  );

  test.each([
    ["CONNECT", "CONNECT home.example:443", 405],
    ["OPTIONS of everything", "OPTIONS *", 400],
    ["a method in lower case", "get /x?clientId=home", 400],
    ["a method of forty letters", `${"X".repeat(40)} /x?clientId=home`, 400],
  ])("H17: refuses %s", async (_what, line, status) => {
    const home = await startVisitedHome();
    const visitor = home.connect();
    visitor.send(`${line} HTTP/1.1`, "Host: x", home.authorization, "Connection: close", "", "");
    await visitor.untilEnded();
    expect(statuses(visitor)).toEqual([status]);
    await home.hasHeardNothing();
  });
});

describe("pipelining", () => {
  test("H19: takes nothing that follows the last request of its connection", async () => {
    const home = await startVisitedHome();
    const visitor = home.connect();
    visitor.send(`${home.head("GET", "Connection: close")}${home.head("GET")}`);
    home.agent.reply(await home.agent.request());
    await visitor.untilEnded();
    expect(statuses(visitor)).toEqual([200]);
    await home.hasHeardNothing();
  });

  test("H19: answers a slow, a fast and a malformed request in their order, each its own", async () => {
    const home = await startVisitedHome();
    const visitor = home.connect();
    visitor.send(`${home.head("GET")}${home.head("HEAD")}${home.head("GET")}\0\r\n\r\n`);
    const requests = [await home.agent.request(), await home.agent.request(), await home.agent.request()];
    const [slow, head, fast] = requests;
    if (slow === undefined || head === undefined || fast === undefined) throw new Error("unreachable");
    home.agent.reply(fast, { body: "fast" });
    home.agent.reply(head, { headers: { "content-length": "17" } });
    await home.agent.heard();
    home.agent.reply(slow, { body: "slow" });
    await visitor.untilEnded();
    expect(statuses(visitor)).toEqual([200, 200, 200, 400]);
    expect(visitor.text).toMatch(/\r\n\r\nslowHTTP[\s\S]*: 17[\s\S]*\r\n\r\nHTTP[\s\S]*\r\n\r\nfastHTTP/);
  });
});

describe("an upgrade", () => {
  const KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
  const VERSION = "Sec-WebSocket-Version: 13";
  const UPGRADE = ["Connection: Upgrade", "Upgrade: websocket"];

  test("H27: to h2c is ignored, and the request served as HTTP/1.1", async () => {
    const home = await startVisitedHome();
    const visitor = home.connect();
    visitor.send(
      home.head("GET", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk"),
    );
    home.agent.reply(await home.agent.request(), { body: "plain" });
    await visitor.untilText("plain");
    expect(statuses(visitor)).toEqual([200]);
  });

  test.each([
    ["without a key", "GET", [...UPGRADE, VERSION], ""],
    ["with a key that is no key", "GET", [...UPGRADE, VERSION, "Sec-WebSocket-Key: x"], ""],
    ["of another version", "GET", [...UPGRADE, KEY, "Sec-WebSocket-Version: 8"], ""],
    ["with a body", "GET", [...UPGRADE, KEY, VERSION, "Content-Length: 5"], '"abc"'],
    ["with POST", "POST", [...UPGRADE, KEY, VERSION], ""],
  ])("H27: %s is refused", async (_what, method, headers, body) => {
    const home = await startVisitedHome();
    const visitor = home.connect();
    visitor.send(home.head(method, ...headers) + body);
    await visitor.untilEnded();
    expect(statuses(visitor)).toEqual([400]);
    await home.hasHeardNothing();
  });

  test("H27: on HTTP/1.0 is refused", async () => {
    const home = await startVisitedHome();
    const visitor = home.connect();
    visitor.send(`GET ${home.target("/ws")} HTTP/1.0`, "Host: x", ...UPGRADE, KEY, VERSION, "", "");
    await visitor.untilEnded();
    expect(statuses(visitor)).toEqual([400]);
  });

  test("H27: well-formed, to a path of the home, is refused by name: the MoosicBox protocol has no place for it", async () => {
    const home = await startVisitedHome();
    const visitor = home.connect();
    visitor.send(home.head("GET", ...UPGRADE, KEY, VERSION));
    await visitor.untilEnded();
    expect(statuses(visitor)).toEqual([501]);
    expect(visitor.text).toContain('"code":"upgrade_unsupported"');
    await home.hasHeardNothing();
  });

  test("H27: plain HTTP to the path of WebSockets is told to upgrade", async () => {
    const home = await startVisitedHome();
    expect((await home.ask("/ws")).status).toBe(426);
  });

  test("H27: and the connection ends after that where the visitor wants it to", async () => {
    const home = await startVisitedHome();
    const visitor = home.connect();
    visitor.send("GET /ws?clientId=home HTTP/1.1", "Host: x", "Connection: close", "", "");
    await visitor.untilEnded();
    expect(statuses(visitor)).toEqual([426]);
    expect(visitor.text).toMatch(/\r\nconnection: upgrade\r\n/i);
    expect(visitor.text).toMatch(/\r\nconnection: close\r\n/i);
  });
});
