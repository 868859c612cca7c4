import { describe, expect, test } from "vitest";
import type { ServerEffect } from "../../../core/effects.ts";
import { neighbours } from "../../../sim/checkers/neighbours.ts";
import { begun, socket } from "./native-steps.ts";
import {
  type Case,
  head,
  judge,
  open,
  packet,
  type ServerStep,
  Shows,
  tick,
  tunnel,
  underWay,
  visitor,
  writes,
} from "./steps.ts";

test("neighbours finds a native tunnel that is paused", () => {
  const pause: ServerStep = [3, tick, { type: "socket_pause", socket, paused: true }];
  expect(new Shows(neighbours).server([...begun, pause]).found).toHaveLength(1);
});

describe("neighbours", () => {
  const pause: ServerEffect = { type: "socket_pause", socket: tunnel, paused: true };
  const slow: ServerStep[] = [...underWay(), [4, packet(1, 9), head(), writes(9), pause]];
  test.each<Case>([
    ["nobody else is there", 0, [...slow, [9_000, tick]]],
    ["somebody who has read all waits", 1, [...underWay(), [4, tick, pause], [1_005, tick]]],
    ["nobody waits for long", 0, [...underWay(), [4, tick, pause], [1_004, tick]]],
    ["a visitor socket is there", 1, [...slow, ...open(visitor, "", 5), [1_008, tick]]],
  ])("a paused tunnel, %s: %i violations", (_name, violations, steps) => {
    expect(judge(neighbours, steps)).toBe(violations);
  });
});
