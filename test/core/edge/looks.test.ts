/** Visitors who leave while nobody reads what they send: how the edge comes to see it, and what that may take. */
import { describe, expect, test } from "vitest";
import { checkEdge, READ_BYTES_MAX } from "../../../core/edge/check.ts";
import { createEdge, type Edge, edgeDeadlineMs, stepEdge } from "../../../core/edge/edge.ts";
import type { EdgeEffect, EdgeEvent } from "../../../core/edge/events.ts";
import { type EdgeLimits, edgeLimits } from "../../../core/edge/limits.ts";
import type { ConnectionId, ExchangeId } from "../../../core/ids.ts";
import { Outbox } from "../../../core/outbox.ts";

const KIB = 1024;
const { readAheadBytes, lookMs, lookStepMs, lookBytes, lingerMs } = edgeLimits;
const HANDSHAKE =
  "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n" +
  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

type Bytes = { readonly type: "exchange_body"; readonly exchange: ExchangeId; readonly bytes: Uint8Array };

class Run {
  readonly effects: EdgeEffect[] = [];
  readonly edge: Edge;
  nowMs = 0;
  readonly #out = new Outbox<EdgeEffect>();
  #connections = 0;

  constructor(limits: Partial<EdgeLimits> = {}) {
    const own = { ...edgeLimits, answerStartBytes: 0, ...limits };
    this.edge = createEdge({ limits: own, trustedProxies: [], date: () => "" });
  }

  step(event: EdgeEvent): void {
    stepEdge(this.edge, this.nowMs, event, this.#out);
    this.#out.drain((effect) => this.effects.push(effect));
    checkEdge(this.edge);
  }

  /** Time passes, and what is due meanwhile happens. */
  pass(ms: number): void {
    const untilMs = this.nowMs + ms;
    for (let atMs = edgeDeadlineMs(this.edge); atMs <= untilMs; atMs = edgeDeadlineMs(this.edge)) {
      this.nowMs = Math.max(this.nowMs, atMs);
      this.step({ type: "tick" });
    }
    this.nowMs = untilMs;
  }

  accept(head: string, address?: string): ConnectionId {
    const connection = ++this.#connections as ConnectionId;
    const peer = address ?? `10.0.0.${connection}`;
    this.step({ type: "connection_accepted", connection, peer });
    this.step({ type: "connection_bytes", connection, bytes: new Uint8Array(Buffer.from(head, "latin1")) });
    return connection;
  }

  /** An upload that nobody reads. */
  upload(address?: string): ConnectionId {
    return this.accept(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${64 * 1024 * KIB}\r\n\r\n`, address);
  }

  /** Whether the adapter reads the connection, by what it was told last. */
  isRead(connection: ConnectionId): boolean {
    const told = this.effects.findLast(
      (effect) => effect.type === "connection_pause" && effect.connection === connection,
    );
    return told?.type !== "connection_pause" || !told.paused;
  }

  /** What the visitor has on the way comes as far as it is read. Returns what is still on the way. */
  send(connection: ConnectionId, bytes: number): number {
    const body = bodyOf(bytes);
    let at = 0;
    for (; at < bytes && this.isRead(connection); at += 64 * KIB) {
      this.step({ type: "connection_bytes", connection, bytes: body.slice(at, at + 64 * KIB) });
    }
    return Math.max(0, bytes - at);
  }

  /** The end that was behind all that. */
  end(connection: ConnectionId): void {
    expect(this.isRead(connection)).toBe(true);
    this.step({ type: "connection_ended", connection });
  }

  count(type: EdgeEffect["type"]): number {
    return this.effects.filter((effect) => effect.type === type).length;
  }

  bodies(): Uint8Array {
    const parts = this.effects.filter((effect): effect is Bytes => effect.type === "exchange_body");
    return new Uint8Array(Buffer.concat(parts.map(({ bytes }) => bytes)));
  }
}

/** So many bytes from the end of the same long body. */
function bodyOf(bytes: number): Uint8Array {
  return LONG_BODY.subarray(LONG_BODY.length - bytes);
}

const LONG_BODY = Uint8Array.from({ length: 5 * lookBytes }, (_, index) => index % 251);

describe("a connection that is not read", () => {
  test("is asked every second whether it was reset", () => {
    const run = new Run();
    const connection = run.upload();
    run.send(connection, lookBytes * 2);
    expect(run.count("connection_probe")).toBe(0);
    run.pass(lookMs);
    expect(run.count("connection_probe")).toBe(1);
    run.send(connection, lookBytes * 2);
    run.pass(3 * lookMs);
    expect(run.count("connection_probe")).toBe(4);
  });

  test("is read on after a second, and ends its exchange where the end is found", () => {
    const run = new Run();
    const connection = run.upload();
    const left = run.send(connection, 4_000 * KIB);
    expect(left).toBe(4_000 * KIB - READ_BYTES_MAX);
    run.pass(lookMs);
    expect(run.send(connection, left)).toBe(0);
    run.end(connection);
    expect(run.count("exchange_closed")).toBe(1);
    expect(run.edge.grantedBytes).toBe(0);
  });

  test("is read so far and no further", () => {
    const run = new Run();
    const connection = run.upload();
    let left = run.send(connection, 4 * lookBytes);
    for (let looks = 0; looks < 10; looks++) {
      run.pass(lookMs);
      left = run.send(connection, left);
    }
    expect(4 * lookBytes - left).toBeLessThanOrEqual(readAheadBytes + lookBytes + 64 * KIB);
    expect(run.isRead(connection)).toBe(false);
  });

  test("is written to before it is read on, and asked a step later whether that reset it", () => {
    const run = new Run({ answerStartBytes: 3 });
    const connection = run.upload();
    run.send(connection, 4 * lookBytes);
    for (let looks = 1; looks <= 3; looks++) {
      run.pass(lookMs);
      expect(run.count("connection_write")).toBe(looks);
      const probes = run.count("connection_probe");
      run.pass(lookStepMs);
      expect(run.count("connection_probe")).toBe(probes + 1);
      expect(run.isRead(connection)).toBe(false);
      run.step({ type: "connection_flushed", connection, bytes: 1 });
    }
    run.pass(lookMs);
    expect(run.count("connection_write")).toBe(3);
    expect(run.isRead(connection)).toBe(true);
  });

  test("that sends byte by byte is charged for each piece", () => {
    const run = new Run();
    const connection = run.upload();
    run.send(connection, readAheadBytes);
    run.pass(lookMs);
    let pieces = 0;
    while (run.isRead(connection)) {
      run.step({ type: "connection_bytes", connection, bytes: new Uint8Array(1) });
      pieces++;
    }
    expect(pieces).toBeLessThan(lookBytes / 200);
  });

  test("of which nothing more comes stays read with what it has, and leaves the room to others", () => {
    const run = new Run();
    const connection = run.upload();
    run.send(connection, readAheadBytes + 10 * KIB);
    run.pass(lookMs);
    run.send(connection, 10 * KIB);
    run.pass(lookStepMs);
    expect(run.isRead(connection)).toBe(true);
    expect(run.edge.grantedBytes).toBeLessThan(64 * KIB);
    run.end(connection);
    expect(run.count("exchange_closed")).toBe(1);
  });

  test("gives what was read ahead to who wants it, whole and piece by piece", () => {
    const run = new Run();
    const connection = run.upload();
    const left = run.send(connection, 1_000 * KIB);
    run.pass(lookMs);
    expect(run.send(connection, left)).toBe(0);
    const exchange = 1 as ExchangeId;
    run.step({ type: "exchange_read", exchange });
    expect(run.bodies().length).toBeLessThanOrEqual(readAheadBytes + 64 * KIB);
    run.step({ type: "exchange_pause", exchange, paused: true });
    const taken = run.bodies().length;
    run.pass(0);
    expect(run.bodies().length).toBe(taken);
    run.step({ type: "exchange_pause", exchange, paused: false });
    run.pass(0);
    expect(Buffer.compare(run.bodies(), bodyOf(1_000 * KIB))).toBe(0);
    run.pass(2 * lookStepMs);
    expect(run.edge.grantedBytes).toBe(0);
  });
});

describe("many connections that are not read", () => {
  test("are looked at in turns within a bound, and all that have left are found", () => {
    const run = new Run({ looksBytesTotal: 3 * lookBytes });
    const left = new Map<ConnectionId, number>();
    for (let count = 0; count < 40; count++) {
      const connection = run.upload();
      left.set(connection, run.send(connection, 4_000 * KIB));
    }
    run.pass(lookMs);
    while (left.size > 0) {
      const read = [...left].filter(([connection]) => run.isRead(connection));
      expect(read.length).toBe(Math.min(3, left.size));
      for (const [connection, bytes] of read) {
        expect(run.send(connection, bytes)).toBe(0);
        expect(run.edge.grantedBytes).toBeLessThanOrEqual(3 * lookBytes);
        run.end(connection);
        run.step({ type: "connection_closed", connection, cause: null });
        left.delete(connection);
      }
    }
    expect(run.count("exchange_closed")).toBe(40);
    expect(run.edge.grantedBytes).toBe(0);
  });

  test("of one address leave room for the looks at others", () => {
    const run = new Run({ looksBytesTotal: 3 * lookBytes, addressLooksBytes: 2 * lookBytes });
    const mine = Array.from({ length: 10 }, () => run.upload("10.9.9.9"));
    for (const connection of mine) run.send(connection, 2 * lookBytes);
    run.pass(1);
    const other = run.upload();
    run.send(other, 2 * lookBytes);
    run.pass(lookMs);
    const readOf = () => mine.filter((connection) => run.isRead(connection));
    expect(readOf()).toHaveLength(2);
    expect(run.isRead(other)).toBe(true);
    // Whoever is gone makes room for the next of his address.
    for (const connection of readOf()) run.step({ type: "connection_closed", connection, cause: null });
    expect(readOf()).toHaveLength(2 + 2);
  });

  test("do not keep the others waiting by sending little", () => {
    const run = new Run({ looksBytesTotal: lookBytes + 64 * KIB });
    const [slow, other] = [run.upload(), run.upload()];
    for (const connection of [slow, other]) run.send(connection, readAheadBytes + KIB);
    run.pass(lookMs);
    expect([slow, other].map((connection) => run.isRead(connection))).toEqual([true, false]);
    run.send(slow, KIB);
    run.pass(2 * lookMs);
    expect(run.isRead(other)).toBe(true);
  });
});

describe("an upgraded connection whose home takes nothing", () => {
  const exchange = 1 as ExchangeId;
  const upgraded = () => {
    const run = new Run();
    const connection = run.accept(HANDSHAKE);
    run.step({ type: "connection_returned", connection });
    run.step({ type: "respond_upgrade", exchange, headers: [] });
    run.step({ type: "exchange_pause", exchange, paused: true });
    return { run, connection };
  };

  test("is broken off a while after its visitor has ended, so that he does not take it for the end", () => {
    const { run, connection } = upgraded();
    run.send(connection, 10 * KIB);
    run.end(connection);
    run.pass(lingerMs - 1);
    expect(run.count("connection_reset")).toBe(0);
    run.pass(1);
    expect(run.count("connection_reset")).toBe(1);
  });

  test("tells the end behind the last byte where the home goes on in time", () => {
    const { run, connection } = upgraded();
    run.send(connection, 10 * KIB);
    run.end(connection);
    run.step({ type: "exchange_pause", exchange, paused: false });
    run.pass(2 * lookMs);
    expect(run.bodies().length).toBe(10 * KIB);
    const facts = run.effects.filter(({ type }) => type.startsWith("exchange_"));
    expect(facts.at(-1)).toEqual({ type: "exchange_body_ended", exchange, trailers: [] });
    expect(run.count("connection_close")).toBe(0);
  });

  test("is waited for anew with each piece that the home takes behind the visitor's end", () => {
    const { run, connection } = upgraded();
    for (let piece = 0; piece < 3; piece++) run.send(connection, 10 * KIB);
    run.end(connection);
    for (let piece = 0; piece < 3; piece++) {
      run.pass(lingerMs - 1);
      run.step({ type: "exchange_pause", exchange, paused: false });
      if (piece < 2) run.step({ type: "exchange_pause", exchange, paused: true });
    }
    expect(run.count("connection_reset")).toBe(0);
    run.pass(2 * lookMs);
    expect(run.bodies().length).toBe(30 * KIB);
  });

  test("is closed where its visitor has ended and the home says nothing more", () => {
    const run = new Run();
    const connection = run.accept(HANDSHAKE);
    run.step({ type: "connection_returned", connection });
    run.step({ type: "respond_upgrade", exchange, headers: [] });
    run.end(connection);
    expect(run.count("exchange_body_ended")).toBe(1);
    for (let second = 0; second < 20; second++) {
      run.pass(1_000);
      run.step({ type: "connection_flushed", connection, bytes: 1 });
    }
    expect(run.count("connection_reset")).toBe(0);
    run.pass(lingerMs);
    expect(run.count("connection_reset")).toBe(1);
  });
});
