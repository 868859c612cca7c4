/** The properties of an agent's connections to its home, each shown steps that break it and steps that do not. */
import { describe, expect, test } from "vitest";
import type { ConnectionId, ExchangeId } from "../../../core/ids.ts";
import type { OriginsEffect, OriginsEvent } from "../../../core/origins/origins.ts";
import { announced } from "../../../sim/checkers/announced.ts";
import { connectionsKept } from "../../../sim/checkers/connections-kept.ts";
import { distrust } from "../../../sim/checkers/distrust.ts";
import { lateResumed } from "../../../sim/checkers/late-resumed.ts";
import { switchedAsAsked } from "../../../sim/checkers/switched-as-asked.ts";
import { youngEnough } from "../../../sim/checkers/young-enough.ts";
import { OriginLedger } from "../../../sim/ledger/origin-connections.ts";
import type { Property } from "../../../sim/record/checker.ts";
import { watch } from "./observations.ts";

type Step = readonly [nowMs: number, event: OriginsEvent, ...effects: OriginsEffect[]];

const connection = 1 as ConnectionId;
const other = 2 as ConnectionId;
const tick: OriginsEvent = { type: "tick" };
const bytes: OriginsEvent = { type: "connection_bytes", connection, bytes: new Uint8Array(4) };
const closes: OriginsEffect = { type: "connection_close", connection };

function violations(property: Property, steps: readonly Step[]): number {
  const { checker, found } = watch(property);
  const ledger = new OriginLedger();
  for (const [nowMs, event, ...effects] of steps) {
    ledger.take(nowMs, event, effects, effects.length);
    checker.originsStep?.(
      { name: "agent:a", nowMs, ledger, limits: { idleMs: 1_500 } },
      event,
      effects,
      effects.length,
    );
  }
  return found.length;
}

function asks(exchange: number, upgrade = false, method = "GET"): OriginsEvent {
  return {
    type: "origin_request",
    exchange: exchange as ExchangeId,
    origin: 0,
    method,
    target: "/",
    headers: [],
    body: null,
    bodyBytes: null,
    upgrade,
  };
}

function open(id = connection, origin = 0): OriginsEffect {
  return { type: "connection_open", connection: id, origin };
}

function write(id = connection): OriginsEffect {
  return { type: "connection_write", connection: id, parts: ["GET"] };
}

function head(exchange: number, status = 200, ...headers: readonly string[]): OriginsEffect {
  return { type: "origin_head", exchange: exchange as ExchangeId, status, headers };
}

function ended(exchange: number): OriginsEffect {
  return { type: "origin_ended", exchange: exchange as ExchangeId, trailers: [] };
}

function pause(paused: boolean): OriginsEffect {
  return { type: "connection_pause", connection, paused };
}

const first: Step = [0, asks(1), open(), write()];
const answered: Step = [10, bytes, head(1), ended(1)];

describe("connections_kept", () => {
  test.each<readonly [string, number, readonly Step[]]>([
    ["one that was closed in time", 0, [[10, bytes, head(1), ended(1), closes]]],
    ["one whose request goes on", 0, []],
    ["one that is used again", 0, [answered, [20, asks(2), write()]]],
    ["one that nobody uses any more", 1, [answered]],
  ])("judges %s", (_, found, steps) => {
    expect(violations(connectionsKept, [first, ...steps, [60_000, tick]])).toBe(found);
  });
});

describe("late_resumed", () => {
  const resumed: Step = [5, tick, pause(true), pause(false)];
  test.each<readonly [string, number, Step]>([
    ["that was read again a while ago", 0, [10, asks(2), write()]],
    ["that was read again just now", 1, [9, asks(2), write()]],
    ["of its own", 0, [9, asks(2), open(other), write(other)]],
  ])("a request on a connection %s: %i violations", (_, found, next) => {
    expect(violations(lateResumed, [first, resumed, [5, bytes, head(1), ended(1)], next])).toBe(found);
  });
});

describe("distrust", () => {
  const spoke: Step = [20, bytes, closes];
  const onAnother: readonly Step[] = [
    [30, asks(2), open(other, 0), write(other)],
    [40, { ...bytes, connection: other }, head(2), ended(2)],
  ];
  test.each<readonly [string, number, readonly Step[]]>([
    ["on a new connection", 0, onAnother],
    ["on one that was kept after it spoke", 1, [...onAnother, [50, asks(3), write(other)]]],
    ["on one that was kept long after it", 0, [...onAnother, [300_020, asks(3), write(other)]]],
    [
      "of another origin",
      0,
      [
        [30, asks(2), open(other, 1), write(other)],
        [40, { ...bytes, connection: other }, head(2), ended(2)],
        [50, asks(3), write(other)],
      ],
    ],
  ])("a request to an origin that spoke unasked, %s: %i violations", (_, found, steps) => {
    expect(violations(distrust, [first, answered, spoke, ...steps])).toBe(found);
  });

  test("sees an exchange move to another connection", () => {
    const moves: Step = [50, bytes, closes, write(other)];
    const begun: readonly Step[] = [
      first,
      answered,
      [20, asks(2), open(other), write(other)],
      [21, { ...bytes, connection: other }, head(2), ended(2)],
      // Both are kept all the same: the next request goes on one, and then moves to the other.
      [22, { ...bytes, connection: other }],
      [30, asks(3), write()],
    ];
    expect(violations(distrust, [...begun, moves])).toBe(2);
  });
});

describe("announced", () => {
  const answer: Step = [10, bytes, head(1, 200, "Keep-Alive", "timeout=3, max=100"), ended(1)];
  test.each<readonly [string, number, Step, number]>([
    ["more than a second before that", 0, answer, 2_009],
    ["within a second of it", 1, answer, 2_010],
    ["where nothing is announced", 0, answered, 3_500],
  ])("a connection is used again %s: %i violations", (_, found, before, nowMs) => {
    expect(violations(announced, [first, before, [nowMs, asks(2), write()]])).toBe(found);
  });
});

describe("young_enough", () => {
  test.each<readonly [string, number, OriginsEvent, number]>([
    ["a POST on one that was idle for less than a second and a half", 0, asks(2, false, "POST"), 1_509],
    ["a POST on one that was idle for as long", 1, asks(2, false, "POST"), 1_510],
    ["a GET with a body on such a one", 1, { ...asks(2), body: "streamed" } as OriginsEvent, 1_510],
    ["a GET on such a one", 0, asks(2), 1_510],
  ])("judges %s", (_, found, asked, nowMs) => {
    expect(violations(youngEnough, [first, answered, [nowMs, asked, write()]])).toBe(found);
  });
});

describe("switched_as_asked", () => {
  test.each<readonly [string, number, OriginsEvent, OriginsEffect]>([
    ["a 101 that was asked for", 0, asks(1, true), head(1, 101)],
    ["a 101 that nobody asked for", 1, asks(1), head(1, 101)],
    ["another answer", 0, asks(1), head(1, 200)],
  ])("judges %s", (_, found, asked, answer) => {
    expect(
      violations(switchedAsAsked, [
        [0, asked, open(), write()],
        [1, bytes, answer],
      ]),
    ).toBe(found);
  });
});
