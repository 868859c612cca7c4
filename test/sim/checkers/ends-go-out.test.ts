import { describe, expect, test } from "vitest";
import type { ServerEvent } from "../../../core/events.ts";
import { agentLimits, serverLimits } from "../../../core/limits.ts";
import { endsGoOut } from "../../../sim/checkers/ends-go-out.ts";
import { KIND } from "../../../sim/wire/native.ts";
import {
  asks,
  CREDIT,
  credit,
  exchange,
  finished,
  frame,
  handshake,
  hears,
  opens,
  returns,
  second,
  sends,
  socket,
  welcome,
} from "./session-steps.ts";
import { type AgentStep, opened, type ServerStep, Shows, tick } from "./steps.ts";

const LAST = 4;
const requestHead = [0, 0, 0, 12, 0, 0, 0, 0, 0, 0, CREDIT, 0, 0, 0, 0, 0];

/** Exchange 1 may have 200 bytes more. */
const more = (kind: number) => frame(kind, 0, 0, [0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 200]);

/** A response of exchange 1 is asked for. */
const answering: AgentStep[] = [
  [0, { type: "socket_opened", socket, protocol: "culvert.1" }],
  [1, hears(welcome(false))],
  [2, hears(frame(KIND.piece, 0, 1, requestHead)), asks()],
];

const lastly = (bodyBytes: number, number = 0) => sends(frame(KIND.piece, number, LAST), socket, bodyBytes);
const piece = (bodyBytes: number, number = 0) => sends(frame(KIND.piece, number), socket, bodyBytes);

const returned: AgentStep[] = [
  [4, { type: "socket_opened", socket: second, protocol: "culvert.1" }],
  [5, hears(welcome(true), second), sends(frame(KIND.resume), second)],
];

describe("ends_go_out", () => {
  test.each<readonly [string, number, AgentStep[]]>([
    ["an answer that ends with its last byte", 0, [[3, finished, lastly(CREDIT)]]],
    ["one whose end does not come with it", 1, [[3, finished, piece(9)]]],
    ["one that waits for credit", 0, [[3, finished, piece(CREDIT)]]],
    [
      "one that has got it, and still waits",
      1,
      [
        [3, finished, piece(CREDIT)],
        [4, hears(more(KIND.credit))],
      ],
    ],
    ["one that is ended otherwise", 0, [[3, finished, sends(frame(KIND.reset))]]],
    [
      "one that the server does not want",
      0,
      [
        [3, hears(frame(KIND.reset))],
        [4, finished],
      ],
    ],
    [
      "one behind a full socket",
      0,
      [[3, finished, piece(9), sends(credit, socket, agentLimits.socketBytesMax)]],
    ],
    [
      "one behind what has left",
      1,
      [
        [3, finished, piece(9), sends(credit, socket, agentLimits.socketBytesMax)],
        [4, { type: "socket_flushed", socket, bytes: agentLimits.socketBytesMax }],
      ],
    ],
    [
      "one without a tunnel",
      0,
      [
        [3, { type: "socket_closed", socket, code: 1006, reason: "" }],
        [4, finished],
      ],
    ],
    ["one that waits for the server's word", 0, [...returned, [6, finished]]],
    [
      "one that does not go on with it",
      1,
      [...returned, [6, finished], [7, hears(more(KIND.resume), second)]],
    ],
    [
      "one that nobody knows any more",
      0,
      [...returned, [6, finished], [7, hears(frame(KIND.resume), second)]],
    ],
  ])("%s: %i violations", (_name, violations, steps) => {
    expect(new Shows(endsGoOut).agent([...answering, ...steps]).found).toHaveLength(violations);
  });

  const request = sends(frame(KIND.piece, 0, 1, requestHead));
  const whole = sends(frame(KIND.piece, 0, 1 + LAST, requestHead));
  const uploads = opened(undefined, undefined, "POST");
  const bodyEnds: ServerEvent = { type: "exchange_body_ended", exchange, trailers: [] };
  test.each<readonly [string, number, ServerStep[]]>([
    ["a request without a body, whole", 0, [[2, opened(), whole]]],
    ["one whose end is kept", 1, [[2, opened(), request]]],
    ["an upload that goes on", 0, [[2, uploads, request]]],
    [
      "one that ends",
      0,
      [
        [2, uploads, request],
        [3, bodyEnds, lastly(1, 1)],
      ],
    ],
    [
      "one whose end is kept when it comes",
      1,
      [
        [2, uploads, request],
        [3, bodyEnds],
      ],
    ],
    [
      "one that waits for credit",
      0,
      [
        [2, uploads, request, piece(CREDIT, 1)],
        [3, bodyEnds],
      ],
    ],
    [
      "one for a tunnel that is sent away",
      0,
      [
        [2, uploads, request],
        [3, tick, { type: "socket_terminate", socket }],
        [4, bodyEnds],
      ],
    ],
    [
      "one for an agent that is back and says nothing",
      0,
      [[2, uploads, request], returns(true), [4, bodyEnds]],
    ],
    [
      "one behind a full socket",
      0,
      [
        [2, uploads, request, sends(credit, socket, serverLimits.socketBytesMax)],
        [3, bodyEnds],
      ],
    ],
  ])("%s: %i violations", (_name, violations, steps) => {
    const shows = new Shows(endsGoOut).server([...opens(socket, false), ...handshake(second)]);
    expect(shows.server(steps).found).toHaveLength(violations);
  });
});
