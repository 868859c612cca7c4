import { once } from "node:events";
import { describe, expect, test, vi } from "vitest";
import { CLOSE_TIMEOUT_MS } from "../../../adapters/agent/web-sockets.ts";
import type { SocketId } from "../../../core/ids.ts";
import { connect, SOCKET } from "./web-sockets-harness.ts";

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

  test("by order is a closing handshake, after everything that was sent before it and nothing else", async () => {
    const { run, peer } = await connect();
    const received: string[] = [];
    peer.on("message", (data: Buffer) => received.push(data.toString()));
    const peerClosed = once(peer, "close");
    run.perform({ type: "socket_send_text", socket: SOCKET, text: "last words" });
    run.perform({ type: "socket_close", socket: SOCKET, code: 1000, reason: "drained" });
    run.perform({ type: "socket_send_packet", socket: SOCKET, header: Buffer.from("late"), body: [] });
    run.perform({ type: "socket_send_text", socket: SOCKET, text: "later" });
    expect((await peerClosed).map(String)).toEqual(["1000", "drained"]);
    await run.closed();
    expect(received).toEqual(["last words"]);
    expect(run.log.all("socket_flushed").map(({ bytes }) => bytes)).toEqual(["last words".length]);
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
