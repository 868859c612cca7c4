import { describe, expect, test } from "vitest";
import type { AgentEffect } from "../../../core/effects.ts";
import { agentLimits } from "../../../core/limits.ts";
import { agentPace } from "../../../sim/checkers/agent-pace.ts";
import { asked, body, type Case, headed, judge, sends, socket } from "./agent-steps.ts";
import { type AgentStep, exchange, Shows, tunnel } from "./steps.ts";

const { sendBytesHigh } = agentLimits;

describe("agent_pace", () => {
  const begun: AgentStep[] = [...asked, [3, headed()]];
  const much = sends(1, sendBytesHigh + 1);
  const pause = (paused: boolean): AgentEffect => ({ type: "origin_pause", exchange, paused });
  test.each<Case>([
    ["reads on while little waits", 0, [...begun, [4, body(1), sends(1, 1)]]],
    ["stops when much waits", 0, [...begun, [4, body(1), much, pause(true)]]],
    ["does not stop", 1, [...begun, [4, body(1), much]]],
    ["stops for nothing", 1, [...begun, [4, body(1), pause(true)]]],
    [
      "does not go on",
      1,
      [
        ...begun,
        [4, body(1), much, pause(true)],
        [5, { type: "socket_flushed", socket, bytes: sendBytesHigh }],
      ],
    ],
  ])("%s: %i violations", (_name, violations, steps) => {
    expect(judge(agentPace, steps)).toBe(violations);
  });
});

test("agent_pace forgets a request that was aborted before its answer began", () => {
  const request = {
    type: "origin_request",
    exchange,
    origin: 0,
    method: "GET",
    target: "/",
    headers: [],
    body: null,
    bodyBytes: null,
    upgrade: false,
  } as const;
  const much = { type: "socket_send_text", socket: tunnel, text: "x".repeat(2 ** 24) } as const;
  const text = { type: "socket_text", socket: tunnel, text: "" } as const;
  const begins = { type: "origin_head", exchange, status: 200, headers: [] } as const;
  const found = (gaveUp: boolean) =>
    new Shows(agentPace).agent([
      [1, text, request],
      [2, text, ...(gaveUp ? [{ type: "origin_abort", exchange } as const] : []), much],
      [3, begins],
    ]).found.length;
  expect(found(true)).toBe(0);
  expect(found(false)).toBe(1);
});
