import { describe, expect, test } from "vitest";
import { deadlines } from "../../../sim/checkers/deadlines.ts";
import {
  aborts,
  type Case,
  cuts,
  ends,
  exchange,
  head,
  judge,
  opened,
  packet,
  REQUEST_ID,
  responds,
  type ServerStep,
  Shows,
  tick,
  underWay,
  writes,
} from "./steps.ts";

describe("deadlines", () => {
  const limits = {
    exchangeIdleMs: 50,
    agentNoticeMs: 30,
    registryVisitorMs: 20,
    waitMs: 0,
  };
  const socket: ServerStep[] = [
    ...underWay(),
    [10, packet(1, 0, false, REQUEST_ID, 101), { type: "respond_upgrade", exchange, headers: [] }],
  ];
  test.each<Case>([
    ["packet 1 has its time", 0, [...underWay(), [82, tick]]],
    ["packet 1 is late", 1, [...underWay(), [83, tick]]],
    ["after packet 1 the next has its time", 0, [...underWay(), [10, packet(1, 0), head()], [89, tick]]],
    ["after packet 1 the next is late", 1, [...underWay(), [10, packet(1, 0), head()], [90, tick]]],
    [
      "a packet that comes again is no progress",
      1,
      [...underWay(), [10, packet(2, 0)], [20, packet(2, 0)], [110, tick]],
    ],
    [
      "the visitor does not take the end",
      1,
      [...underWay(), [10, packet(1, 9, true), responds(200)], [80, tick]],
    ],
    ["it is given up early", 1, [...underWay(), [50, tick, aborts, responds(504)]]],
    ["it is given up in time", 0, [...underWay(), [53, tick, aborts, responds(504)]]],
    ["a silent WebSocket is kept", 0, [...socket, [10_000, tick]]],
    ["a silent WebSocket is given up", 1, [...socket, [10_000, tick, aborts, writes(4), ends]]],
    [
      "a WebSocket is given up whose visitor takes nothing",
      0,
      [...socket, [11, packet(2, 9), writes(9)], [10_000, tick, aborts, cuts]],
    ],
    [
      "a WebSocket is kept whose visitor takes nothing",
      1,
      [...socket, [11, packet(2, 9), writes(9)], [10_000, tick]],
    ],
    [
      "the registry takes too long",
      1,
      [
        [3, opened()],
        [543, tick],
      ],
    ],
    [
      "a drain does not end",
      1,
      [
        [3, { type: "drain_requested" }],
        [40_000, tick],
      ],
    ],
  ])("%s: %i violations", (_name, violations, steps) => {
    expect(judge(deadlines, steps, { limits })).toBe(violations);
  });

  const drains = [3, { type: "drain_requested" }] as const;
  const closingMs = 6_000;
  test.each([
    ["ends late", 1, 0],
    ["slept over the end of its time", 0, 9_000],
    ["ends later than it slept", 1, 8_000],
  ])("a drain of 1,000 ms that %s: %i violations", (_name, violations, sleptMs) => {
    const shows = new Shows(deadlines, { limits: { ...limits, drainMs: 1_000 } });
    shows.server([drains]);
    shows.sleep(sleptMs);
    // Its first timer fires when it wakes, and the second when the time for its sockets is over.
    shows.server([[3 + 1_000 + closingMs + 9_400, tick]]);
    expect(shows.found).toHaveLength(violations);
  });
});
