/** Steps of an agent that speaks the deployed protocol, written by hand. */
import type { AgentEffect } from "../../../core/effects.ts";
import type { AgentEvent } from "../../../core/events.ts";
import type { ExchangeId, SocketId } from "../../../core/ids.ts";
import type { Property } from "../../../sim/record/checker.ts";
import { type AgentStep, packetBytes, Shows, tick } from "./steps.ts";

export type Case = readonly [name: string, violations: number, steps: readonly AgentStep[]];

export const socket = 1 as SocketId;
export const exchange = 1 as ExchangeId;

export const connect = {
  type: "socket_connect",
  socket,
  target: "/ws",
  headers: [],
  protocols: [],
} as const satisfies AgentEffect;

export const connected: AgentStep[] = [
  [0, tick, connect],
  [1, { type: "socket_opened", socket, protocol: null }],
];

export const request: AgentEvent = {
  type: "socket_text",
  socket,
  text: '{"type":"HTTP","request_id":5,"method":"GET"}',
};

export const asks: AgentEffect = {
  type: "origin_request",
  exchange,
  origin: 0,
  method: "GET",
  target: "/",
  headers: [],
  body: null,
  bodyBytes: null,
  upgrade: false,
};

export const ended: AgentEvent = { type: "origin_ended", exchange, trailers: [] };
export const asked: AgentStep[] = [...connected, [2, request, asks]];

export const headed = (headers: readonly string[] = []): AgentEvent => ({
  type: "origin_head",
  exchange,
  status: 200,
  headers,
});

export const body = (bytes: number): AgentEvent => ({
  type: "origin_body",
  exchange,
  bytes: new Uint8Array(bytes),
});

export const lost = (code = 1006, which = socket): AgentEvent => ({
  type: "socket_closed",
  socket: which,
  code,
  reason: "",
});

export const second = 2 as SocketId;

export function sends(packetId: number, bytes: number, last = false, requestId = 5): AgentEffect {
  const header = packetBytes(packetId, 0, last, requestId);
  return { type: "socket_send_packet", socket, header, body: [new Uint8Array(bytes)] };
}

export function judge(property: Property, steps: readonly AgentStep[]): number {
  return new Shows(property).agent(steps).found.length;
}
