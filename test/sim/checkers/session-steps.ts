/** Steps of native sessions as they begin, come back and end, written by hand. */
import type { AgentEffect, ServerEffect } from "../../../core/effects.ts";
import type { AgentEvent, ServerEvent } from "../../../core/events.ts";
import type { ExchangeId, SocketId } from "../../../core/ids.ts";
import { greeting, KIND } from "../../../sim/wire/native.ts";
import { type ServerStep, tick, upgrade } from "./steps.ts";

export const socket = 1 as SocketId;
export const second = 2 as SocketId;
export const exchange = 1 as ExchangeId;
export const CREDIT = 100;

/** A frame of exchange 1. */
export function frame(kind: number, number = 0, flags = 0, payload: readonly number[] = []): Uint8Array {
  const bytes = new Uint8Array(12 + payload.length);
  bytes.set([kind, flags]);
  bytes[7] = 1;
  bytes[11] = number;
  bytes.set(payload, 12);
  return bytes;
}

export function sends(header: Uint8Array, over = socket, bodyBytes = 0): AgentEffect & ServerEffect {
  return { type: "socket_send_packet", socket: over, header, body: [new Uint8Array(bodyBytes)] };
}

export function hears(bytes: Uint8Array, over = socket): AgentEvent & ServerEvent {
  return { type: "socket_bytes", socket: over, bytes };
}

export const welcome = (resumed: boolean) => greeting(KIND.welcome, { ticket: "t", resumed, graceMs: 1 });
export const hello = greeting(KIND.hello, { window: CREDIT, ticket: null });
export const credit = frame(KIND.credit);
export const asked: ServerEvent = { type: "drain_requested" };

/** A native tunnel that said hello. */
export function opens(over: SocketId, resumed: boolean): ServerStep[] {
  return [...handshake(over), [1, hears(hello, over), sends(welcome(resumed), over)]];
}

export function handshake(over: SocketId): ServerStep[] {
  return [
    [0, upgrade(over)],
    [0, tick, { type: "upgrade_accept", socket: over, protocol: "culvert.1" }],
    [0, { type: "socket_opened", socket: over, nonce: new Uint8Array(16) }],
  ];
}

export const returns = (resumed: boolean, ...effects: ServerEffect[]): ServerStep => [
  3,
  hears(hello, second),
  sends(welcome(resumed), second),
  sends(frame(KIND.resume), second),
  ...effects,
];

export function asks(
  parts: Partial<Extract<AgentEffect, { readonly type: "origin_request" }>> = {},
): AgentEffect {
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

export const finished: AgentEvent = { type: "origin_ended", exchange, trailers: [] };
