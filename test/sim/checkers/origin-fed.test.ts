import { describe, expect, test } from "vitest";
import type { AgentEffect } from "../../../core/effects.ts";
import type { AgentEvent } from "../../../core/events.ts";
import { originFed } from "../../../sim/checkers/origin-fed.ts";
import { asks, exchange, finished } from "./session-steps.ts";
import { type AgentStep, Shows, tick } from "./steps.ts";

const feeds = (bytes: number): AgentEffect => ({
  type: "origin_send",
  exchange,
  bytes: new Uint8Array(bytes),
});

const ends: AgentEffect = { type: "origin_send_end", exchange, trailers: [] };
const head = (status: number): AgentEvent => ({ type: "origin_head", exchange, status, headers: [] });

describe("origin_fed", () => {
  const upgrades = asks({ body: null, upgrade: true });
  test.each<readonly [string, number, AgentStep[]]>([
    ["a body of any length", 0, [[1, tick, asks(), feeds(9), ends]]],
    ["a body of its length", 0, [[1, tick, asks({ bodyBytes: 9 }), feeds(9), ends]]],
    ["a body that is too long", 1, [[1, tick, asks({ bodyBytes: 9 }), feeds(10)]]],
    ["a body that is too short", 1, [[1, tick, asks({ bodyBytes: 9 }), feeds(8), ends]]],
    ["a byte behind the end", 1, [[1, tick, asks(), ends, feeds(1)]]],
    ["a byte behind a body that came whole", 1, [[1, tick, asks({ body: new Uint8Array(3) }), feeds(1)]]],
    [
      "a byte for who has answered",
      1,
      [
        [1, tick, asks()],
        [2, head(200)],
        [3, finished],
        [4, tick, feeds(1)],
      ],
    ],
    [
      "a byte for who is not asked any more",
      1,
      [[1, tick, asks(), { type: "origin_abort", exchange }, feeds(1)]],
    ],
    [
      "a byte after the 101",
      0,
      [
        [1, tick, upgrades],
        [2, head(101), feeds(1), ends],
      ],
    ],
    ["a byte before the 101", 1, [[1, tick, upgrades, feeds(1)]]],
    ["an end before the 101", 1, [[1, tick, upgrades, ends]]],
    [
      "a byte where there was none",
      1,
      [
        [1, tick, upgrades],
        [2, head(200), feeds(1)],
      ],
    ],
  ])("%s: %i violations", (_name, violations, steps) => {
    expect(new Shows(originFed).agent(steps).found).toHaveLength(violations);
  });
});
