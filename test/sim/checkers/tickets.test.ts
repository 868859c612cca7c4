import { describe, expect, test } from "vitest";
import { tickets } from "../../../sim/checkers/tickets.ts";
import { KIND } from "../../../sim/wire/native.ts";
import {
  begun,
  entry,
  frame,
  hello,
  lost,
  opens,
  resumes,
  second,
  socket,
  third,
  welcomes,
} from "./native-steps.ts";
import { type ServerStep, Shows, tick } from "./steps.ts";

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
