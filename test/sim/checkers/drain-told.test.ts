import { describe, expect, test } from "vitest";
import { drainTold } from "../../../sim/checkers/drain-told.ts";
import { KIND } from "../../../sim/wire/native.ts";
import { asked, credit, frame, handshake, opens, returns, second, sends, socket } from "./session-steps.ts";
import { type AgentStep, type ServerStep, Shows, tick } from "./steps.ts";

const drain = frame(KIND.drain);

describe("drain_told", () => {
  test.each<readonly [string, number, ServerStep[]]>([
    ["a server that says so first", 0, [[2, asked, sends(drain), sends(credit)]]],
    ["one that says so later", 1, [[2, asked, sends(credit), sends(drain)]]],
    ["one that says so again to who returns", 0, [[2, asked], returns(true, sends(drain, second))]],
    [
      "one that goes on with who returns",
      1,
      [[2, asked, sends(drain)], [4, tick], returns(true, sends(credit, second))],
    ],
    ["one that lets a session begin", 0, [[2, asked], returns(false, sends(credit, second))]],
  ])("%s: %i violations", (_name, violations, steps) => {
    const shows = new Shows(drainTold).server([...opens(socket, false), ...handshake(second)]);
    expect(shows.server(steps).found).toHaveLength(violations);
  });

  test("finds an agent that does not say so, on a tunnel that knows the word", () => {
    const finish = (protocol: string | null): AgentStep[] => [
      [0, { type: "socket_opened", socket, protocol }],
      [1, { type: "drain_requested" }, sends(credit)],
    ];
    expect(new Shows(drainTold).agent(finish("culvert.1")).found).toHaveLength(1);
    expect(new Shows(drainTold).agent(finish(null)).found).toEqual([]);
  });
});
