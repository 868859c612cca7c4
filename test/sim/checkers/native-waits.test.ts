import { describe, expect, test } from "vitest";
import type { AgentEffect, ServerEffect } from "../../../core/effects.ts";
import type { AgentEvent } from "../../../core/events.ts";
import { agentLimits } from "../../../core/limits.ts";
import { nativeFlow } from "../../../sim/checkers/native-flow.ts";
import { KIND } from "../../../sim/wire/native.ts";
import {
  agentHears,
  agentSends,
  answer,
  asked,
  back,
  begun,
  CREDIT,
  entry,
  first,
  frame,
  opensAt,
  second,
  serverSends,
  socket,
  welcome,
  welcomed,
} from "./native-steps.ts";
import { type AgentStep, exchange, type ServerStep, Shows, tick } from "./steps.ts";

const asksOrigin: AgentEffect = {
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

/** An event that is no tick, and changes nothing. */
const quiet: AgentEvent = { type: "socket_heard", socket };
const pauses = (paused: boolean): AgentEffect => ({ type: "origin_pause", exchange, paused });
const allCredit = agentSends(answer(1, CREDIT));
const more = entry(KIND.credit, 1, 10 * agentLimits.socketBytesMax);

const ticks: AgentStep[] = [
  [10, tick],
  [20, tick],
];

describe("native_flow, of what waits", () => {
  test.each<readonly [string, number, AgentStep[]]>([
    ["a home that is paused, and has credit", 1, [[3, quiet, pauses(true)], ...ticks]],
    ["a home that was paused", 0, [[3, quiet, pauses(true)], [4, tick, pauses(false)], ...ticks]],
    ["a home that is paused, and has no credit", 0, [[3, quiet, pauses(true), allCredit], ...ticks]],
    [
      "one that got credit again",
      1,
      [[3, quiet, pauses(true), allCredit], [4, agentHears(entry(KIND.credit, 1, 200))], ...ticks],
    ],
    [
      "one that got it as the tunnel came back",
      1,
      [
        [3, quiet, pauses(true), allCredit],
        ...back,
        [6, agentHears(entry(KIND.resume, 2, 200), second)],
        ...ticks,
      ],
    ],
    [
      "one whose tunnel is not back",
      0,
      [[3, { type: "socket_closed", socket, code: 1006, reason: "" }, pauses(true)], ...ticks],
    ],
    [
      "one whose exchange the other side forgot",
      0,
      [
        [3, quiet, pauses(true)],
        ...back,
        [6, agentHears(frame(KIND.resume, 0, 0, new Uint8Array(0), 0), second)],
        ...ticks,
      ],
    ],
    [
      "one whose socket is full",
      0,
      [[3, agentHears(more), pauses(true), agentSends(answer(1, agentLimits.socketBytesMax))], ...ticks],
    ],
    [
      "one whose socket is empty again",
      1,
      [
        [3, agentHears(more), pauses(true), agentSends(answer(1, agentLimits.socketBytesMax))],
        [4, { type: "socket_flushed", socket, bytes: agentLimits.socketBytesMax }],
        ...ticks,
      ],
    ],
    [
      "one that goes on slowly",
      0,
      [
        [3, quiet, pauses(true)],
        [10, tick],
        [19, tick, agentSends(answer(1, 1))],
        [20, tick],
      ],
    ],
    ["an end that does not go out", 1, [[3, { type: "origin_ended", exchange, trailers: [] }], ...ticks]],
    [
      "an end that does",
      0,
      [[3, { type: "origin_ended", exchange, trailers: [] }, agentSends(frame(KIND.piece, 1, 4))], ...ticks],
    ],
  ])("%s: %i violations", (_name, violations, steps) => {
    const asks: AgentStep = [2, agentHears(asked), asksOrigin, agentSends(first)];
    expect(new Shows(nativeFlow).agent([...welcomed.slice(0, 2), asks, ...steps]).found).toHaveLength(
      violations,
    );
  });

  test("knows a visitor's upload by the number of its exchange", () => {
    const pause: ServerEffect = { type: "exchange_pause", exchange, paused: true };
    const steps: ServerStep[] = [
      [2, { type: "socket_heard", socket }, serverSends(asked), pause],
      [3, tick],
      [5, tick],
    ];
    expect(new Shows(nativeFlow).server([...begun, ...steps]).found).toHaveLength(1);
  });

  test("takes no exchange of one server for that of another with the same number", () => {
    const asks: AgentStep = [2, agentHears(asked), asksOrigin, agentSends(first)];
    const elsewhere: AgentStep[] = [
      [3, quiet, pauses(true)],
      [4, opensAt(second)],
      [5, agentHears(welcome(), second)],
      [6, agentHears(asked, second), agentSends(first, second)],
    ];
    const steps = [...welcomed.slice(0, 2), asks, ...elsewhere, ...ticks];
    expect(new Shows(nativeFlow).agent(steps).found).toEqual([]);
  });
});
