/** Checkers that watch an agent: each is shown steps that keep its property and steps that break it. */
import { describe, expect, test } from "vitest";
import type { AgentEffect } from "../../../core/effects.ts";
import type { AgentEvent } from "../../../core/events.ts";
import type { CallId, ExchangeId, SocketId } from "../../../core/ids.ts";
import { agentLimits } from "../../../core/limits.ts";
import { agentDeadlines } from "../../../sim/checkers/agent-deadlines.ts";
import { agentOrders } from "../../../sim/checkers/agent-orders.ts";
import { agentPace } from "../../../sim/checkers/agent-pace.ts";
import { agentWhole } from "../../../sim/checkers/agent-whole.ts";
import { returnsInTime } from "../../../sim/checkers/returns-in-time.ts";
import { unharmed } from "../../../sim/checkers/unharmed.ts";
import type { Property } from "../../../sim/record/checker.ts";
import { Visit } from "../../../sim/record/visit.ts";
import { answerOf } from "../../../sim/scenario/model.ts";
import { homeNamed, visit as visitOperation } from "../scenarios.ts";
import { type AgentStep, packetBytes, Shows, tick } from "./steps.ts";

type Case = readonly [name: string, violations: number, steps: readonly AgentStep[]];

const socket = 1 as SocketId;
const exchange = 1 as ExchangeId;
const call = 1 as CallId;
const { silenceMs, pingMs, originHeadMs, originIdleMs, retryMs, retryResetMs, sendBytesHigh } = agentLimits;

const connect: AgentEffect = { type: "socket_connect", socket, target: "/ws", headers: [], protocols: [] };
const connected: AgentStep[] = [
  [0, tick, connect],
  [1, { type: "socket_opened", socket, protocol: null }],
];
const request: AgentEvent = {
  type: "socket_text",
  socket,
  text: '{"type":"HTTP","request_id":5,"method":"GET"}',
};
const abort: AgentEvent = { type: "socket_text", socket, text: '{"type":"ABORT","request_id":5}' };
const asks: AgentEffect = {
  type: "origin_request",
  exchange,
  origin: 0,
  method: "GET",
  target: "/",
  headers: [],
  body: null,
  bodyBytes: null,
  upgrade: false,
};
const aborts: AgentEffect = { type: "origin_abort", exchange };
const ended: AgentEvent = { type: "origin_ended", exchange, trailers: [] };
const asked: AgentStep[] = [...connected, [2, request, asks]];
const headed = (headers: readonly string[] = []): AgentEvent => ({
  type: "origin_head",
  exchange,
  status: 200,
  headers,
});
const body = (bytes: number): AgentEvent => ({ type: "origin_body", exchange, bytes: new Uint8Array(bytes) });
const lost = (code = 1006, which = socket): AgentEvent => ({
  type: "socket_closed",
  socket: which,
  code,
  reason: "",
});
const second = 2 as SocketId;

function sends(packetId: number, bytes: number, last = false, requestId = 5): AgentEffect {
  const header = packetBytes(packetId, 0, last, requestId);
  return { type: "socket_send_packet", socket, header, body: [new Uint8Array(bytes)] };
}

function judge(property: Property, steps: readonly AgentStep[]): number {
  return new Shows(property).agent(steps).found.length;
}

describe("agent_orders", () => {
  test.each<Case>([
    ["an answer in two packets", 0, [...asked, [3, tick, sends(1, 9), sends(2, 9, true)]]],
    ["a gap", 1, [...asked, [3, tick, sends(1, 9), sends(3, 9)]]],
    ["a packet after the last", 1, [...asked, [3, tick, sends(1, 9, true), sends(2, 9)]]],
    ["an answer to nobody", 1, [...asked, [3, tick, sends(1, 9, true, 6)]]],
    ["a packet that is too large", 1, [...asked, [3, tick, sends(1, 5_000)]]],
    ["an abort that is obeyed", 0, [...asked, [3, abort, aborts]]],
    ["an abort that is not", 1, [...asked, [3, abort]]],
    ["a packet after an abort", 1, [...asked, [3, abort, aborts], [4, tick, sends(1, 9)]]],
    ["an abort of what is over", 1, [...asked, [3, ended], [4, tick, aborts]]],
    ["a lost tunnel that ends all", 0, [...asked, [3, lost(), aborts]]],
    ["a lost tunnel that ends nothing", 1, [...asked, [3, lost()]]],
    ["a second socket", 1, [...connected, [3, tick, { ...connect, socket: second }]]],
    [
      "a request taken while it drains",
      1,
      [...connected, [2, { type: "drain_requested" }], [3, request, asks]],
    ],
    ["a drain that cuts what runs", 1, [...asked, [3, { type: "drain_requested" }, aborts]]],
  ])("%s: %i violations", (_name, violations, steps) => {
    expect(judge(agentOrders, steps)).toBe(violations);
  });
});

describe("agent_whole", () => {
  const length = (bytes: number) => headed(["content-length", String(bytes)]);
  test.each<Case>([
    ["all that came", 0, [...asked, [3, headed()], [4, body(9)], [5, ended, sends(1, 9, true)]]],
    ["less than came", 1, [...asked, [3, headed()], [4, body(9)], [5, ended, sends(1, 8, true)]]],
    ["less than was declared", 1, [...asked, [3, length(10)], [4, body(9)], [5, ended, sends(1, 9, true)]]],
    ["a part, and no end", 0, [...asked, [3, length(10)], [4, body(9)], [5, ended, sends(1, 9)]]],
  ])("%s is sent: %i violations", (_name, violations, steps) => {
    expect(judge(agentWhole, steps)).toBe(violations);
  });
});

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

describe("agent_deadlines", () => {
  const drop: AgentEffect = { type: "socket_terminate", socket };
  /** Ticks often enough to show that the process did not stand still, the last one at that time. */
  const until = (fromMs: number, untilMs: number): AgentStep[] => {
    const steps: AgentStep[] = [];
    for (let nowMs = fromMs; nowMs < untilMs; nowMs += 400) steps.push([nowMs, tick]);
    return steps;
  };
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
    ["no head comes", 1, [...asked, heard(originHeadMs + 1), [originHeadMs + 2, tick]]],
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
  ])("%s: %i violations", (_name, violations, steps) => {
    expect(judge(agentDeadlines, steps)).toBe(violations);
  });
});

describe("returns_in_time", () => {
  const again: AgentEffect = { ...connect, socket: second };
  const lasting = retryResetMs + 1;
  test.each<Case>([
    ["at once after a tunnel that lasted", 0, [...connected, [lasting, lost()], [lasting, tick, again]]],
    ["late after a tunnel that lasted", 1, [...connected, [lasting, lost()], [lasting + 1, tick]]],
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

describe("unharmed", () => {
  const operation = visitOperation(1, 5_000);
  const failed = new Visit(operation, { clientId: "home0" }, answerOf("home0", operation), 0);
  failed.end = "complete";
  failed.endedUs = 6_000_000;
  failed.status = 504;
  const faultAt = (fromMs: number, kind: string, target: number) => [
    { id: 0, kind, fromMs, toMs: fromMs, target, parameters: {} },
  ];
  test.each([
    ["nothing went wrong", 1, []],
    ["its own home was hit before", 0, faultAt(5_500, "half_open", 0)],
    ["its own home was hit later", 1, faultAt(6_500, "half_open", 0)],
    ["another home was hit", 1, faultAt(5_500, "half_open", 1)],
    ["its node was hit", 0, faultAt(5_500, "node_crashes", 0)],
    ["another node was hit", 1, faultAt(5_500, "node_crashes", 1)],
    ["a visit to the same home was hit", 0, faultAt(5_500, "visitor_leaves", 1)],
    ["the registry was hit", 0, faultAt(5_500, "registry_down", 0)],
  ])("a visit failed, and %s: %i violations", (_name, violations, faults) => {
    const scenario = { homes: [homeNamed("home0"), homeNamed("home1")], operations: [operation], faults };
    expect(new Shows(unharmed, { scenario }).finish({ visits: [failed] }).found).toHaveLength(violations);
  });
});
