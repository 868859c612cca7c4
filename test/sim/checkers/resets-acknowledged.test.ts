import { describe, expect, test } from "vitest";
import type { AgentEffect, ServerEffect } from "../../../core/effects.ts";
import type { AgentEvent } from "../../../core/events.ts";
import type { SocketId } from "../../../core/ids.ts";
import { agentLimits } from "../../../core/limits.ts";
import { resetsAcknowledged } from "../../../sim/checkers/resets-acknowledged.ts";
import { greeting, KIND } from "../../../sim/wire/native.ts";
import { type AgentStep, type ServerStep, Shows, tick, upgrade } from "./steps.ts";

const socket = 1 as SocketId;

/** By then it should have been said. */
const LATE = 1_000;

/** A frame of exchange 1, with that number. */
function frame(kind: number, number = 0, payload: readonly number[] = []): Uint8Array {
  const bytes = new Uint8Array(12 + payload.length);
  bytes[0] = kind;
  bytes[7] = 1;
  bytes[11] = number;
  bytes.set(payload, 12);
  return bytes;
}

const hears = (bytes: Uint8Array) => ({ type: "socket_bytes", socket, bytes }) as const satisfies AgentEvent;

const sends = (header: Uint8Array, bodyBytes = 0): AgentEffect & ServerEffect => ({
  type: "socket_send_packet",
  socket,
  header,
  body: [new Uint8Array(bodyBytes)],
});

const reset = (number: number) => hears(frame(KIND.reset, number, [...Buffer.from("ended")]));

/** So many frames of exchange 1 came, or of another one. */
const acknowledges = (received: number, exchange = 1) =>
  sends(frame(KIND.credit, 0, [0, 0, 0, 0, 0, exchange, 0, 0, 0, received, 0, 0, 0, 0, 0, 0]));

const welcome = greeting(KIND.welcome, { ticket: "t", resumed: false, graceMs: 1 });

describe("resets_acknowledged", () => {
  test.each<readonly [string, number, AgentStep[]]>([
    [
      "one that is acknowledged",
      0,
      [
        [2, reset(3), acknowledges(4)],
        [LATE, tick],
      ],
    ],
    [
      "one that is acknowledged with others, later",
      0,
      [
        [2, reset(3)],
        [30, tick, acknowledges(9, 2), acknowledges(4)],
        [LATE, tick],
      ],
    ],
    [
      "one that still has time",
      0,
      [
        [2, reset(3)],
        [20, tick],
      ],
    ],
    [
      "one that nothing is said of",
      1,
      [
        [2, reset(3), acknowledges(4, 2)],
        [LATE, tick],
      ],
    ],
    [
      "one that leaves frames out, of which only the first is acknowledged",
      1,
      [
        [2, hears(frame(KIND.piece, 0))],
        [3, reset(3), acknowledges(2)],
        [LATE, tick],
      ],
    ],
    [
      "one that comes again, and is acknowledged once",
      1,
      [
        [2, reset(3), acknowledges(4)],
        [3, reset(3)],
        [LATE, tick],
      ],
    ],
    [
      "one whose number was there before",
      0,
      [
        [2, hears(frame(KIND.piece, 5))],
        [3, reset(5)],
        [LATE, tick],
      ],
    ],
    [
      "one on a socket that is closed",
      0,
      [
        [2, reset(3), { type: "socket_close", socket, code: 1002, reason: "" }],
        [LATE, tick],
      ],
    ],
    [
      "one on a socket that takes nothing",
      0,
      [
        [2, reset(3), sends(frame(KIND.piece), 2 * agentLimits.socketBytesMax)],
        [LATE, tick],
      ],
    ],
    [
      "one on a socket that took nothing until just now",
      0,
      [
        [2, reset(3), sends(frame(KIND.piece), 2 * agentLimits.socketBytesMax)],
        [LATE, { type: "socket_flushed", socket, bytes: 1_000 }],
        [LATE + 1, tick],
      ],
    ],
    [
      "one on a socket that takes something again for long",
      1,
      [
        [2, reset(3), sends(frame(KIND.piece), 2 * agentLimits.socketBytesMax)],
        [LATE, { type: "socket_flushed", socket, bytes: 1_000 }],
        [2 * LATE, tick],
      ],
    ],
  ])("%s: %i violations", (_name, violations, steps) => {
    const shows = new Shows(resetsAcknowledged).agent([[1, hears(welcome)], ...steps]);
    expect(shows.found).toHaveLength(violations);
  });

  test("holds a server to it as well", () => {
    const steps: ServerStep[] = [
      [0, upgrade(socket)],
      [0, tick, { type: "upgrade_accept", socket, protocol: "culvert.1" }],
      [0, { type: "socket_opened", socket, nonce: new Uint8Array(16) }],
      [1, hears(greeting(KIND.hello, { window: 1, ticket: null })), sends(welcome)],
      [2, reset(0)],
      [LATE, tick],
    ];
    expect(new Shows(resetsAcknowledged).server(steps).found).toEqual([
      "node-0 does not acknowledge the reset of exchange 1 on socket 1",
    ]);
  });
});
