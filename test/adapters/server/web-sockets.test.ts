import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { describe, expect, test, vi } from "vitest";
import { NONCE_BYTES } from "../../../core/events.ts";
import type { RawClient } from "../raw-client.ts";
import { KIB, MESSAGE_BYTES_MAX, MIB, masked, start } from "./web-sockets-harness.ts";

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
    packet(10, 6);
    run.sockets.perform({ type: "socket_ping", socket });
    packet(20, 3);
    run.sockets.perform({ type: "socket_send_text", socket, text: "B".repeat(20 * KIB) });
    packet(30, 4);
    run.sockets.perform({ type: "socket_close", socket, code: 1000, reason: "" });
    packet(30, 5);
    await once(client, "close");
    expect(seen).toEqual(["1:10", "65:1", `2:${40 * KIB}`, "6:10", "ping", "3:20", `66:${20 * KIB}`, "4:30"]);
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

/** The bytes as a header and no, one or many parts. */
function splits(bytes: Buffer): [Uint8Array, ...Uint8Array[]][] {
  const [a, b] = [Math.floor(bytes.length / 3), Math.floor(bytes.length / 2)];
  return [
    [bytes],
    [bytes.subarray(0, a), bytes.subarray(a)],
    [bytes.subarray(0, a), bytes.subarray(a, b), new Uint8Array(0), bytes.subarray(b)],
  ];
}
