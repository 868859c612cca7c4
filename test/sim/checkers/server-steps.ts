/** Steps of a server that are judged by the ledger alone, written by hand. */
import { edgeLimits } from "../../../core/edge/limits.ts";
import type { ServerEffect } from "../../../core/effects.ts";
import type { ServerEvent } from "../../../core/events.ts";
import type { CallId, ExchangeId, SocketId } from "../../../core/ids.ts";
import { agentLimits, type ServerLimits, serverLimits } from "../../../core/limits.ts";
import { targetOf } from "../../../sim/faults/index.ts";
import { LedgerWriter } from "../../../sim/ledger/writer.ts";
import type { Property } from "../../../sim/record/checker.ts";
import { busyScenario } from "../scenarios.ts";

export type Step = readonly [nowMs: number, event: ServerEvent, ...effects: ServerEffect[]];

export const ID_BASE = 1_000;
export const exchange = 1 as ExchangeId;
export const tunnel = 1 as SocketId;
export const visitor = 2 as SocketId;
export const tick: ServerEvent = { type: "tick" };

export const limits: ServerLimits = {
  ...serverLimits,
  visitorMessageBytesMax: 20,
  registryVisitorMs: 3_000,
  waitMs: 0,
  registryTunnelMs: 5_000,
  drainMs: 4_000,
};

/** The violations that the property reports while the steps are taken. */
export function violationsOf(
  property: Property,
  steps: readonly Step[],
  serverLimits: ServerLimits = limits,
): string[] {
  const found: string[] = [];
  const checker = property.create(
    (_kind, message) => found.push(message),
    () => {},
  );
  const writer = new LedgerWriter(ID_BASE);
  const snapshot = () => {
    throw new Error("these checkers look at the ledger alone");
  };
  checker.begun?.({ scenario: busyScenario(), serverLimits, edgeLimits, agentLimits, targetOf });
  for (const [nowMs, event, ...effects] of steps) {
    writer.take(nowMs, event, effects, effects.length);
    checker.serverStep?.(
      { name: "node-0", nowMs, ledger: writer.ledger, snapshot, heldBytes: 0 },
      event,
      effects,
      effects.length,
    );
  }
  return found;
}

export function upgrade(socket: SocketId, sender: boolean): ServerEvent {
  const target = `/ws?clientId=a${sender ? "&sender=true" : ""}`;
  return { type: "upgrade_requested", socket, target, headers: [], peer: "192.0.2.1" };
}

/** The steps that open a socket. */
export function open(socket: SocketId, sender: boolean): Step[] {
  return [
    [0, upgrade(socket, sender)],
    [1, { type: "registry_answered", call: 1 as CallId, outcome: { type: "swept" } }, accept(socket)],
    [2, { type: "socket_opened", socket, nonce: new Uint8Array(16) }],
  ];
}

export function accept(socket: SocketId): ServerEffect {
  return { type: "upgrade_accept", socket, protocol: null };
}

export function opened(target: string): ServerEvent {
  const nonce = new Uint8Array(16);
  return {
    type: "exchange_opened",
    exchange,
    method: "GET",
    target,
    headers: [],
    hasBody: false,
    upgrade: false,
    expectsContinue: false,
    peer: "192.0.2.1",
    nonce,
  };
}

export const askAgent: ServerEffect = {
  type: "socket_send_text",
  socket: tunnel,
  text: `{"type":"HTTP","request_id":${ID_BASE + exchange},"method":"GET"}`,
};
