import { describe, expect, test } from "vitest";
import type { ServerEffect } from "../../../core/effects.ts";
import type { SocketId } from "../../../core/ids.ts";
import { homeReached } from "../../../sim/checkers/home-reached.ts";
import { latin1Bytes } from "../../../sim/tools/text.ts";
import { KIND } from "../../../sim/wire/native.ts";
import { begun, frame } from "./native-steps.ts";
import { type Case, exchange, judge, open, opened, tick, tunnel } from "./steps.ts";

const away = (status = 424, code = "agent_not_connected"): ServerEffect => ({
  type: "respond",
  exchange,
  status,
  headers: [],
  body: [latin1Bytes(`{"code":"${code}"}`)],
  close: false,
});
const lost = { type: "socket_closed", socket: tunnel, code: 1006, reason: "" } as const;

describe("home_reached", () => {
  test.each<Case>([
    ["a home that is not there", 0, [[1, opened(), away()]]],
    ["a home that is there", 1, [...open(tunnel), [3, opened()], [4, tick, away()]]],
    [
      "another problem of one that is there",
      0,
      [...open(tunnel), [3, opened(), away(503, "limit_slow_agent")]],
    ],
    ["one that was lost", 0, [...open(tunnel), [3, lost], [4, opened(), away(503)]]],
    [
      "one whose server drains",
      0,
      [...open(tunnel), [2, { type: "drain_requested" }], [3, opened(), away(503)]],
    ],
    ["one that is back by its hello", 1, [...begun, [3, opened(), away()]]],
    [
      "one whose agent drains",
      0,
      [
        ...begun,
        [
          3,
          {
            type: "socket_bytes",
            socket: 1 as SocketId,
            bytes: frame(KIND.drain, 0, 0, new Uint8Array(0), 0),
          },
        ],
        [4, opened(), away()],
      ],
    ],
  ])("%s: %i violations", (_name, violations, steps) => {
    expect(judge(homeReached, steps)).toBe(violations);
  });
});
