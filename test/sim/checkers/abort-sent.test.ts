import { describe, expect, test } from "vitest";
import { abortSent } from "../../../sim/checkers/abort-sent.ts";
import {
  aborts,
  type Case,
  closed,
  judge,
  opened,
  packet,
  responds,
  type ServerStep,
  tick,
  tunnel,
  underWay,
} from "./steps.ts";

describe("abort_sent", () => {
  const lost: ServerStep = [
    4,
    { type: "socket_closed", socket: tunnel, code: 1006, reason: "" },
    responds(502),
  ];
  test.each<Case>([
    ["the visitor leaves and the agent is told", 0, [...underWay(), [4, closed(false), aborts]]],
    ["the visitor leaves and nobody is told", 1, [...underWay(), [4, closed(false)]]],
    ["it fails and the agent is told", 0, [...underWay(), [4, tick, aborts, responds(504)]]],
    ["it fails and nobody is told", 1, [...underWay(), [4, tick, responds(504)]]],
    ["it is complete", 0, [...underWay(), [4, packet(1, 0, true), responds(200)]]],
    ["the agent is gone", 0, [...underWay(), lost]],
    [
      "it was never sent on",
      0,
      [
        [3, opened()],
        [4, closed(false)],
      ],
    ],
  ])("%s: %i violations", (_name, violations, steps) => {
    expect(judge(abortSent, steps)).toBe(violations);
  });
});
