import { describe, expect, test } from "vitest";
import { agentLimits } from "../../../core/limits.ts";
import { socketRoom } from "../../../sim/checkers/socket-room.ts";
import { KIND } from "../../../sim/wire/native.ts";
import { frame, hello, sends, socket } from "./session-steps.ts";
import { type AgentStep, Shows, tick } from "./steps.ts";

const ROOM = agentLimits.socketBytesMax;
const piece = (bodyBytes: number) => sends(frame(KIND.piece), socket, bodyBytes);

describe("socket_room", () => {
  test.each<readonly [string, number, AgentStep[]]>([
    ["a piece beside others, while there is room", 0, [[1, tick, piece(ROOM - 13), piece(1_000)]]],
    ["a piece on top of a full socket", 1, [[1, tick, piece(ROOM - 12), piece(1)]]],
    [
      "an acknowledgement on top of a full one",
      0,
      [
        [1, tick, piece(ROOM)],
        [2, tick, sends(frame(KIND.credit))],
      ],
    ],
    [
      "one on top of twice as much",
      1,
      [
        [1, tick, piece(2 * ROOM)],
        [2, tick, sends(frame(KIND.credit))],
      ],
    ],
    [
      "a piece when that has left",
      0,
      [
        [1, tick, piece(ROOM)],
        [2, { type: "socket_flushed", socket, bytes: hello.length + ROOM + 12 }, piece(1)],
      ],
    ],
    [
      "a piece when only the greeting has left",
      1,
      [
        [1, tick, piece(ROOM)],
        [2, { type: "socket_flushed", socket, bytes: hello.length }, piece(1)],
      ],
    ],
  ])("%s: %i violations", (_name, violations, steps) => {
    expect(new Shows(socketRoom).agent([[0, tick, sends(hello)], ...steps]).found).toHaveLength(violations);
  });
});
