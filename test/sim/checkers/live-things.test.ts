import { describe, expect, test } from "vitest";
import { liveThings } from "../../../sim/checkers/live-things.ts";
import { asks, type Case, closed, head, judge, open, opened, tick, tunnel, writes } from "./steps.ts";

describe("live_things", () => {
  test.each<Case>([
    ["an answer to nobody", 1, [[3, tick, head()]]],
    [
      "an answer after the end",
      1,
      [
        [3, opened()],
        [4, closed(false)],
        [5, tick, writes(1)],
      ],
    ],
    ["a request frame for nobody", 1, [...open(tunnel), [3, tick, asks()]]],
    [
      "a ping before the handshake is over",
      1,
      [...open(tunnel).slice(0, 2), [3, tick, { type: "socket_ping", socket: tunnel }]],
    ],
    [
      "a second acceptance",
      1,
      [...open(tunnel), [3, tick, { type: "upgrade_accept", socket: tunnel, protocol: null }]],
    ],
    ["a ping in place", 0, [...open(tunnel), [3, tick, { type: "socket_ping", socket: tunnel }]]],
  ])("%s: %i violations", (_name, violations, steps) => {
    expect(judge(liveThings, steps)).toBe(violations);
  });
});
