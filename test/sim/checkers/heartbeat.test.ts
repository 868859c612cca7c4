import { describe, expect, test } from "vitest";
import type { ServerEffect } from "../../../core/effects.ts";
import { heartbeat } from "../../../sim/checkers/heartbeat.ts";
import { type Case, judge, open, ping, type ServerStep, tick, tunnel } from "./steps.ts";

describe("heartbeat", () => {
  const limits = { pingMs: 50, silenceMs: 80, stallMs: 20, handshakeMs: 30 };
  const drop: ServerEffect = { type: "socket_terminate", socket: tunnel };
  const beats = (...times: number[]): ServerStep[] => times.map((nowMs) => [nowMs, tick, ping]);
  test.each<Case>([
    ["heard in time", 0, [...open(tunnel), ...beats(12, 22, 32, 42, 52, 62, 72, 81)]],
    ["silent and kept", 1, [...open(tunnel), ...beats(12, 22, 32, 42, 52, 62, 72, 82)]],
    ["silent and dropped", 0, [...open(tunnel), ...beats(12, 22, 32, 42, 52, 62, 72), [82, tick, drop]]],
    ["heard and dropped", 1, [...open(tunnel), ...beats(12, 22, 32), [42, tick, drop]]],
    ["silent while the server stood still", 1, [...open(tunnel), [90, tick, drop]]],
    ["not pinged", 1, [...open(tunnel), [12, tick], [22, tick], [32, tick], [42, tick], [52, tick]]],
    ["not opened", 1, [...open(tunnel).slice(0, 2), [31, tick]]],
  ])("a socket %s: %i violations", (_name, violations, steps) => {
    expect(judge(heartbeat, steps, { limits })).toBe(violations);
  });
});
