import { describe, expect, test } from "vitest";
import type { AgentEffect } from "../../../core/effects.ts";
import type { AgentEvent } from "../../../core/events.ts";
import { agentOrders } from "../../../sim/checkers/agent-orders.ts";
import {
  asked,
  asks,
  type Case,
  connect,
  connected,
  ended,
  exchange,
  judge,
  lost,
  request,
  second,
  sends,
  socket,
} from "./agent-steps.ts";
import { tick } from "./steps.ts";

const abort: AgentEvent = { type: "socket_text", socket, text: '{"type":"ABORT","request_id":5}' };
const aborts: AgentEffect = { type: "origin_abort", exchange };

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
