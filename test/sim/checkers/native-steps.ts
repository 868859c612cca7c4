/** Steps of native sessions written by hand: frames of both ends, and how a session begins and comes back. */
import type { AgentEffect, ServerEffect } from "../../../core/effects.ts";
import type { AgentEvent, ServerEvent } from "../../../core/events.ts";
import type { SocketId } from "../../../core/ids.ts";
import { agentLimits } from "../../../core/limits.ts";
import { greeting, KIND } from "../../../sim/wire/native.ts";
import { type AgentStep, type ServerStep, tick, upgrade } from "./steps.ts";

export const socket = 1 as SocketId;
export const second = 2 as SocketId;
export const WINDOW = agentLimits.windowBytes;
export const CREDIT = 100;

/** A frame of exchange 1. */
export function frame(
  kind: number,
  number: number,
  flags = 0,
  payload: Uint8Array = new Uint8Array(0),
  about = 1,
) {
  const bytes = new Uint8Array(12 + payload.length);
  bytes.set([kind, flags]);
  bytes[7] = about;
  bytes[11] = number;
  bytes.set(payload, 12);
  return bytes;
}

/** The head of a request with credit for 100 bytes, and that of a response with status 200. */
export const requestHead = new Uint8Array([0, 0, 0, 12, 0, 0, 0, 0, 0, 0, CREDIT, 0, 0, 0, 0, 0]);
export const responseHead = new Uint8Array([0, 0, 0, 3, 0, 200, 0]);
export const asked = frame(KIND.piece, 0, 1, requestHead);

export function entry(kind: number, received: number, limit: number, about = 1): Uint8Array {
  const payload = new Uint8Array(16);
  payload[5] = about;
  payload[9] = received;
  new DataView(payload.buffer).setUint32(12, limit);
  const bytes = new Uint8Array(28);
  bytes[0] = kind;
  bytes.set(payload, 12);
  return bytes;
}

export const agentSends = (bytes: Uint8Array, over = socket): AgentEffect => ({
  type: "socket_send_packet",
  socket: over,
  header: bytes,
  body: [],
});
export const agentHears = (bytes: Uint8Array, over = socket): AgentEvent => ({
  type: "socket_bytes",
  socket: over,
  bytes,
});
export const opensAt = (over: SocketId): AgentEvent => ({
  type: "socket_opened",
  socket: over,
  protocol: "culvert.1",
});
export const welcome = (resumed = false, ticket = "t") =>
  greeting(KIND.welcome, { ticket, resumed, graceMs: 1 });
export const answer = (number: number, bytes: number) => frame(KIND.piece, number, 0, new Uint8Array(bytes));
export const first = frame(KIND.piece, 0, 1, responseHead);

export const welcomed: AgentStep[] = [
  [0, opensAt(socket)],
  [1, agentHears(welcome())],
  [2, agentHears(asked), agentSends(first)],
];
export const back: AgentStep[] = [
  [4, opensAt(second)],
  [5, agentHears(welcome(true), second), agentSends(entry(KIND.resume, 1, WINDOW), second)],
];

export const hello = (ticket: string | null, over = socket): ServerEvent => ({
  type: "socket_bytes",
  socket: over,
  bytes: greeting(KIND.hello, { window: WINDOW, ticket }),
});
export const welcomes = (ticket: string, resumed: boolean, over = socket): ServerEffect => ({
  type: "socket_send_packet",
  socket: over,
  header: welcome(resumed, ticket),
  body: [],
});
export const lost: ServerEffect = {
  type: "report",
  report: { type: "session_lost", clientId: "home0", exchanges: 0 },
};

export function opens(over: SocketId): ServerStep[] {
  return [
    [0, upgrade(over)],
    [0, tick, { type: "upgrade_accept", socket: over, protocol: "culvert.1" }],
    [0, { type: "socket_opened", socket: over, nonce: new Uint8Array(16) }],
  ];
}

export const begun: ServerStep[] = [
  ...opens(socket),
  [1, hello(null), welcomes("a", false)],
  ...opens(second),
];
export const resumes: ServerStep = [3, hello("a", second), welcomes("b", true, second)];
export const third = 3 as SocketId;

export const serverSends = (bytes: Uint8Array): ServerEffect => ({
  type: "socket_send_packet",
  socket,
  header: bytes,
  body: [],
});
