import { describe, expect, test } from "vitest";
import type { ServerEffect } from "../../../core/effects.ts";
import type { ServerEvent } from "../../../core/events.ts";
import { drains } from "../../../sim/checkers/drains.ts";
import {
  askAgent,
  open,
  opened,
  type Step,
  tick,
  tunnel,
  upgrade,
  violationsOf,
  visitor,
} from "./server-steps.ts";

describe("drains", () => {
  const close: ServerEffect = { type: "socket_close", socket: tunnel, code: 1001, reason: "draining" };
  const drain: ServerEvent = { type: "drain_requested" };

  test("wants every socket sent away once nothing is left to finish", () => {
    expect(violationsOf(drains, [...open(tunnel, true), [3, drain, close]])).toEqual([]);
    expect(violationsOf(drains, [...open(tunnel, true), [3, drain]])).toHaveLength(1);
    expect(
      violationsOf(drains, [
        [0, upgrade(visitor, false)],
        [3, drain],
      ]),
    ).toHaveLength(1);
  });

  test("lets what runs be finished, but no longer than it may", () => {
    const running: Step[] = [...open(tunnel, true), [2, opened("/library"), askAgent], [3, drain]];
    expect(violationsOf(drains, [...running, [4_002, tick]])).toEqual([]);
    expect(violationsOf(drains, [...running, [4_003, tick]])).toHaveLength(1);
    expect(violationsOf(drains, [...running, [4_003, tick, close]])).toEqual([]);
  });
});
