import { describe, expect, test } from "vitest";
import { nativeFlow } from "../../../sim/checkers/native-flow.ts";
import { neighbours } from "../../../sim/checkers/neighbours.ts";
import { tickets } from "../../../sim/checkers/tickets.ts";
import { alteredEntries, KIND, readEntries, readNativeFrame } from "../../../sim/wire/native.ts";
import {
  agentHears,
  agentSends,
  answer,
  back,
  begun,
  CREDIT,
  entry,
  first,
  frame,
  hello,
  lost,
  opens,
  opensAt,
  responseHead,
  resumes,
  second,
  socket,
  third,
  WINDOW,
  welcome,
  welcomed,
  welcomes,
} from "./native-steps.ts";
import { type AgentStep, type ServerStep, Shows, tick } from "./steps.ts";

describe("native_flow", () => {
  test.each<readonly [string, number, AgentStep[]]>([
    ["an answer in order", 0, [[3, tick, agentSends(answer(1, 50)), agentSends(answer(2, 50))]]],
    ["a number left out", 1, [[3, tick, agentSends(answer(2, 50))]]],
    ["a body beyond its credit", 1, [[3, tick, agentSends(answer(1, 101))]]],
    ["a body with more credit", 0, [[3, agentHears(entry(KIND.credit, 1, 200)), agentSends(answer(1, 150))]]],
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

describe("tickets", () => {
  test.each<readonly [string, number, ServerStep[]]>([
    ["a good ticket", 0, [resumes]],
    ["a good ticket that is not known", 1, [[3, hello("a", second), welcomes("b", false, second)]]],
    [
      "a good ticket whose session ends for it",
      1,
      [[3, hello("a", second), lost, welcomes("b", false, second)]],
    ],
    [
      "the ticket of an agent that drained",
      0,
      [
        [2, { type: "socket_bytes", socket, bytes: frame(KIND.drain, 0, 0, new Uint8Array(0), 0) }],
        [3, hello("a", second), lost, welcomes("b", false, second)],
      ],
    ],
    ["a ticket that nobody was shown", 1, [[3, hello("x", second), welcomes("b", true, second)]]],
    ["no ticket", 1, [[3, hello(null, second), welcomes("b", true, second)]]],
    ["a ticket that is shown twice", 1, [[3, hello("a", second), welcomes("a", true, second)]]],
    [
      "the one before, as the welcome was lost",
      0,
      [resumes, ...opens(third), [4, hello("a", third), welcomes("c", true, third)]],
    ],
    [
      "the one before, though the welcome came",
      1,
      [
        resumes,
        [3, { type: "socket_bytes", socket: second, bytes: entry(KIND.resume, 0, 0) }],
        ...opens(third),
        [4, hello("a", third), welcomes("c", true, third)],
      ],
    ],
    ["the ticket of a session that is over", 1, [[2, tick, lost], resumes]],
  ])("%s: %i violations", (_name, violations, steps) => {
    expect(new Shows(tickets).server([...begun, ...steps]).found).toHaveLength(violations);
  });
});

test("neighbours finds a native tunnel that is paused", () => {
  const pause: ServerStep = [3, tick, { type: "socket_pause", socket, paused: true }];
  expect(new Shows(neighbours).server([...begun, pause]).found).toHaveLength(1);
});

describe("the simulator's own codec", () => {
  test("reads a piece", () => {
    expect(readNativeFrame(frame(KIND.piece, 3, 5, new Uint8Array([...responseHead, 1, 2])))).toMatchObject({
      kind: KIND.piece,
      exchange: 1,
      number: 3,
      hasHead: true,
      last: true,
      headBytes: 3,
      bodyBytes: 2,
    });
  });

  test("raises credit", () => {
    expect(
      readEntries(alteredEntries(entry(KIND.credit, 2, 50), ({ limit }) => ({ limit: limit + 1_000 }))),
    ).toEqual([{ exchange: 1, received: 2, limit: 1_050 }]);
  });
});
