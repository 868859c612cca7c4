import { describe, expect, test } from "vitest";
import type { AgentEffect } from "../../../core/effects.ts";
import type { AgentEvent } from "../../../core/events.ts";
import type { CallId, SocketId } from "../../../core/ids.ts";
import { agentLimits } from "../../../core/limits.ts";
import { returnsInTime } from "../../../sim/checkers/returns-in-time.ts";
import { type Case, connect, connected, judge, lost, second, socket } from "./agent-steps.ts";
import { tick } from "./steps.ts";

const call = 1 as CallId;
const { retryMs, retryResetMs } = agentLimits;

const busy: AgentEvent = { type: "socket_refused", socket, status: 503, body: "", retryAfter: "2" };

describe("returns_in_time", () => {
  const again: AgentEffect = { ...connect, socket: second };
  const lasting = retryResetMs + 1;
  test.each<Case>([
    ["at once after a tunnel that lasted", 0, [...connected, [lasting, lost()], [lasting, tick, again]]],
    ["a moment later", 0, [...connected, [lasting, lost()], [lasting + 199, tick]]],
    ["late after a tunnel that lasted", 1, [...connected, [lasting, lost()], [lasting + 200, tick]]],
    [
      "after a wait when it fails again",
      0,
      [
        ...connected,
        [5, lost()],
        [5, tick, again],
        [6, lost(1006, second)],
        [506, tick, { ...connect, socket: 3 as SocketId }],
      ],
    ],
    [
      "without one",
      1,
      [
        ...connected,
        [5, lost()],
        [5, tick, again],
        [6, lost(1006, second)],
        [7, tick, { ...connect, socket: 3 as SocketId }],
      ],
    ],
    [
      "at once where another agent took over",
      1,
      [...connected, [lasting, lost(4001)], [lasting, tick, again]],
    ],
    [
      "not at all while it stops",
      0,
      [...connected, [5, { type: "drain_requested" }], [6, lost()], [60_000, tick]],
    ],
    [
      "never, with a call that nobody answers",
      1,
      [
        [0, tick, { type: "api_call", call, target: "/", token: "" }],
        [60_000, tick],
        [60_200, tick],
      ],
    ],
    [
      "before its server wants it",
      1,
      [
        [0, tick, connect],
        [1, busy],
        [2_000, tick, again],
      ],
    ],
    [
      "when its server wants it",
      0,
      [
        [0, tick, connect],
        [1, busy],
        [2_001, tick, again],
      ],
    ],
    [
      "long after its server wants it",
      1,
      [
        [0, tick, connect],
        [1, busy],
        [3_001, tick],
      ],
    ],
    [
      "later than it may",
      1,
      [
        ...connected,
        [5, lost()],
        [5, tick, again],
        [6, { type: "socket_opened", socket: second, protocol: null }],
        [7, lost(1006, second)],
        [7 + retryMs, tick],
      ],
    ],
  ])("it tries again %s: %i violations", (_name, violations, steps) => {
    expect(judge(returnsInTime, steps)).toBe(violations);
  });
});
