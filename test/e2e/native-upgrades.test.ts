/** WebSockets between visitors and a home's service: the handshake line by line, then whatever goes over them. */
import { once } from "node:events";
import { createServer } from "node:http";
import { describe, expect, onTestFinished, test } from "vitest";
import WebSocket, { WebSocketServer } from "ws";
import { portOf } from "../helpers/origin.ts";
import { bodyOf, DOMAIN, FORWARDED, HOST, headOf, startPassage, without } from "../helpers/passage.ts";
import { statuses } from "../helpers/raw-http.ts";
import { closePayload, frameBytes, OPCODE } from "../helpers/raw-websocket.ts";
import { type Protocol, type Server, startAgent, startServer } from "../helpers/tunnel.ts";
import { Watch } from "../helpers/watch.ts";

const MIB = 1024 * 1024;
const KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
const VERSION = "Sec-WebSocket-Version: 13";
const UPGRADE = ["Connection: Upgrade", "Upgrade: websocket"];
const ACCEPT = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

describe("a WebSocket handshake", () => {
  const asked = [
    VERSION,
    KEY,
    "sec-websocket-protocol: chat, mqtt",
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
    "Origin: https://music.example",
    "Cookie: a=1",
    "X-Twice: 1",
    "x-twice: 2",
  ];

  test("T21: and its answer arrive line by line, and then bytes do both ways", async () => {
    const { home, homeHost, visit, settled } = await startPassage("native");
    const visitor = visit();
    visitor.send(
      "GET /socket?a=%ff HTTP/1.1",
      HOST,
      "Connection: keep-alive, Upgrade",
      "Upgrade: websocket",
      ...asked,
      "",
      "",
    );
    const call = await home.call();
    expect(call.head[0]).toBe("GET /socket?a=%ff HTTP/1.1");
    expect(call.head.slice(1).toSorted()).toEqual(
      [`Host: ${homeHost}`, ...UPGRADE, ...asked, ...FORWARDED].toSorted(),
    );
    // What is end-to-end keeps its order.
    expect(without(call.head.slice(1), "host", "connection", "upgrade")).toEqual([...asked, ...FORWARDED]);
    const answered = [ACCEPT, "sec-websocket-PROTOCOL: mqtt", "Set-Cookie: a=1", "Set-Cookie: b=2"];
    call.send(
      "HTTP/1.1 101 Switching Protocols",
      "Upgrade: websocket",
      "Connection: Upgrade",
      ...answered,
      "",
      "",
    );
    call.socket.write(frameBytes(OPCODE.text, "at once", { isMasked: false }));
    await visitor.untilText("at once");
    expect(headOf(visitor.text)).toEqual([
      "HTTP/1.1 101 Switching Protocols",
      "Upgrade: websocket",
      "Connection: Upgrade",
      ...answered,
    ]);
    // Nobody between them looks at frames: reserved bits, unknown opcodes and unmasked frames are the ends' business.
    const odd = frameBytes(0xb, "odd\xff", { rsv1: true, isMasked: false });
    visitor.socket.write(odd);
    await call.until(() => call.body === odd.toString("latin1"));
    const bye = frameBytes(OPCODE.close, closePayload(4321, "bye"), { isMasked: false });
    call.socket.end(bye);
    await visitor.untilEnded();
    expect(visitor.text.endsWith(bye.toString("latin1"))).toBe(true);
    visitor.socket.end();
    await settled();
  });

  test.each([
    ["401 Unauthorized", ['WWW-Authenticate: Basic realm="a"', "WWW-Authenticate: Bearer"]],
    ["302 Found", ["Location: /login", "Set-Cookie: a=1", "Set-Cookie: b=2"]],
    ["426 Upgrade Required", ["Upgrade: other", "Sec-WebSocket-Version: 8"]],
  ])("T23: that the home refuses with %s brings status, headers and body", async (status, fields) => {
    const { home, visit, settled } = await startPassage("native");
    const visitor = visit();
    visitor.send("GET /socket HTTP/1.1", HOST, ...UPGRADE, VERSION, KEY, "", "");
    (await home.call()).answer(status, fields, "you may not");
    await visitor.untilText("\r\n\r\nyou may not");
    expect(without(headOf(visitor.text), "connection", "date", "keep-alive")).toEqual([
      `HTTP/1.1 ${status}`,
      // `Upgrade` is of one hop.
      ...without(fields, "upgrade"),
      "Content-Length: 11",
    ]);
    expect(bodyOf(visitor.text)).toBe("you may not");
    await visitor.untilEnded();
    await settled();
  });

  test.each([
    ["names another protocol", ["Connection: Upgrade", "Upgrade: h2c"]],
    ["names another protocol beside", ["Connection: Upgrade", "Upgrade: websocket, h2c", ACCEPT]],
    ["names two protocols", [...UPGRADE, "Upgrade: h2c", ACCEPT]],
    ["does not show that it read the key", UPGRADE],
    ["answers another key", [...UPGRADE, "Sec-WebSocket-Accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI="]],
    ["answers in another case", [...UPGRADE, ACCEPT.replace("s3p", "S3P")]],
    ["answers twice", [...UPGRADE, ACCEPT, ACCEPT]],
  ])("T23: opens nothing where the home's 101 %s", async (_what, fields) => {
    const { server, home, visit, settled } = await startPassage("native");
    const visitor = visit();
    visitor.send("GET /socket HTTP/1.1", HOST, ...UPGRADE, VERSION, KEY, "", "");
    const call = await home.call();
    call.send("HTTP/1.1 101 Switching Protocols", ...fields, "", "raw bytes");
    await visitor.untilText('"code":"origin_handshake"');
    expect(statuses(visitor)).toEqual([502]);
    expect(visitor.text).not.toContain("raw bytes");
    await call.untilEnded();
    await settled();
    expect((await server.status()).agentProtocolErrors).toBe(0);
  });

  test("T23: that nobody answers at the home is a problem", async () => {
    const { server, home, visit } = await startPassage("native");
    const visitor = visit();
    visitor.send("GET /socket HTTP/1.1", HOST, ...UPGRADE, VERSION, KEY, "", "");
    (await home.call()).socket.end();
    await visitor.untilText('"code":"origin_broken"');
    expect(statuses(visitor)).toEqual([502]);
    expect((await server.status()).exchanges).toBe(0);
  });

  test("T23: has no way through the MoosicBox protocol, and is told so", async () => {
    const { home, visit } = await startPassage("moosicbox");
    const visitor = visit();
    visitor.send("GET /socket HTTP/1.1", HOST, ...UPGRADE, VERSION, KEY, "", "");
    await visitor.untilText('"code":"upgrade_unsupported"');
    expect(statuses(visitor)).toEqual([501]);
    expect(home.calls).toEqual([]);
  });

  test("H27: to h2c is ignored, and the request is served as HTTP/1.1", async () => {
    const { home, homeHost, visit } = await startPassage("native");
    const visitor = visit();
    const h2c = ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk"];
    visitor.send("GET /x HTTP/1.1", HOST, ...h2c, "", "");
    const call = await home.call();
    expect(call.head).toEqual([
      "GET /x HTTP/1.1",
      `Host: ${homeHost}`,
      ...FORWARDED,
      "Connection: keep-alive",
    ]);
    call.answer("200 OK", [], "plain");
    await visitor.untilText("\r\n\r\nplain");
    expect(statuses(visitor)).toEqual([200]);
  });

  test("H27: among other protocols is taken for one to WebSocket", async () => {
    const { home, visit } = await startPassage("native");
    const visitor = visit();
    visitor.send(
      "GET /x HTTP/1.1",
      HOST,
      "Connection: Upgrade",
      "Upgrade: h2c, websocket",
      VERSION,
      KEY,
      "",
      "",
    );
    const call = await home.call();
    expect(call.head.filter((line) => line.toLowerCase().startsWith("upgrade:"))).toEqual([
      "Upgrade: websocket",
    ]);
    call.answer("200 OK", [], "plain");
    await visitor.untilText("\r\n\r\nplain");
  });

  test.each([
    ["without a key", "GET", "1.1", [...UPGRADE, VERSION], ""],
    ["with a key that is no key", "GET", "1.1", [...UPGRADE, VERSION, "Sec-WebSocket-Key: x"], ""],
    ["of another version", "GET", "1.1", [...UPGRADE, KEY, "Sec-WebSocket-Version: 8"], ""],
    ["with a body", "GET", "1.1", [...UPGRADE, KEY, VERSION, "Content-Length: 5"], "abcde"],
    ["with POST", "POST", "1.1", [...UPGRADE, KEY, VERSION], ""],
    ["on HTTP/1.0", "GET", "1.0", [...UPGRADE, KEY, VERSION], ""],
  ])("H27: %s is refused", async (_what, method, version, headers, body) => {
    const { home, visit } = await startPassage("native");
    const visitor = visit();
    visitor.send(`${method} /x HTTP/${version}`, HOST, ...headers, "", body);
    await visitor.untilEnded();
    expect(statuses(visitor)).toEqual([400]);
    expect(home.calls).toEqual([]);
  });
});

describe("a WebSocket", () => {
  test("T21: has subprotocol, extensions, ping, pong, close code and reason of its two ends", async () => {
    const { connect, accepted } = await startSockets();
    const visitor = connect("/socket", ["chat", "mqtt"]);
    const [[home]] = await Promise.all([accepted(), once(visitor, "open")]);
    expect(visitor.protocol).toBe("mqtt");
    expect(visitor.extensions).toContain("permessage-deflate");
    visitor.ping("are you there");
    expect(String((await once(home, "ping"))[0])).toBe("are you there");
    expect(String((await once(visitor, "pong"))[0])).toBe("are you there");
    home.ping("and you");
    expect(String((await once(home, "pong"))[0])).toBe("and you");
    home.close(4321, "enough");
    const [code, reason] = await once(visitor, "close");
    expect([code, String(reason)]).toEqual([4321, "enough"]);
  });

  test("T21: that its visitor closes is closed at the home with the same words", async () => {
    const { server, connect, accepted } = await startSockets();
    const visitor = connect("/socket");
    const [[home]] = await Promise.all([accepted(), once(visitor, "open")]);
    visitor.close(3000, "good night");
    const [code, reason] = await once(home, "close");
    expect([code, String(reason)]).toEqual([3000, "good night"]);
    await once(visitor, "close");
    await expect.poll(async () => (await server.status()).exchanges).toBe(0);
  });

  test("T21: whose visitor is gone without a word is cut at the home", async () => {
    const { connect, accepted } = await startSockets();
    const visitor = connect("/socket");
    const [[home]] = await Promise.all([accepted(), once(visitor, "open")]);
    visitor.terminate();
    expect((await once(home, "close"))[0]).toBe(1006);
  });

  test("T21: carries a message of 16 MiB each way", async () => {
    const { connect } = await startSockets();
    const visitor = connect("/echo");
    await once(visitor, "open");
    const message = Buffer.alloc(16 * MIB, "a long message ");
    visitor.send(message);
    const [echoed, isBinary] = await once(visitor, "message");
    expect(isBinary).toBe(true);
    expect(message.equals(echoed)).toBe(true);
  });

  test("T21: carries a thousand small messages of both kinds in their order", async () => {
    const { connect } = await startSockets();
    const visitor = connect("/echo");
    const watch = new Watch();
    const got: string[] = [];
    visitor.on("message", (data, isBinary) => {
      got.push(`${isBinary ? "binary" : "text"} ${data}`);
      watch.changed();
    });
    await once(visitor, "open");
    const sent = Array.from({ length: 1_000 }, (_, index) => `message ${index}`);
    for (const [index, text] of sent.entries()) visitor.send(text, { binary: index % 3 === 0 });
    await watch.until(() => got.length >= sent.length);
    expect(got).toEqual(sent.map((text, index) => `${index % 3 === 0 ? "binary" : "text"} ${text}`));
  });

  test("T21: of a home named by client id, with a token, is opened as well", async () => {
    const { server, token } = await startSockets();
    const visitor = new WebSocket(`ws://127.0.0.1:${server.port}/echo?clientId=home`, {
      headers: { authorization: `Bearer ${token}` },
    });
    onTestFinished(() => visitor.terminate());
    await once(visitor, "open");
    visitor.send("by client id");
    expect(String((await once(visitor, "message"))[0])).toBe("by client id");
  });
});

/** A home whose service is `ws`: it echoes below `/echo`, and leaves what comes elsewhere to the test. */
async function startSockets(protocol: Protocol = "native") {
  const http = createServer();
  const sockets = new WebSocketServer({
    server: http,
    maxPayload: 32 * MIB,
    perMessageDeflate: true,
    handleProtocols: (offered) => (offered.has("mqtt") ? "mqtt" : false),
  });
  const accepted: WebSocket[] = [];
  const watch = new Watch();
  let taken = 0;
  sockets.on("connection", (socket, request) => {
    if (request.url?.startsWith("/echo")) {
      socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
    }
    accepted.push(socket);
    watch.changed();
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  onTestFinished(() => {
    for (const socket of accepted) socket.terminate();
    http.close();
  });
  const server: Server = await startServer({ flags: [`--domain=${DOMAIN}`] });
  await startAgent(server, `http://127.0.0.1:${portOf(http)}`, { protocol, flags: ["--access=public"] });
  return {
    server,
    token: await server.register("home"),
    accepted: async (): Promise<[WebSocket]> => [
      await watch.until(() => {
        const next = accepted[taken];
        if (next !== undefined) taken++;
        return next;
      }),
    ],
    connect: (path: string, protocols: string[] = []) => {
      const url = `ws://127.0.0.1:${server.port}${path}`;
      const socket = new WebSocket(url, protocols, {
        headers: { host: `home.${DOMAIN}` },
        maxPayload: 32 * MIB,
      });
      onTestFinished(() => socket.terminate());
      return socket;
    },
  };
}
