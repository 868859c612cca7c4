import { once } from "node:events";
import http from "node:http";
import net from "node:net";
import { afterEach, describe, expect, test, vi } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";
import {
  type AgentSocketEffect,
  type AgentSocketEvent,
  AgentSockets,
  CLOSE_TIMEOUT_MS,
  maskingIsNative,
  REFUSAL_BYTES_MAX,
  REFUSAL_TIMEOUT_MS,
} from "../../adapters/ws-agent.ts";
import type { SocketId } from "../../core/ids.ts";
import { EventLog } from "./event-log.ts";
import { listen } from "./listen.ts";

const TARGET = "/ws?clientId=home&sender=true&signature=s3cret-%2F";
const SOCKET = 1 as SocketId;

const cleanups: (() => void)[] = [];
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  for (const clean of cleanups.splice(0).reverse()) clean();
});

describe("the handshake", () => {
  test("goes to the configured server, its path before the target, and offers no compression", async () => {
    const server = await wsServer();
    for (const base of [`http://${server.host}/tunnel/`, `ws://${server.host}/tunnel`]) {
      const run = start(new URL(base));
      run.connect();
      await run.log.first("socket_opened");
      expect(server.requests.at(-1)?.url).toBe(`/tunnel${TARGET}`);
      expect(server.requests.at(-1)?.headers["sec-websocket-extensions"]).toBeUndefined();
    }
  });

  test.each([401, 302, 503])(
    "that is answered with %i is refused, then closed, and followed nowhere",
    async (status) => {
      let requests = 0;
      const server = http.createServer((_request, response) => {
        requests += 1;
        response.writeHead(status, { location: "/elsewhere" }).end("a long story".repeat(10_000));
      });
      const run = start(new URL(`http://${await listen(server, cleanups)}/`));
      run.connect();
      await run.closed();
      const body = "a long story".repeat(200).slice(0, REFUSAL_BYTES_MAX);
      expect(run.log.events[0]).toEqual({ type: "socket_refused", socket: SOCKET, status, body });
      expect(run.log.types()).toEqual(["socket_refused", "socket_closed"]);
      expect(requests).toBe(1);
    },
  );

  const problem = '{"detail":"sp\u00e4ter"}';

  test.each([
    ["is whole", `Content-Length: ${Buffer.byteLength(problem)}\r\n\r\n${problem}`, problem],
    ["is cut", `Content-Length: 99\r\n\r\n${problem}`, problem],
    ["is not there", "Content-Length: 0\r\n\r\n", ""],
    ["is cut by the limit inside a character", `\r\n${"x".repeat(2047)}\u00e9`, "x".repeat(2047)],
  ])("that is refused with a body tells it, when it %s", async (_name, rest, body) => {
    const server = net.createServer((socket) => {
      socket.once("data", () => socket.end(`HTTP/1.1 426 Upgrade Required\r\n${rest}`));
    });
    const run = start(new URL(`http://${await listen(server, cleanups)}/`));
    run.connect();
    await run.closed();
    expect(run.log.events).toMatchObject([
      { type: "socket_refused", status: 426, body },
      { type: "socket_closed", code: 1006 },
    ]);
  });

  test.each(["by time", "by order"])("that is refused with a body without end is over %s", async (how) => {
    const server = net.createServer((socket) => {
      socket.once("data", () => socket.write("HTTP/1.1 503 No\r\nContent-Length: 99\r\n\r\nwait"));
    });
    const read = Promise.withResolvers<void>();
    const { push } = http.IncomingMessage.prototype;
    vi.spyOn(http.IncomingMessage.prototype, "push").mockImplementation(function (this: unknown, chunk) {
      if (String(chunk) === "wait") setImmediate(read.resolve);
      return push.call(this, chunk);
    });
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const run = start(new URL(`http://${await listen(server, cleanups)}/`));
    run.connect();
    await read.promise;
    if (how === "by order") run.perform({ type: "socket_terminate", socket: SOCKET });
    else vi.advanceTimersByTime(REFUSAL_TIMEOUT_MS);
    await run.closed();
    expect(run.log.events).toMatchObject([
      { type: "socket_refused", status: 503, body: "wait" },
      { type: "socket_closed", code: 1006 },
    ]);
  });

  test("carries the headers that were ordered, in order", async () => {
    const server = await wsServer();
    const run = start(new URL(`http://${server.host}/`));
    run.connect(SOCKET, { headers: ["Culvert-Access", "public", "X-B", "1", "x-b", "2"] });
    await run.log.first("socket_opened");
    const raw = server.requests[0]?.rawHeaders ?? [];
    expect(raw.join("\n")).toContain("Culvert-Access\npublic\nX-B\n1\nX-B\n2");
    expect(raw).not.toContain("Sec-WebSocket-Protocol");
  });

  test.each([
    ["the second", "b", "b"],
    ["none", null, null],
  ])("offers subprotocols in order, and the server chooses %s", async (_name, choice, protocol) => {
    const offers: string[][] = [];
    const server = await wsServer((offered) => {
      offers.push([...offered]);
      return choice ?? false;
    });
    const run = start(new URL(`http://${server.host}/`));
    run.connect(SOCKET, { protocols: ["culvert.1", "b"] });
    expect(await run.log.first("socket_opened")).toEqual({ type: "socket_opened", socket: SOCKET, protocol });
    expect(offers).toEqual([["culvert.1", "b"]]);
    expect(server.requests[0]?.headers["sec-websocket-protocol"]).toBe("culvert.1, b");
  });

  test.each([[["culvert.1"]], [[]]])(
    "is a failure when the server chooses what was not offered: %j",
    async (protocols) => {
      const server = await wsServer(() => false, ["Sec-WebSocket-Protocol: culvert.2"]);
      const run = start(new URL(`http://${server.host}/`));
      run.connect(SOCKET, { protocols });
      await run.closed();
      expect(run.log.events).toMatchObject([
        { type: "socket_closed", code: 1006, reason: expect.stringMatching("subprotocol") },
      ]);
    },
  );

  test("that finds nobody tells why, and never with what target", async () => {
    const server = net.createServer();
    const host = await listen(server, cleanups);
    server.close();
    const run = start(new URL(`http://${host}/`));
    run.connect();
    await run.closed();
    expect(run.log.events).toEqual([
      { type: "socket_closed", socket: SOCKET, code: 1006, reason: `connect ECONNREFUSED ${host}` },
    ]);
  });

  test.each([
    ["is not HTTP", "SSH-2.0-OpenSSH_9.6\r\n"],
    [
      "proves nothing",
      "HTTP/1.1 101 Hi\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n",
    ],
    ["is cut", "HTTP/1.1 101 Hi\r\n"],
  ])("whose answer %s closes the socket once, without the target in the reason", async (_name, answer) => {
    const server = net.createServer((socket) => socket.end(answer));
    const run = start(new URL(`http://${await listen(server, cleanups)}/`));
    run.connect();
    await run.closed();
    expect(run.log.events).toMatchObject([{ type: "socket_closed", code: 1006 }]);
    expect(JSON.stringify(run.log.events)).not.toMatch(/s3cret|ws\?/);
  });

  test.each(["socket_terminate", "socket_close"] as const)("ends at once by %s", async (type) => {
    const server = net.createServer();
    const run = start(new URL(`http://${await listen(server, cleanups)}/`));
    run.connect();
    await once(server, "connection");
    run.perform({ type, socket: SOCKET, code: 1000, reason: "" });
    await run.closed();
    expect(run.log.events).toMatchObject([{ type: "socket_closed", code: 1006 }]);
  });
});

describe("a message from the server", () => {
  test("is reported as text, bytes or a sign of life, in order", async () => {
    const { run, peer } = await connect();
    peer.send("gr\u00fc\u00df");
    peer.send(Buffer.from([1, 2, 3]));
    peer.ping();
    peer.send("");
    peer.pong();
    await run.log.until(() => run.log.events.length === 6);
    expect(run.log.events.slice(1)).toMatchObject([
      { type: "socket_text", text: "gr\u00fc\u00df" },
      { type: "socket_bytes", bytes: Buffer.from([1, 2, 3]) },
      { type: "socket_heard" },
      { type: "socket_text", text: "" },
      { type: "socket_heard" },
    ]);
  });

  test("T06 beyond the limit closes the socket", async () => {
    const { run, peer } = await connect();
    const peerClosed = once(peer, "close");
    peer.send(Buffer.alloc(1_000_001));
    await run.closed();
    expect(run.log.events.at(-1)).toMatchObject({
      type: "socket_closed",
      code: 1006,
      reason: expect.stringMatching("size"),
    });
    expect((await peerClosed)[0]).toBe(1009);
  });

  test("T19 that breaks the protocol closes the socket", async () => {
    const { run, peer } = await connect();
    const peerClosed = once(peer, "close");
    peer.send(Buffer.from([0xff, 0xfe]), { binary: false });
    await run.closed();
    expect(run.log.types()).toEqual(["socket_opened", "socket_closed"]);
    expect((await peerClosed)[0]).toBe(1007);
  });
});

describe("a message to the server", () => {
  const sizes = [0, 1, 13, 47, 125, 126, 16_383, 16_384, 16_385, 65_535, 65_536, 65_537, 300_000];

  test.each(sizes)(
    "of header and %i body bytes arrives joined, and what was ordered stays untouched",
    async (size) => {
      const { run, peer } = await connect();
      const received = once(peer, "message");
      const whole = Buffer.from(Array.from({ length: 13 + size }, (_, index) => index % 251));
      const given = Buffer.from(whole);
      const cut = Math.floor(size / 3);
      const header = given.subarray(0, 13);
      const body = [given.subarray(13, 13 + cut), given.subarray(13 + cut)];
      run.perform({ type: "socket_send_packet", socket: SOCKET, header, body });
      expect((await received)[0].equals(whole)).toBe(true);
      expect(given.equals(whole)).toBe(true);
      expect(await run.log.first("socket_flushed")).toEqual({
        type: "socket_flushed",
        socket: SOCKET,
        bytes: whole.length,
      });
    },
  );

  test.each([100, 60_000])("can be sent again and again from the same %i bytes", async (size) => {
    const { run, peer } = await connect();
    const received: Buffer[] = [];
    peer.on("message", (data: Buffer) => received.push(data));
    const kept = Buffer.from(Array.from({ length: size }, (_, index) => index % 251));
    const body = [kept.subarray(0, 50), kept.subarray(50)];
    for (let index = 0; index < 10; index++) {
      run.perform({ type: "socket_send_packet", socket: SOCKET, header: Buffer.from([index]), body });
    }
    const flushed = () => run.log.all("socket_flushed").reduce((sum, event) => sum + event.bytes, 0);
    await run.log.until(() => flushed() === 10 * (1 + size));
    const last = once(peer, "ping");
    run.perform({ type: "socket_ping", socket: SOCKET });
    await last;
    expect(received).toHaveLength(10);
    for (const [index, packet] of received.entries()) {
      expect(packet[0]).toBe(index);
      expect(packet.subarray(1).equals(kept)).toBe(true);
    }
  });

  test("keeps its place among large and small ones, and all that is sent is flushed", async () => {
    const { run, peer } = await connect();
    const received: string[] = [];
    peer.on("message", (data: Buffer, isBinary) =>
      received.push(isBinary ? `${data[0]}:${data.length}` : data.toString()),
    );
    let sent = 0;
    const expected: string[] = [];
    for (let index = 0; index < 60; index++) {
      const body = [Buffer.alloc(index % 3 === 0 ? 50_000 : 100 + index)];
      run.perform({ type: "socket_send_packet", socket: SOCKET, header: Buffer.from([index]), body });
      run.perform({ type: "socket_send_text", socket: SOCKET, text: `\u00fc${index}` });
      const length = 1 + (body[0]?.length ?? 0);
      sent += length + Buffer.byteLength(`\u00fc${index}`);
      expected.push(`${index}:${length}`, `\u00fc${index}`);
    }
    const flushed = () => run.log.all("socket_flushed").reduce((sum, event) => sum + event.bytes, 0);
    await run.log.until(() => flushed() === sent);
    const last = once(peer, "ping");
    run.perform({ type: "socket_ping", socket: SOCKET });
    await last;
    expect(received).toEqual(expected);
    expect(flushed()).toBe(sent);
  });

  test("carries its own bytes, whatever the sizes of the bulk packets whose memory it takes over", async () => {
    const { run, peer } = await connect();
    const received: Buffer[] = [];
    peer.on("message", (data: Buffer) => received.push(data));
    const sizes = [60_000, 60_000, 20_000, 40_000];
    const sent: Buffer[] = [];
    for (let round = 0; round < 40; round++) {
      const size = sizes[round % sizes.length] ?? 0;
      const packet = Buffer.alloc(size, String.fromCharCode(97 + (round % 26)));
      run.perform({
        type: "socket_send_packet",
        socket: SOCKET,
        header: packet.subarray(0, 13),
        body: [packet.subarray(13, 5_000), packet.subarray(5_000)],
      });
      sent.push(packet);
      // Some at a time, so that the memory of those before can be taken over.
      if (round % 4 === 3) await run.log.until(() => run.log.all("socket_flushed").length === round + 1);
    }
    await run.log.until(() => run.log.all("socket_flushed").length === sent.length);
    const last = once(peer, "ping");
    run.perform({ type: "socket_ping", socket: SOCKET });
    await last;
    expect(received.map((packet) => packet.length)).toEqual(sent.map((packet) => packet.length));
    for (const [index, packet] of received.entries()) expect(packet.equals(sent[index] ?? packet)).toBe(true);
  });

  test("shares a write with up to seven other small ones of its turn, while a large one goes out at once", async () => {
    const { run, peer } = await connect();
    const joined = vi.spyOn(net.Socket.prototype, "_writev");
    const single = vi.spyOn(net.Socket.prototype, "_write");
    const writes = () => joined.mock.calls.length + single.mock.calls.length;
    let count = 0;
    const arrived = new Promise<void>((resolve) => peer.on("message", () => ++count === 15 && resolve()));
    const send = (size: number) =>
      run.perform({
        type: "socket_send_packet",
        socket: SOCKET,
        header: Buffer.alloc(13),
        body: [Buffer.alloc(size)],
      });
    for (let index = 0; index < 3; index++) send(64);
    expect(writes()).toBe(0);
    await new Promise((resolve) => setImmediate(resolve));
    expect(writes()).toBe(1);
    for (let index = 0; index < 10; index++) send(64);
    expect(writes()).toBe(2);
    await new Promise((resolve) => setImmediate(resolve));
    expect(writes()).toBe(3);
    send(64);
    send(60_000);
    expect(writes()).toBe(4);
    await arrived;
  });

  test("is told as flushed together with those that shared its write", async () => {
    const { run } = await connect();
    for (let index = 0; index < 10; index++) {
      run.perform({ type: "socket_send_text", socket: SOCKET, text: "ten bytes!" });
    }
    await run.log.until(() => run.log.all("socket_flushed").length === 2);
    expect(run.log.all("socket_flushed").map(({ bytes }) => bytes)).toEqual([80, 20]);
  });

  test("that never left is not flushed", async () => {
    const { run, stream } = await connect();
    stream.pause();
    const body = [Buffer.alloc(1_000_000)];
    for (let index = 0; index < 64; index++) {
      run.perform({ type: "socket_send_packet", socket: SOCKET, header: Buffer.alloc(13), body });
    }
    run.perform({ type: "socket_terminate", socket: SOCKET });
    await run.closed();
    expect(run.log.all("socket_flushed").length).toBeLessThan(64);
  });

  test("to a socket that is not open is dropped", async () => {
    const { run, peer } = await connect();
    run.connect(2 as SocketId);
    for (const socket of [2 as SocketId, 3 as SocketId]) {
      run.perform({ type: "socket_send_text", socket, text: "early" });
      run.perform({ type: "socket_ping", socket });
    }
    peer.terminate();
    await run.closed();
    run.perform({ type: "socket_send_text", socket: SOCKET, text: "late" });
    run.perform({ type: "socket_ping", socket: SOCKET });
    run.perform({ type: "socket_close", socket: SOCKET, code: 1000, reason: "" });
    run.perform({ type: "socket_terminate", socket: SOCKET });
    await run.log.until(() => run.log.all("socket_opened").length === 2);
    expect(run.log.types()).not.toContain("socket_flushed");
  });
});

describe("the end", () => {
  test("by the server carries its code and reason", async () => {
    const { run, peer } = await connect();
    peer.close(4001, "superseded");
    await run.closed();
    expect(run.log.events.at(-1)).toEqual({
      type: "socket_closed",
      socket: SOCKET,
      code: 4001,
      reason: "superseded",
    });
  });

  test("by order is a closing handshake, after everything that was sent before it", async () => {
    const { run, peer } = await connect();
    const received = once(peer, "message");
    const peerClosed = once(peer, "close");
    run.perform({ type: "socket_send_text", socket: SOCKET, text: "last words" });
    run.perform({ type: "socket_close", socket: SOCKET, code: 1000, reason: "drained" });
    expect((await received)[0].toString()).toBe("last words");
    expect((await peerClosed).map(String)).toEqual(["1000", "drained"]);
    await run.closed();
    expect(run.log.events.at(-1)).toMatchObject({ code: 1000 });
  });

  test("does not wait for a server that never answers the closing handshake", async () => {
    const { run, stream } = await connect();
    stream.pause();
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    run.perform({ type: "socket_close", socket: SOCKET, code: 1000, reason: "" });
    vi.advanceTimersByTime(CLOSE_TIMEOUT_MS - 1);
    await new Promise((resolve) => setImmediate(resolve));
    expect(run.log.types()).toEqual(["socket_opened"]);
    vi.advanceTimersByTime(1);
    await run.closed();
    expect(run.log.events.at(-1)).toMatchObject({ type: "socket_closed", code: 1006 });
  });

  test("comes to every socket by close", async () => {
    const { run } = await connect();
    run.connect(2 as SocketId);
    run.close();
    await run.log.until(() => run.log.all("socket_closed").length === 2);
    await run.closed();
  });

  test("by a cut is 1006, whoever cuts", async () => {
    const first = await connect();
    first.peer.terminate();
    await first.run.closed();
    const second = await connect();
    second.run.perform({ type: "socket_terminate", socket: SOCKET });
    await second.run.closed();
    for (const { run } of [first, second]) {
      expect(run.log.events).toMatchObject([
        { type: "socket_opened" },
        { type: "socket_closed", code: 1006 },
      ]);
    }
  });
});

test("masking is native unless the environment forbids it", () => {
  expect(maskingIsNative()).toBe(true);
  vi.stubEnv("WS_NO_BUFFER_UTIL", "1");
  cleanups.push(() => vi.unstubAllEnvs());
  expect(maskingIsNative()).toBe("websocketMask" in http);
});

function start(server: URL) {
  const log = new EventLog<AgentSocketEvent>();
  const sockets = new AgentSockets({ server, messageBytesMax: 1_000_000, dispatch: log.dispatch });
  cleanups.push(() => sockets.close());
  return {
    log,
    perform: (effect: AgentSocketEffect) => sockets.perform(effect),
    connect(socket = SOCKET, order: { headers?: readonly string[]; protocols?: readonly string[] } = {}) {
      const blank = { target: TARGET, headers: [], protocols: [] };
      sockets.perform({ ...blank, ...order, type: "socket_connect", socket });
    },
    close: () => sockets.close(),
    /** Waits for the last event of the first socket and checks that it is the last. */
    async closed() {
      await log.first("socket_closed");
      await new Promise((resolve) => setImmediate(resolve));
      const own = log.events.filter((event) => event.socket === SOCKET);
      expect(own.at(-1)?.type).toBe("socket_closed");
      expect(own.filter((event) => event.type === "socket_closed")).toHaveLength(1);
    },
  };
}

/** An open socket, its peer, and the stream that the peer reads from. */
async function connect() {
  const server = await wsServer();
  const run = start(new URL(`http://${server.host}/`));
  const peer = server.connected();
  run.connect();
  const [webSocket, stream] = await peer;
  await run.log.first("socket_opened");
  return { run, peer: webSocket, stream };
}

async function wsServer(
  handleProtocols: (offered: Set<string>) => string | false = () => false,
  headers: readonly string[] = [],
) {
  const server = http.createServer();
  const webSockets = new WebSocketServer({ server, handleProtocols });
  webSockets.on("headers", (lines) => lines.push(...headers));
  const requests: http.IncomingMessage[] = [];
  webSockets.on("connection", (webSocket, request) => {
    webSocket.on("error", () => {});
    requests.push(request);
  });
  return {
    host: await listen(server, cleanups),
    requests,
    async connected(): Promise<[WebSocket, net.Socket]> {
      const [webSocket, request] = await once(webSockets, "connection");
      return [webSocket, request.socket];
    },
  };
}
