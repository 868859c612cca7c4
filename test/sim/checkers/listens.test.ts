import { expect, test } from "vitest";
import type { ServerEffect } from "../../../core/effects.ts";
import { listens } from "../../../sim/checkers/listens.ts";
import { open, type Step, tick, tunnel, violationsOf } from "./server-steps.ts";

test("listens finds a tunnel that is dropped while it is not read", () => {
  const paused = (value: boolean): ServerEffect => ({ type: "socket_pause", socket: tunnel, paused: value });
  const drop: ServerEffect = { type: "socket_terminate", socket: tunnel };
  const silent: Step[] = [...open(tunnel, true), [3, tick, paused(true)]];
  expect(violationsOf(listens, [...silent, [10_000, tick, drop]])).toHaveLength(1);
  expect(violationsOf(listens, [...silent, [5_000, tick, paused(false)], [10_000, tick, drop]])).toEqual([]);
});
