import { randomBytes } from "node:crypto";
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { afterEach, describe, expect, test, vi } from "vitest";
import WebSocket from "ws";
import { HttpServer } from "../../adapters/http-server.ts";
import { createNonceSource } from "../../adapters/nonce.ts";
import { type ServerSocketEvent, ServerSockets } from "../../adapters/ws-server.ts";
import { NONCE_BYTES } from "../../core/events.ts";
import type { SocketId } from "../../core/ids.ts";
import { countWrites } from "./count-writes.ts";
import { EventLog } from "./event-log.ts";
import { RawClient } from "./raw-client.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const MESSAGE_BYTES_MAX = 1 * MIB;

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

describe("a handshake", () => {
  test("is reported with target and headers, and opens the socket once accepted", async () => {
    const run = await start();
    const client = run.connect("/ws?clientId=a%20b", { "X-Odd": "1" });
    const requested = await run.log.first("upgrade_requested");
    expect(requested.socket).toBe(1);
    expect(requested.target).toBe("/ws?clientId=a%20b");
    expect(requested.headers).toEqual(expect.arrayContaining(["X-Odd", "1"]));
    run.sockets.perform({ type: "upgrade_accept", socket: requested.socket, protocol: null });
    await once(client, "open");
    expect(client.extensions).toBe("");
    expect(run.log.types()).toEqual(["upgrade_requested", "socket_opened"]);
  });

  test("T23 that is refused brings status, headers and body to the visitor, then closes", async () => {
    const run = await start();
    const client = run.raw();
    handshake(client);
    const { socket } = await run.log.first("upgrade_requested");
    run.sockets.perform({
      type: "upgrade_refuse",
      socket,
      status: 401,
      headers: ["content-type", "text/plain", "content-length", "2", "X-Two", "1", "X-Two", "2"],
      body: Buffer.from("no"),
    });
    await client.untilEnded();
    expect(client.ending).toBe("end");
    expect(client.text).toMatch(
      /^HTTP\/1.1 401 Unauthorized\r\n.*X-Two: 1\r\nX-Two: 2\r\n.*close\r\n\r\nno$/s,
    );
    client.socket.end();
    expect(await run.log.first("socket_closed")).toEqual({
      type: "socket_closed",
      socket,
      code: 1006,
      reason: "",
    });
  });

  test("is closed when its visitor leaves before the answer, which then changes nothing", async () => {
    const run = await start();
    const client = run.raw();
    handshake(client);
    const { socket } = await run.log.first("upgrade_requested");
    client.leave();
    expect((await run.log.first("socket_closed")).code).toBe(1006);
    run.sockets.perform({ type: "upgrade_accept", socket, protocol: null });
    run.sockets.perform({ type: "socket_send_text", socket, text: "late" });
    run.sockets.perform({ type: "socket_terminate", socket });
    expect(run.log.types()).toEqual(["upgrade_requested", "socket_closed"]);
  });

  test("that waits can be terminated", async () => {
    const run = await start();
    const client = run.raw();
    handshake(client);
    const { socket } = await run.log.first("upgrade_requested");
    run.sockets.perform({ type: "socket_terminate", socket });
    await run.log.first("socket_closed");
    await client.untilEnded();
    expect(client.text).toBe("");
  });

  test.each([true, false])(
    "keeps what came before the answer (in one piece with it: %s)",
    async (together) => {
      const run = await start();
      const client = run.raw();
      const early = masked(0x81, Buffer.from("early"));
      if (together) client.socket.cork();
      handshake(client);
      if (together) client.socket.write(early);
      client.socket.uncork();
      const { socket } = await run.log.first("upgrade_requested");
      if (!together) client.socket.write(early);
      run.sockets.perform({ type: "upgrade_accept", socket, protocol: null });
      client.socket.write(masked(0x81, Buffer.from("later")));
      await run.log.until(() => run.log.all("socket_text").length === 2);
      expect(run.log.all("socket_text").map((event) => event.text)).toEqual(["early", "later"]);
    },
  );

  test("speaks no subprotocol and takes websocket from a list", async () => {
    const run = await start();
    const client = run.raw();
    handshake(client, "upgrade: h2c, websocket", "sec-websocket-protocol: chat, ,,");
    run.sockets.perform({
      type: "upgrade_accept",
      socket: (await run.log.first("upgrade_requested")).socket,
      protocol: null,
    });
    await client.untilText("\r\n\r\n");
    expect(client.text).toMatch(/^HTTP\/1.1 101 /);
    expect(client.text).not.toMatch(/sec-websocket-protocol/i);
  });
});

describe("a subprotocol", () => {
  test.each(["culvert.1, other", "other,culvert.1", "chat, ,,culvert.1,"])(
    "is the one that was ordered, out of %j",
    async (offered) => {
      const run = await start();
      const client = run.raw();
      handshake(client, "upgrade: websocket", `sec-websocket-protocol: ${offered}`);
      const { socket } = await run.log.first("upgrade_requested");
      run.sockets.perform({ type: "upgrade_accept", socket, protocol: "culvert.1" });
      await client.untilText("\r\n\r\n");
      expect(client.text).toMatch(/^HTTP\/1.1 101 .*\r\nSec-WebSocket-Protocol: culvert\.1\r\n/s);
    },
  );
});

describe("a handshake that is forwarded", () => {
  test("is handed on without a further event, and orders for its socket change nothing", async () => {
    const run = await start();
    const client = run.raw();
    handshake(client);
    const { socket } = await run.log.first("upgrade_requested");
    run.sockets.perform({ type: "upgrade_forward", socket });
    expect(run.forwarded.map((request) => request.url)).toEqual(["/ws"]);
    run.sockets.perform({ type: "upgrade_accept", socket, protocol: null });
    run.sockets.perform({ type: "socket_terminate", socket });
    const { client: other } = await run.open();
    client.leave();
    other.close();
    await run.log.first("socket_closed");
    expect(run.log.events.filter((event) => event.socket === socket).map(({ type }) => type)).toEqual([
      "upgrade_requested",
    ]);
    expect(client.text).toBe("");
  });
});

describe("a packet", () => {
  const sizes = [0, 1, 125, 126, 127, 16 * KIB - 1, 16 * KIB, 65_535, 65_536, 300 * KIB];

  test("of any size is one binary message of its parts, and is counted when it has left", async () => {
    const run = await start();
    const { client, socket } = await run.open();
    const received: Buffer[] = [];
    client.on("message", (data: Buffer, isBinary) => {
      if (isBinary) received.push(data);
    });
    const packets = sizes.flatMap((size) => splits(randomBytes(size)));
    for (const [header, ...body] of packets) {
      run.sockets.perform({ type: "socket_send_packet", socket, header, body });
    }
    const sent = packets.map((parts) => Buffer.concat(parts));
    await run.log.until(() => run.flushed() === Buffer.concat(sent).length);
    while (received.length < sent.length) await once(client, "message");
    expect(received.map((bytes, index) => Buffer.compare(bytes, sent[index] ?? Buffer.of()))).toEqual(
      sent.map(() => 0),
    );
  });

  test("keeps its place between texts, pings and the close, and is dropped behind that", async () => {
    const run = await start();
    const { client, socket } = await run.open();
    const seen: string[] = [];
    client.on("message", (data: Buffer) => seen.push(`${data[0]}:${data.length}`));
    client.on("ping", () => seen.push("ping"));
    const packet = (bytes: number, first: number) =>
      run.sockets.perform({
        type: "socket_send_packet",
        socket,
        header: Uint8Array.of(first),
        body: [new Uint8Array(bytes - 1)],
      });
    packet(10, 1);
    run.sockets.perform({ type: "socket_send_text", socket, text: "A" });
    packet(40 * KIB, 2);
    run.sockets.perform({ type: "socket_ping", socket });
    packet(20, 3);
    run.sockets.perform({ type: "socket_send_text", socket, text: "B".repeat(20 * KIB) });
    packet(30, 4);
    run.sockets.perform({ type: "socket_close", socket, code: 1000, reason: "" });
    packet(30, 5);
    await once(client, "close");
    expect(seen).toEqual(["1:10", "65:1", `2:${40 * KIB}`, "ping", "3:20", `66:${20 * KIB}`, "4:30"]);
  });

  test("that is small shares a write and its report with three others of its turn, which do not wait", async () => {
    const run = await start();
    const client = run.raw();
    const socket = await run.openRaw(client);
    const writes = countWrites();
    for (let index = 0; index < 9; index++) {
      const bytes = Buffer.from(`packet ${index}`);
      run.sockets.perform({ type: "socket_send_packet", socket, header: bytes, body: [bytes] });
    }
    expect(writes.count()).toBe(2);
    run.sockets.perform({ type: "socket_send_text", socket, text: "and a text" });
    await client.untilText("and a text");
    expect(writes.count()).toBe(3);
    expect(client.text).toContain("packet 8packet 8");
    await run.log.until(() => run.flushed() === 9 * 16 + 10);
    expect(run.log.all("socket_flushed").map((event) => event.bytes)).toEqual([64, 64, 26]);
  });

  test("of some KiB shares a write with others all the same", async () => {
    const run = await start();
    const client = run.raw();
    const socket = await run.openRaw(client);
    const writes = countWrites();
    for (let index = 0; index < 4; index++) {
      const body = [Buffer.alloc(5 * KIB, 120), Buffer.from(`end ${index}`)];
      run.sockets.perform({ type: "socket_send_packet", socket, header: Buffer.from("head"), body });
    }
    expect(writes.count()).toBe(1);
    await client.untilText("end 3");
    await run.log.until(() => run.flushed() === 4 * (5 * KIB + 9));
  });

  test("that is large leaves at once in one write, with its parts and the small ones before it", async () => {
    const run = await start();
    const client = run.raw();
    const socket = await run.openRaw(client);
    const writes = countWrites();
    const body = Array.from({ length: 8 }, () => Buffer.alloc(8 * KIB, 120));
    const header = Buffer.from("head");
    run.sockets.perform({ type: "socket_send_packet", socket, header, body: [] });
    expect(writes.count()).toBe(0);
    run.sockets.perform({ type: "socket_send_packet", socket, header, body });
    expect(writes.count()).toBe(1);
    await run.log.until(() => run.flushed() === 64 * KIB + 8);
  });
});

test("each socket that opens brings a nonce of its own", async () => {
  const run = await start();
  await run.open();
  await run.open();
  const [first, second] = run.log.all("socket_opened").map((event) => Buffer.from(event.nonce));
  expect(first).toHaveLength(NONCE_BYTES);
  expect(second).toHaveLength(NONCE_BYTES);
  expect(first).not.toEqual(second);
});

describe("an open socket", () => {
  test("T21 reports messages as text or bytes, whole and in order", async () => {
    const run = await start();
    const { client, socket } = await run.open();
    const bytes = Buffer.alloc(300 * KIB, 7);
    client.send("h\u00e9 \u{1f3e0}");
    client.send(bytes);
    client.send("a", { fin: false });
    client.send("b", { fin: true });
    client.send(Buffer.alloc(0));
    await run.log.until(() => run.log.events.length === 6);
    expect(run.log.events.slice(2)).toEqual([
      { type: "socket_text", socket, text: "h\u00e9 \u{1f3e0}" },
      { type: "socket_bytes", socket, bytes: expect.any(Uint8Array) },
      { type: "socket_text", socket, text: "ab" },
      { type: "socket_bytes", socket, bytes: expect.any(Uint8Array) },
    ]);
    expect(run.log.all("socket_bytes").map((event) => Buffer.compare(event.bytes, bytes))).toEqual([0, -1]);
  });

  test("answers a ping, sends one, and reports both ways as signs of life", async () => {
    const run = await start();
    const { client, socket } = await run.open();
    client.ping("are you there");
    const [pong] = await once(client, "pong");
    expect(String(pong)).toBe("are you there");
    await run.log.first("socket_heard");
    run.sockets.perform({ type: "socket_ping", socket });
    await run.log.until(() => run.log.all("socket_heard").length === 2);
  });

  test("reports as flushed the bytes of all that it sent", async () => {
    const run = await start();
    const { client, socket } = await run.open();
    const texts = ["", "plain", "h\u00e9 \u{1f3e0}", "x".repeat(100_000), "last"];
    const received: string[] = [];
    client.on("message", (data) => received.push(String(data)));
    for (const text of texts) run.sockets.perform({ type: "socket_send_text", socket, text });
    const bytes = Buffer.byteLength(texts.join(""));
    await run.log.until(() => run.flushed() === bytes);
    while (received.length < texts.length) await once(client, "message");
    expect(received).toEqual(texts);
  });

  test("sends the small messages of one turn in pieces of four", async () => {
    const run = await start();
    const client = run.raw();
    const socket = await run.openRaw(client);
    const writes = countWrites();
    for (let index = 0; index < 20; index++) {
      run.sockets.perform({ type: "socket_send_text", socket, text: `message ${index}` });
    }
    await client.untilText("message 19");
    expect(writes.count()).toBe(5);
  });

  test.each([
    ["closes", (client: RawClient) => client.socket.write(masked(0x88, Buffer.of(0x03, 0xe8)))],
    ["ends its side", (client: RawClient) => client.socket.end()],
  ])("sends what it was given before the peer %s", async (_, leave) => {
    const run = await start("answer");
    const client = run.raw();
    const socket = await run.openRaw(client);
    run.sockets.perform({ type: "socket_pause", socket, paused: true });
    client.socket.cork();
    // What fills the buffer of a read makes the system look for more at once, and it finds the end.
    client.socket.write(masked(0x82, Buffer.alloc(64 * KIB - 8 - 14)));
    client.socket.write(masked(0x81, Buffer.from("ask me")));
    leave(client);
    client.socket.uncork();
    const { client: other } = await run.open();
    other.close();
    await run.log.first("socket_closed");
    run.sockets.perform({ type: "socket_pause", socket, paused: false });
    await run.log.until(() => run.log.all("socket_closed").length === 2);
    await client.untilEnded();
    expect(client.text).toContain("answer");
  });

  test("is read no further while it is paused", async () => {
    const run = await start();
    const { client, socket } = await run.open();
    run.sockets.perform({ type: "socket_pause", socket, paused: true });
    for (let index = 0; index < 64; index++) client.send(Buffer.alloc(1 * MIB));
    client.send("behind");
    const { client: other } = await run.open();
    other.send("beside");
    await run.log.first("socket_text");
    expect(run.log.all("socket_bytes").length).toBeLessThan(16);
    expect(client.bufferedAmount).toBeGreaterThan(0);
    run.sockets.perform({ type: "socket_pause", socket, paused: false });
    await run.log.until(() => run.log.all("socket_text").length === 2);
    expect(run.log.all("socket_bytes")).toHaveLength(64);
  });
});

describe("the end of a socket", () => {
  test.each([
    [1000, "done"],
    [4001, "superseded"],
  ])("ordered with %i %s reaches the peer, and is reported once", async (code, reason) => {
    const run = await start();
    const { client, socket } = await run.open();
    run.sockets.perform({ type: "socket_close", socket, code, reason });
    const [seenCode, seenReason] = await once(client, "close");
    expect([seenCode, String(seenReason)]).toEqual([code, reason]);
    await run.log.first("socket_closed");
    run.sockets.perform({ type: "socket_terminate", socket });
    expect(run.log.all("socket_closed")).toEqual([{ type: "socket_closed", socket, code, reason }]);
  });

  test.each([
    [1001, "moving"],
    [undefined, ""],
  ])("that the peer asks for with %s carries its code and reason", async (code, reason) => {
    const run = await start();
    const { client, socket } = await run.open();
    client.close(code, reason);
    expect(await run.log.first("socket_closed")).toEqual({
      type: "socket_closed",
      socket,
      code: code ?? 1005,
      reason,
    });
  });

  test("ordered while it is paused finds the peer's close behind what was not read", async () => {
    const run = await start();
    const { client, socket } = await run.open();
    run.sockets.perform({ type: "socket_pause", socket, paused: true });
    for (let index = 0; index < 8; index++) client.send(Buffer.alloc(1 * MIB));
    run.sockets.perform({ type: "socket_close", socket, code: 1013, reason: "full" });
    expect((await run.log.first("socket_closed")).code).toBe(1013);
  });

  test("comes after five seconds where the peer does not answer the close", async () => {
    const run = await start();
    const client = run.raw();
    const socket = await run.openRaw(client);
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    run.sockets.perform({ type: "socket_close", socket, code: 1001, reason: "" });
    await client.untilText("\x88\x02\x03\xe9");
    vi.advanceTimersByTime(4_999);
    expect(run.log.all("socket_closed")).toEqual([]);
    vi.advanceTimersByTime(1);
    expect((await run.log.first("socket_closed")).code).toBe(1006);
    await client.untilEnded();
  });

  test("ordered as a cut needs no peer", async () => {
    const run = await start();
    const client = run.raw();
    const socket = await run.openRaw(client);
    run.sockets.perform({ type: "socket_terminate", socket });
    expect((await run.log.first("socket_closed")).code).toBe(1006);
    await client.untilEnded();
    expect(client.text).not.toContain("\x88");
  });

  test("by a broken connection is 1006, and what was not sent is never reported as flushed", async () => {
    const run = await start();
    const client = run.raw();
    client.socket.pause();
    const socket = await run.openRaw(client);
    for (let index = 0; index < 64; index++) {
      run.sockets.perform({ type: "socket_send_text", socket, text: "x".repeat(1 * MIB) });
    }
    client.leave();
    expect((await run.log.first("socket_closed")).code).toBe(1006);
    expect(run.flushed()).toBeLessThan(64 * MIB);
    expect(run.log.events.at(-1)?.type).toBe("socket_closed");
  });
});

describe("a peer that breaks RFC 6455", () => {
  test.each([
    ["T19 an unmasked frame", Buffer.from([0x81, 0x01, 0x61]), 1002],
    ["T06 a reserved bit", masked(0xc1, Buffer.from("a")), 1002],
    ["T06 an unknown opcode", masked(0x83, Buffer.from("a")), 1002],
    ["T19 a continuation of nothing", masked(0x80, Buffer.from("a")), 1002],
    ["T19 a fragmented ping", masked(0x09, Buffer.from("a")), 1002],
    ["T19 a long ping", masked(0x89, Buffer.alloc(126)), 1002],
    ["T19 text that is not UTF-8", masked(0x81, Buffer.from([0xc3, 0x28])), 1007],
    ["T19 close code 1005", masked(0x88, Buffer.from([0x03, 0xed])), 1002],
    ["T19 close code 1006", masked(0x88, Buffer.from([0x03, 0xee])), 1002],
    ["T19 close code 65535", masked(0x88, Buffer.from([0xff, 0xff])), 1002],
    ["T06 a length beyond 2^53", Buffer.from([0x82, 0xff, ...new Array(8).fill(0xff)]), 1009],
    ["T06 a message above the limit", masked(0x82, Buffer.alloc(MESSAGE_BYTES_MAX + 1)), 1009],
  ])("by %s is told so, closed, and harms nobody else", async (_name, bytes, code) => {
    const run = await start();
    const { client: neighbour } = await run.open();
    const client = run.raw();
    const socket = await run.openRaw(client);
    client.socket.write(bytes);
    await client.untilText(`\x88\x02${String.fromCharCode(code >> 8, code & 0xff)}`);
    client.socket.end();
    const closed = await run.log.first("socket_closed");
    expect(closed.socket).toBe(socket);
    expect(closed.reason).not.toBe("");
    neighbour.send("still here");
    expect((await run.log.first("socket_text")).text).toBe("still here");
  });

  test("T07 with frames that come one byte at a time is served all the same", async () => {
    const run = await start();
    const client = run.raw();
    await run.openRaw(client);
    client.socket.setNoDelay(true);
    const frame = masked(0x81, Buffer.from("byte by byte"));
    for (const byte of frame) {
      await new Promise<void>((resolve) => client.socket.write(Buffer.from([byte]), () => resolve()));
    }
    expect((await run.log.first("socket_text")).text).toBe("byte by byte");
  });
});

/** `answer` is sent at once to each text that comes. */
async function start(answer: string | null = null) {
  const log = new EventLog<ServerSocketEvent>();
  const nonce = createNonceSource();
  const forwarded: IncomingMessage[] = [];
  const sockets = new ServerSockets({
    messageBytesMax: MESSAGE_BYTES_MAX,
    dispatch: (event) => {
      log.dispatch(event);
      if (event.type === "socket_text" && answer !== null) {
        sockets.perform({ type: "socket_send_text", socket: event.socket, text: answer });
      }
    },
    nonce,
    onForward: (request) => forwarded.push(request),
  });
  const server = new HttpServer({
    port: 0,
    bind: "127.0.0.1",
    dispatch: () => {},
    nonce,
    onUpgrade: (request, socket, head) => sockets.take(request, socket, head),
  });
  const { port } = await server.listen();
  cleanups.push(() => {
    sockets.close();
    for (const { socket } of forwarded) socket.destroy();
    return server.close();
  });
  const raw = () => {
    const client = new RawClient(port);
    cleanups.push(() => client.leave());
    return client;
  };
  const connect = (target: string, headers: Record<string, string> = {}) => {
    const client = new WebSocket(`ws://127.0.0.1:${port}${target}`, { headers });
    client.on("error", () => {});
    cleanups.push(() => client.terminate());
    return client;
  };
  const acceptNewest = async (requests: number): Promise<SocketId> => {
    await log.until(() => log.all("upgrade_requested").length === requests);
    const socket = log.all("upgrade_requested")[requests - 1]?.socket;
    if (socket === undefined) throw new Error("unreachable");
    sockets.perform({ type: "upgrade_accept", socket, protocol: null });
    return socket;
  };
  const open = async () => {
    const requests = log.all("upgrade_requested").length + 1;
    const client = connect("/ws");
    const socket = await acceptNewest(requests);
    await once(client, "open");
    return { client, socket };
  };
  const openRaw = async (client: RawClient) => {
    const requests = log.all("upgrade_requested").length + 1;
    handshake(client);
    const socket = await acceptNewest(requests);
    await log.until(() => log.all("socket_opened").length === requests);
    if (!client.socket.isPaused()) await client.untilText("\r\n\r\n");
    return socket;
  };
  const flushed = () => log.all("socket_flushed").reduce((sum, event) => sum + event.bytes, 0);
  return { log, sockets, forwarded, raw, connect, open, openRaw, flushed };
}

/** The bytes as a header and no, one or many parts. */
function splits(bytes: Buffer): [Uint8Array, ...Uint8Array[]][] {
  const [a, b] = [Math.floor(bytes.length / 3), Math.floor(bytes.length / 2)];
  return [
    [bytes],
    [bytes.subarray(0, a), bytes.subarray(a)],
    [bytes.subarray(0, a), bytes.subarray(a, b), new Uint8Array(0), bytes.subarray(b)],
  ];
}

function handshake(client: RawClient, upgrade = "upgrade: websocket", ...headers: string[]): void {
  client.get(
    "/ws",
    "connection: Upgrade",
    upgrade,
    "sec-websocket-version: 13",
    "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
    ...headers,
  );
}

/** A client's frame with a mask of its own. */
function masked(firstByte: number, payload: Buffer): Buffer {
  const mask = [1, 2, 3, 4];
  const bytes = Buffer.from(payload.map((byte, index) => byte ^ (mask[index % 4] ?? 0)));
  const length =
    payload.length < 126
      ? [0x80 | payload.length]
      : payload.length < 65_536
        ? [0xfe, payload.length >> 8, payload.length & 0xff]
        : [0xff, 0, 0, 0, 0, ...[24, 16, 8, 0].map((shift) => (payload.length >>> shift) & 0xff)];
  return Buffer.concat([Buffer.from([firstByte, ...length, ...mask]), bytes]);
}
