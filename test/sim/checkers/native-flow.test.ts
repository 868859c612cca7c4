import { describe, expect, test } from "vitest";
import { nativeFlow } from "../../../sim/checkers/native-flow.ts";
import { KIND } from "../../../sim/wire/native.ts";
import {
  agentHears,
  agentSends,
  answer,
  asked,
  back,
  CREDIT,
  entry,
  first,
  frame,
  opensAt,
  responseHead,
  second,
  socket,
  third,
  WINDOW,
  welcome,
  welcomed,
} from "./native-steps.ts";
import { type AgentStep, Shows, tick } from "./steps.ts";

describe("native_flow", () => {
  test.each<readonly [string, number, AgentStep[]]>([
    ["an answer in order", 0, [[3, tick, agentSends(answer(1, 50)), agentSends(answer(2, 50))]]],
    ["a number left out", 1, [[3, tick, agentSends(answer(2, 50))]]],
    ["a body beyond its credit", 1, [[3, tick, agentSends(answer(1, 101))]]],
    ["a body with more credit", 0, [[3, agentHears(entry(KIND.credit, 1, 200)), agentSends(answer(1, 150))]]],
    [
      "an answer to one that was reset, and opened again",
      0,
      [
        [3, agentHears(frame(KIND.reset, 1))],
        [4, agentHears(asked)],
        [5, tick, agentSends(first)],
      ],
    ],
    [
      "an answer to one that was reset, and not opened again",
      1,
      [
        [3, agentHears(frame(KIND.reset, 1))],
        [5, tick, agentSends(answer(1, 1))],
      ],
    ],
    ["an answer to nobody", 1, [[3, tick, agentSends(frame(KIND.piece, 0, 1, responseHead, 7))]]],
    ["a frame after the last", 1, [[3, tick, agentSends(frame(KIND.piece, 1, 4)), agentSends(answer(2, 1))]]],
    ["a frame after a reset", 1, [[3, tick, agentSends(frame(KIND.reset, 1)), agentSends(answer(2, 1))]]],
    ["an acknowledgement of what came", 0, [[3, tick, agentSends(entry(KIND.credit, 1, WINDOW))]]],
    ["an acknowledgement of more", 1, [[3, tick, agentSends(entry(KIND.credit, 2, WINDOW))]]],
    ["credit that is taken back", 1, [[3, tick, agentSends(entry(KIND.credit, 1, WINDOW - 1))]]],
    ["another side that leaves out a number", 1, [[3, agentHears(answer(2, 1))]]],
    [
      "another side that does, and is left",
      0,
      [[3, agentHears(answer(2, 1)), { type: "socket_close", socket, code: 1002, reason: "" }]],
    ],
    ["another side that goes beyond its credit", 1, [[3, agentHears(answer(1, WINDOW + 1))]]],
    [
      "a resumption that sends again what did not come",
      0,
      [...back, [6, agentHears(entry(KIND.resume, 0, CREDIT), second), agentSends(first, second)]],
    ],
    [
      "a resumption that goes on behind it",
      1,
      [...back, [6, agentHears(entry(KIND.resume, 0, CREDIT), second), agentSends(answer(1, 1), second)]],
    ],
    [
      "a resumption that sends other bytes",
      1,
      [...back, [6, agentHears(entry(KIND.resume, 0, CREDIT), second), agentSends(answer(0, 1), second)]],
    ],
    [
      "a resumption after a welcome that was refused",
      0,
      [
        [3, opensAt(third)],
        [
          3,
          agentHears(welcome(false), third),
          { type: "socket_close", socket: third, code: 1002, reason: "" },
        ],
        ...back,
        [6, agentHears(entry(KIND.resume, 0, CREDIT), second), agentSends(first, second)],
      ],
    ],
    ["a resumption that does not wait", 1, [...back, [6, tick, agentSends(answer(1, 1), second)]]],
  ])("%s: %i violations", (_name, violations, steps) => {
    expect(new Shows(nativeFlow).agent([...welcomed, ...steps]).found).toHaveLength(violations);
  });
});
