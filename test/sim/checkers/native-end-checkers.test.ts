/** Checkers of how native sessions end things: a response, a request, a server's work, and what a home is sent. */
import { describe, expect, test } from "vitest";
import type { AgentEffect, ServerEffect } from "../../../core/effects.ts";
import type { AgentEvent, ServerEvent } from "../../../core/events.ts";
import type { ExchangeId, SocketId } from "../../../core/ids.ts";
import { agentLimits, serverLimits } from "../../../core/limits.ts";
import { drainTold } from "../../../sim/checkers/drain-told.ts";
import { endsGoOut } from "../../../sim/checkers/ends-go-out.ts";
import { originFed } from "../../../sim/checkers/origin-fed.ts";
import { greeting, KIND } from "../../../sim/wire/native.ts";
import { type AgentStep, opened, type ServerStep, Shows, tick, upgrade } from "./steps.ts";

const socket = 1 as SocketId;
const second = 2 as SocketId;
const exchange = 1 as ExchangeId;
const CREDIT = 100;
const LAST = 4;

/** A frame of exchange 1. */
function frame(kind: number, number = 0, flags = 0, payload: readonly number[] = []): Uint8Array {
  const bytes = new Uint8Array(12 + payload.length);
  bytes.set([kind, flags]);
  bytes[7] = 1;
  bytes[11] = number;
  bytes.set(payload, 12);
  return bytes;
}

function sends(header: Uint8Array, over = socket, bodyBytes = 0): AgentEffect & ServerEffect {
  return { type: "socket_send_packet", socket: over, header, body: [new Uint8Array(bodyBytes)] };
}

function hears(bytes: Uint8Array, over = socket): AgentEvent & ServerEvent {
  return { type: "socket_bytes", socket: over, bytes };
}

const welcome = (resumed: boolean) => greeting(KIND.welcome, { ticket: "t", resumed, graceMs: 1 });
const hello = greeting(KIND.hello, { window: CREDIT, ticket: null });
const requestHead = [0, 0, 0, 12, 0, 0, 0, 0, 0, 0, CREDIT, 0, 0, 0, 0, 0];
const drain = frame(KIND.drain);
const credit = frame(KIND.credit);
/** Exchange 1 may have 200 bytes more. */
const more = (kind: number) => frame(kind, 0, 0, [0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 200]);
const asked: ServerEvent = { type: "drain_requested" };

/** A native tunnel that said hello. */
function opens(over: SocketId, resumed: boolean): ServerStep[] {
  return [...handshake(over), [1, hears(hello, over), sends(welcome(resumed), over)]];
}

function handshake(over: SocketId): ServerStep[] {
  return [
    [0, upgrade(over)],
    [0, tick, { type: "upgrade_accept", socket: over, protocol: "culvert.1" }],
    [0, { type: "socket_opened", socket: over, nonce: new Uint8Array(16) }],
  ];
}

const returns = (resumed: boolean, ...effects: ServerEffect[]): ServerStep => [
  3,
  hears(hello, second),
  sends(welcome(resumed), second),
  sends(frame(KIND.resume), second),
  ...effects,
];

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

function asks(parts: Partial<Extract<AgentEffect, { readonly type: "origin_request" }>> = {}): AgentEffect {
  return {
    type: "origin_request",
    exchange,
    origin: 0,
    method: "POST",
    target: "/",
    headers: [],
    body: "streamed",
    bodyBytes: null,
    upgrade: false,
    ...parts,
  };
}

const feeds = (bytes: number): AgentEffect => ({
  type: "origin_send",
  exchange,
  bytes: new Uint8Array(bytes),
});
const ends: AgentEffect = { type: "origin_send_end", exchange, trailers: [] };
const head = (status: number): AgentEvent => ({ type: "origin_head", exchange, status, headers: [] });
const finished: AgentEvent = { type: "origin_ended", exchange, trailers: [] };

describe("origin_fed", () => {
  const upgrades = asks({ body: null, upgrade: true });
  test.each<readonly [string, number, AgentStep[]]>([
    ["a body of any length", 0, [[1, tick, asks(), feeds(9), ends]]],
    ["a body of its length", 0, [[1, tick, asks({ bodyBytes: 9 }), feeds(9), ends]]],
    ["a body that is too long", 1, [[1, tick, asks({ bodyBytes: 9 }), feeds(10)]]],
    ["a body that is too short", 1, [[1, tick, asks({ bodyBytes: 9 }), feeds(8), ends]]],
    ["a byte behind the end", 1, [[1, tick, asks(), ends, feeds(1)]]],
    ["a byte behind a body that came whole", 1, [[1, tick, asks({ body: new Uint8Array(3) }), feeds(1)]]],
    [
      "a byte for who has answered",
      1,
      [
        [1, tick, asks()],
        [2, head(200)],
        [3, finished],
        [4, tick, feeds(1)],
      ],
    ],
    [
      "a byte for who is not asked any more",
      1,
      [[1, tick, asks(), { type: "origin_abort", exchange }, feeds(1)]],
    ],
    [
      "a byte after the 101",
      0,
      [
        [1, tick, upgrades],
        [2, head(101), feeds(1), ends],
      ],
    ],
    ["a byte before the 101", 1, [[1, tick, upgrades, feeds(1)]]],
    ["an end before the 101", 1, [[1, tick, upgrades, ends]]],
    [
      "a byte where there was none",
      1,
      [
        [1, tick, upgrades],
        [2, head(200), feeds(1)],
      ],
    ],
  ])("%s: %i violations", (_name, violations, steps) => {
    expect(new Shows(originFed).agent(steps).found).toHaveLength(violations);
  });
});

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
