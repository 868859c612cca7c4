/** Steps of machines written by hand, to show to a checker what it has to let pass and what it has to find. */
import { edgeLimits } from "../../../core/edge/limits.ts";
import type { AgentEffect, ServerEffect } from "../../../core/effects.ts";
import type { AgentEvent, ServerEvent } from "../../../core/events.ts";
import type { CallId, ExchangeId, SocketId } from "../../../core/ids.ts";
import { agentLimits, type ServerLimits, serverLimits } from "../../../core/limits.ts";
import { targetOf } from "../../../sim/faults/index.ts";
import type { Ledger } from "../../../sim/ledger/ledger.ts";
import { LedgerWriter } from "../../../sim/ledger/writer.ts";
import type { Checker, Property } from "../../../sim/record/checker.ts";
import type { Finish } from "../../../sim/record/finish.ts";
import type { ServerSizes, SteppedServer } from "../../../sim/record/stepped.ts";
import type { Scenario } from "../../../sim/scenario/scenario.ts";
import { encodeSimPacket } from "../../../sim/wire/packet.ts";
import { busyScenario } from "../scenarios.ts";

export type ServerStep = readonly [nowMs: number, event: ServerEvent, ...effects: ServerEffect[]];
export type AgentStep = readonly [nowMs: number, event: AgentEvent, ...effects: AgentEffect[]];

export const ID_BASE = 1_000;
export const exchange = 1 as ExchangeId;
export const REQUEST_ID = ID_BASE + exchange;
export const tunnel = 1 as SocketId;
export const visitor = 2 as SocketId;
export const tick = { type: "tick" } as const;

type Shown = {
  readonly limits?: Partial<ServerLimits>;
  readonly scenario?: Partial<Scenario>;
  /** What the server says of itself; the truth where left out. */
  readonly sizes?: Partial<ServerSizes>;
};

/** One checker at work. */
export class Shows {
  readonly found: string[] = [];
  readonly checker: Checker;
  readonly servers = new Map<string, SteppedServer>();
  readonly #writers = new Map<string, LedgerWriter>();
  readonly #sizes: Partial<ServerSizes>;

  constructor(property: Property, { limits = {}, scenario = {}, sizes = {} }: Shown = {}) {
    this.checker = property.create(
      (_kind, message) => this.found.push(message),
      () => {},
    );
    this.#sizes = sizes;
    this.checker.begun?.({
      scenario: busyScenario([], scenario),
      serverLimits: { ...serverLimits, ...limits },
      edgeLimits,
      agentLimits,
      targetOf,
    });
  }

  server(steps: readonly ServerStep[], name = "node-0"): this {
    const writer = this.#writers.get(name) ?? new LedgerWriter(ID_BASE);
    this.#writers.set(name, writer);
    const { ledger } = writer;
    for (const [nowMs, event, ...effects] of steps) {
      writer.take(nowMs, event, effects, effects.length);
      const sizes = { ...sizesOf(ledger), ...this.#sizes };
      const server = { name, nowMs, ledger, snapshot: () => sizes, heldBytes: sizes.heldBytes };
      this.servers.set(name, server);
      this.checker.serverStep?.(server, event, effects, effects.length);
    }
    return this;
  }

  /** The process did not run for so long. */
  sleep(ms: number, name = "node-0"): this {
    const ledger = this.#writers.get(name)?.ledger;
    if (ledger !== undefined) ledger.sleptMs += ms;
    return this;
  }

  agent(steps: readonly AgentStep[], name = "agent:home0"): this {
    for (const [nowMs, event, ...effects] of steps) {
      this.checker.agentStep?.({ name, nowMs }, event, effects, effects.length);
    }
    return this;
  }

  finish(parts: Partial<Finish> = {}): this {
    this.checker.finished?.({
      visits: [],
      visitorSockets: [],
      homeCalls: [],
      held: [],
      faultFree: false,
      servers: [...this.servers.values()],
      rows: new Map(),
      ...parts,
    });
    return this;
  }
}

export type Case = readonly [name: string, violations: number, steps: readonly ServerStep[]];

export function judge(
  property: Property,
  steps: readonly ServerStep[],
  shown?: ConstructorParameters<typeof Shows>[1],
) {
  return new Shows(property, shown).server(steps).found.length;
}

export const ping: ServerEffect = { type: "socket_ping", socket: tunnel };

function sizesOf({ exchanges, sockets, tunnels, heldBytes }: Ledger): ServerSizes {
  const counters = {
    outcomes: new Map(),
    exchangesOpened: exchanges.size,
    tunnelsAccepted: 0,
    bytesOut: 0,
    abortsSent: 0,
    tunnelPauses: 0,
  };
  const visitorSockets = sockets.size - tunnels;
  return {
    tunnels,
    visitorSockets,
    exchanges: exchanges.size,
    heldBytes,
    waiting: 0,
    sessions: 0,
    seeks: 0,
    timersArmed: 0,
    counters,
  };
}

export function upgrade(
  socket: SocketId,
  query = "&sender=true",
  headers: readonly string[] = [],
): ServerEvent {
  return {
    type: "upgrade_requested",
    socket,
    target: `/ws?clientId=home0${query}`,
    headers,
    peer: "192.0.2.1",
  };
}

/** The steps that open a socket within 2 ms: a tunnel unless the query says otherwise. */
export function open(socket: SocketId, query?: string, fromMs = 0): ServerStep[] {
  return [
    [fromMs, upgrade(socket, query)],
    [fromMs + 1, answered(99, { type: "swept" }), { type: "upgrade_accept", socket, protocol: null }],
    [fromMs + 2, { type: "socket_opened", socket, nonce: new Uint8Array(16) }],
  ];
}

type Outcome = Extract<ServerEvent, { readonly type: "registry_answered" }>["outcome"];
type Operation = Extract<ServerEffect, { readonly type: "registry_call" }>["operation"];

export function answered(call: number, outcome: Outcome): ServerEvent {
  return { type: "registry_answered", call: call as CallId, outcome };
}

export function calls(call: number, operation: Operation): ServerEffect {
  return { type: "registry_call", call: call as CallId, operation };
}

export function opened(
  target = "/library?clientId=home0",
  headers: readonly string[] = [],
  method = "GET",
): ServerEvent {
  const nonce = new Uint8Array(16);
  return {
    type: "exchange_opened",
    exchange,
    method,
    target,
    headers,
    hasBody: method === "POST",
    upgrade: false,
    expectsContinue: false,
    peer: "192.0.2.1",
    nonce,
  };
}

export function closed(complete: boolean): ServerEvent {
  return { type: "exchange_closed", exchange, complete };
}

/** The request frame of the exchange, with other members than the usual ones. */
export function asks(members: Readonly<Record<string, unknown>> = {}): ServerEffect {
  const frame = {
    type: "HTTP",
    request_id: REQUEST_ID,
    method: "GET",
    path: "library",
    query: { clientId: "home0" },
    profile: null,
    ...members,
  };
  return { type: "socket_send_text", socket: tunnel, text: JSON.stringify(frame) };
}

export const aborts: ServerEffect = {
  type: "socket_send_text",
  socket: tunnel,
  text: `{"type":"ABORT","request_id":${REQUEST_ID}}`,
};

/** A tunnel, and an exchange that was sent on through it at 3 ms. */
export function underWay(headers: readonly string[] = []): ServerStep[] {
  return [...open(tunnel), [3, opened(undefined, headers), asks()]];
}

/** A packet of the exchange with `bytes` of body. */
export function packet(
  packetId: number,
  bytes: number,
  last = false,
  requestId = REQUEST_ID,
  status = 200,
): ServerEvent {
  return {
    type: "socket_bytes",
    socket: tunnel,
    bytes: packetBytes(packetId, bytes, last, requestId, status),
  };
}

export function packetBytes(
  packetId: number,
  bytes: number,
  last: boolean,
  requestId = REQUEST_ID,
  status = 200,
) {
  const head = packetId === 1 ? { status, headers: {} } : null;
  return encodeSimPacket({ requestId, packetId, last, head, body: new Uint8Array(bytes) });
}

export function head(headers: readonly string[] = [], coding: "gzip" | "br" | null = null): ServerEffect {
  return { type: "respond_head", exchange, status: 200, headers, coding };
}

export function writes(bytes: number): ServerEffect {
  return { type: "respond_body", exchange, bytes: new Uint8Array(bytes) };
}

export function responds(status: number, body = "", headers: readonly string[] = []): ServerEffect {
  const bytes = new TextEncoder().encode(body);
  return { type: "respond", exchange, status, headers, body: [bytes], close: false };
}

export const ends: ServerEffect = { type: "respond_end", exchange, trailers: [] };
export const cuts: ServerEffect = { type: "respond_cut", exchange };

export function endedAs(
  outcome: "completed" | "visitor_left" | "draining",
  status = 200,
  bytesOut = 0,
): ServerEffect {
  const report = {
    type: "exchange_ended",
    exchange,
    requestId: exchange,
    clientId: "home0",
    method: "GET",
    status,
    outcome,
    bytesOut,
    durationMs: 0,
  } as const;
  return { type: "report", report };
}
