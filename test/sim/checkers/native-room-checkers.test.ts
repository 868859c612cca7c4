/** Checkers of what a native session may put on its socket, and of whom a home's present mode lets in. */
import { describe, expect, test } from "vitest";
import type { AgentEffect, ServerEffect } from "../../../core/effects.ts";
import type { SocketId } from "../../../core/ids.ts";
import { agentLimits } from "../../../core/limits.ts";
import { modeKept } from "../../../sim/checkers/mode-kept.ts";
import { socketRoom } from "../../../sim/checkers/socket-room.ts";
import { DOMAIN } from "../../../sim/scenario/request.ts";
import { fakeSha256 } from "../../../sim/tools/hash.ts";
import { greeting, KIND } from "../../../sim/wire/native.ts";
import { type AgentStep, answered, calls, opened, type ServerStep, Shows, tick, upgrade } from "./steps.ts";

const socket = 1 as SocketId;
const second = 2 as SocketId;
const ROOM = agentLimits.socketBytesMax;

/** A frame of exchange 1 without a payload, or with that one. */
function frame(kind: number, flags = 0, payload: readonly number[] = []): Uint8Array {
  const bytes = new Uint8Array(12 + payload.length);
  bytes.set([kind, flags]);
  bytes[7] = 1;
  bytes.set(payload, 12);
  return bytes;
}

function sends(header: Uint8Array, over = socket, bodyBytes = 0): AgentEffect & ServerEffect {
  return { type: "socket_send_packet", socket: over, header, body: [new Uint8Array(bodyBytes)] };
}

const hello = greeting(KIND.hello, { window: 1, ticket: null });
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

const requestHead = [0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 100, 0, 0, 0, 0, 0];
const asks = (over = socket) => sends(frame(KIND.piece, 1, requestHead), over);
const welcomes = (resumed: boolean, over = socket) =>
  sends(greeting(KIND.welcome, { ticket: "t", resumed, graceMs: 1 }), over);

function opens(over: SocketId, access: string, resumed = false): ServerStep[] {
  return [
    [0, upgrade(over, "&sender=true", ["culvert-access", access])],
    [0, tick, { type: "upgrade_accept", socket: over, protocol: "culvert.1" }],
    [0, { type: "socket_opened", socket: over, nonce: new Uint8Array(16) }],
    [1, { type: "socket_bytes", socket: over, bytes: hello }, welcomes(resumed, over)],
  ];
}

const visits = opened("/library", ["host", `home0.${DOMAIN}`, "authorization", "Bearer right"]);

describe("mode_kept", () => {
  test.each<readonly [string, number, ServerStep[]]>([
    ["a home for everybody", 0, [...opens(socket, "public"), [2, visits, asks()]]],
    ["a token that nobody looked up", 1, [...opens(socket, "token"), [2, visits, asks()]]],
    ["no password", 1, [...opens(socket, `basic a:${"0".repeat(64)}`), [2, visits, asks()]]],
    [
      "a home that is for everybody no more",
      1,
      [...opens(socket, "public"), [2, visits], ...opens(second, "token"), [3, tick, asks(second)]],
    ],
  ])("%s: %i violations", (_name, violations, steps) => {
    expect(new Shows(modeKept).server(steps).found).toHaveLength(violations);
  });

  test("lets a token in that the registry knows", () => {
    const shows = new Shows(modeKept).server([...opens(socket, "token"), [2, visits]]);
    const tokenHash = fakeSha256("right");
    const asksFor = calls(7, { type: "check_token", kind: "client_access", tokenHash, clientId: "home0" });
    const valid = answered(7, { type: "token_checked", valid: true, fence: 1 });
    expect(
      shows.server([
        [3, tick, asksFor],
        [4, valid, asks()],
      ]).found,
    ).toEqual([]);
  });
});
