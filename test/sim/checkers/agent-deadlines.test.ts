import { describe, expect, test } from "vitest";
import type { AgentEffect } from "../../../core/effects.ts";
import { agentLimits } from "../../../core/limits.ts";
import { agentDeadlines } from "../../../sim/checkers/agent-deadlines.ts";
import { asked, type Case, connected, exchange, headed, judge, second, socket } from "./agent-steps.ts";
import { type AgentStep, tick } from "./steps.ts";

const { silenceMs, pingMs, originIdleMs } = agentLimits;

describe("agent_deadlines", () => {
  const drop: AgentEffect = { type: "socket_terminate", socket };
  /** Ticks often enough to show that the process did not stand still, the last one at that time. */
  const until = (fromMs: number, untilMs: number): AgentStep[] => {
    const steps: AgentStep[] = [];
    for (let nowMs = fromMs; nowMs < untilMs; nowMs += 400) steps.push([nowMs, tick]);
    return steps;
  };
  const upgraded: AgentStep[] = [...asked, [3, { type: "origin_head", exchange, status: 101, headers: [] }]];
  const heard = (nowMs: number): AgentStep => [nowMs, { type: "socket_heard", socket }];
  test.each<Case>([
    ["a silent server is kept", 1, [...connected, ...until(2, silenceMs + 1), [silenceMs + 1, tick]]],
    [
      "a silent server is dropped",
      0,
      [...connected, ...until(2, silenceMs + 1), [silenceMs + 1, tick, drop]],
    ],
    ["one that was heard is dropped", 1, [...connected, heard(500), [900, tick, drop]]],
    ["it slept itself", 1, [...connected, [silenceMs + pingMs + 5_000, tick, drop]]],
    ["no head comes", 1, [...asked, heard(originIdleMs + 1), [originIdleMs + 2, tick]]],
    ["no body comes", 1, [...asked, [3, headed()], heard(originIdleMs + 2), [originIdleMs + 3, tick]]],
    [
      "no body comes because nobody reads it",
      0,
      [
        ...asked,
        [3, headed(), { type: "origin_pause", exchange, paused: true }],
        heard(originIdleMs + 2),
        [originIdleMs + 3, tick],
      ],
    ],
    ["a silent WebSocket is kept", 0, [...upgraded, heard(10 * originIdleMs), [10 * originIdleMs + 1, tick]]],
    [
      "a silent WebSocket is given up",
      1,
      [
        ...upgraded,
        heard(10 * originIdleMs),
        [10 * originIdleMs + 1, tick, { type: "origin_abort", exchange }],
      ],
    ],
    [
      "a silent WebSocket is given up with the older tunnel that has it",
      0,
      [
        ...upgraded,
        heard(10 * originIdleMs),
        [
          10 * originIdleMs + 1,
          tick,
          { type: "socket_terminate", socket: second },
          { type: "origin_abort", exchange },
        ],
      ],
    ],
    [
      "a WebSocket is kept whose origin takes nothing",
      1,
      [
        ...upgraded,
        [4, { type: "tick" }, { type: "origin_send", exchange, bytes: new Uint8Array(1) }],
        heard(originIdleMs + 5),
        [originIdleMs + 6, tick],
      ],
    ],
  ])("%s: %i violations", (_name, violations, steps) => {
    expect(judge(agentDeadlines, steps)).toBe(violations);
  });
});
