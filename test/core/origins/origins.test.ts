import { describe, expect, test } from "vitest";
import type { ConnectionId, ExchangeId } from "../../../core/ids.ts";
import { clientLimits } from "../../../core/origins/client.ts";
import {
  checkOrigins,
  createOrigins,
  type OriginOrder,
  type OriginsEffect,
  type OriginsEvent,
  originsDeadlineMs,
  stepOrigins,
} from "../../../core/origins/origins.ts";
import { Outbox } from "../../../core/outbox.ts";

type Order = Extract<OriginOrder, { readonly type: "origin_request" }>;

const first = 1 as ConnectionId;
const exchange = 1 as ExchangeId;

const get: Order = {
  type: "origin_request",
  exchange,
  origin: 0,
  method: "GET",
  target: "/a",
  headers: ["Host", "home"],
  body: null,
  bodyBytes: null,
  upgrade: false,
};

const OPEN = { type: "connection_open", connection: first, origin: 0 };
const CLOSE = { type: "connection_close", connection: first };
const FAILED = { type: "origin_failed", exchange };

function start() {
  const origins = createOrigins({ limits: clientLimits, basePaths: ["/base"] });
  const out = new Outbox<OriginsEffect>();
  const run = {
    /** What one event leads to. */
    step(nowMs: number, event: OriginsEvent): OriginsEffect[] {
      const effects: OriginsEffect[] = [];
      stepOrigins(origins, nowMs, event, out);
      out.drain((effect) => effects.push(effect));
      checkOrigins(origins);
      return effects;
    },
    deadlineMs: () => originsDeadlineMs(origins),
    /** The head of the request leaves on the first connection, and that is answered. */
    answer(nowMs: number, text: string): OriginsEffect[] {
      const { writtenBytes, flushedBytes } = origins.client.connections.get(first) ?? {
        writtenBytes: 0,
        flushedBytes: 0,
      };
      run.step(nowMs, {
        type: "connection_flushed",
        connection: first,
        bytes: writtenBytes - flushedBytes,
      });
      return run.step(nowMs, bytes(text));
    },
  };
  return run;
}

function bytes(text: string): OriginsEvent {
  return { type: "connection_bytes", connection: first, bytes: Uint8Array.from(Buffer.from(text)) };
}

describe("a request", () => {
  test("goes to a connection that it opens, and its response comes back as facts", () => {
    const run = start();
    const parts = ["GET /base/a HTTP/1.1\r\nHost: home\r\nConnection: keep-alive\r\n\r\n"];
    expect(run.step(5, get)).toEqual([OPEN, { type: "connection_write", connection: first, parts }]);
    expect(run.step(6, { type: "connection_opened", connection: first })).toEqual([]);
    expect(run.answer(7, "HTTP/1.1 103 x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")).toEqual([
      { type: "origin_interim", exchange, status: 103, headers: [] },
      { type: "origin_head", exchange, status: 200, headers: ["Content-Length", "2"], follows: "body" },
      {
        type: "origin_body",
        exchange,
        bytes: Uint8Array.from(Buffer.from("ok")),
        only: true,
        follows: "end",
      },
      { type: "origin_ended", exchange, trailers: [] },
    ]);
  });

  test("streams its body, and is told what has left", () => {
    const run = start();
    run.step(0, { ...get, method: "PUT", body: "streamed", bodyBytes: 4 });
    run.answer(0, "");
    const body = Uint8Array.of(1, 2, 3, 4);
    expect(run.step(0, { type: "origin_send", exchange, bytes: body })).toEqual([
      { type: "connection_write", connection: first, parts: [body] },
    ]);
    expect(run.step(0, { type: "origin_send_end", exchange, trailers: [] })).toEqual([]);
    expect(run.step(0, { type: "connection_flushed", connection: first, bytes: 4 })).toEqual([
      { type: "origin_flushed", exchange, bytes: 4 },
    ]);
  });

  test("that is paused is read no further than its head", () => {
    const run = start();
    run.step(0, get);
    expect(run.step(0, { type: "origin_pause", exchange, paused: true })).toEqual([]);
    const effects = run.answer(0, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    expect(effects.map(({ type }) => type)).toEqual(["connection_pause", "origin_head"]);
    const resumed = run.step(1, { type: "origin_pause", exchange, paused: false });
    expect(resumed.map(({ type }) => type)).toEqual(["connection_pause", "origin_body", "origin_ended"]);
  });

  test("that is aborted is told of no more, whatever comes", () => {
    const run = start();
    run.step(0, get);
    expect(run.step(0, { type: "origin_abort", exchange })).toEqual([CLOSE]);
    expect(run.step(0, bytes("HTTP/1.1 200 OK\r\n\r\n"))).toEqual([]);
    expect(run.step(0, { type: "connection_closed", connection: first, cause: "broken" })).toEqual([]);
    expect(run.step(0, { type: "origin_abort", exchange })).toEqual([]);
  });

  test.each([
    ["before the origin has switched", null],
    [
      "after the origin has switched",
      "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
    ],
  ])(
    "that asked for an upgrade and is aborted %s is reset, since its end would pass for a whole",
    (_when, head) => {
      const run = start();
      run.step(0, { ...get, upgrade: true });
      if (head !== null) run.answer(0, head);
      const reset = { type: "connection_reset", connection: first };
      expect(run.step(0, { type: "origin_abort", exchange })).toEqual([reset]);
    },
  );

  test("fails by its connection's fault, and when all are closed", () => {
    const refused = start();
    refused.step(0, get);
    const closed = { type: "connection_closed", connection: first, cause: "refused" } as const;
    expect(refused.step(0, closed)).toEqual([{ ...FAILED, fault: "refused" }]);
    const over = start();
    over.step(0, get);
    expect(over.step(0, { type: "origins_close" })).toEqual([CLOSE, { ...FAILED, fault: "broken" }]);
    expect(over.deadlineMs()).toBe(Number.POSITIVE_INFINITY);
  });
});

describe("a connection", () => {
  test("that is not made in time is given up, and its request fails", () => {
    const run = start();
    run.step(100, get);
    expect(run.deadlineMs()).toBe(100 + clientLimits.connectMs);
    expect(run.step(run.deadlineMs(), { type: "tick" })).toEqual([
      CLOSE,
      { ...FAILED, fault: "connect_timeout" },
    ]);
    expect(run.deadlineMs()).toBe(Number.POSITIVE_INFINITY);
  });

  test("serves the next request, until it was idle for too long", () => {
    const run = start();
    run.step(0, get);
    run.step(0, { type: "connection_opened", connection: first });
    run.answer(0, "HTTP/1.1 204 x\r\n\r\n");
    const second = run.step(10, { ...get, exchange: 2 as ExchangeId });
    expect(second.map(({ type }) => type)).toEqual(["connection_write"]);
    run.answer(20, "HTTP/1.1 204 x\r\n\r\n");
    expect(run.deadlineMs()).toBe(20 + clientLimits.idleMs);
    expect(run.step(run.deadlineMs() - 1, { type: "tick" })).toEqual([]);
    expect(run.step(run.deadlineMs(), { type: "tick" })).toEqual([CLOSE]);
  });
});

describe("origins that change", () => {
  const second = 2 as ConnectionId;
  const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

  test("are counted anew by requests, and connections are ordered with numbers of their own", () => {
    const run = start();
    run.step(5, get);
    run.step(6, { type: "origins_changed", basePaths: ["", "/other"] });
    const [opened, written] = run.step(7, { ...get, exchange: 2 as ExchangeId, origin: 1 });
    expect(opened).toEqual({ type: "connection_open", connection: second, origin: 2 });
    expect(written).toMatchObject({ parts: [expect.stringContaining("GET /other/a ")] });
  });

  test("let what runs come to its end, and keep its connection no longer", () => {
    const run = start();
    run.step(5, get);
    run.step(5, { type: "connection_opened", connection: first });
    expect(run.step(6, { type: "origins_changed", basePaths: [""] })).toEqual([]);
    const effects = run.answer(7, OK);
    expect(effects).toContainEqual({ type: "origin_ended", exchange, trailers: [] });
    expect(effects).toContainEqual(CLOSE);
  });

  test("close the connections that nobody is on", () => {
    const run = start();
    run.step(5, get);
    run.step(5, { type: "connection_opened", connection: first });
    run.answer(7, OK);
    expect(run.step(8, { type: "origins_changed", basePaths: [""] })).toEqual([CLOSE]);
  });
});
