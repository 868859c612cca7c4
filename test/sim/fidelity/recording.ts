/** What both ends of each visitor's connection said in a simulated run, for the real HTTP server to be told the same. */
import type { EdgeEffect, EdgeEvent, EdgeFact, EdgeOrder } from "../../../core/edge/events.ts";
import type { ConnectionId, ExchangeId } from "../../../core/ids.ts";
import type { Property } from "../../../sim/record/checker.ts";
import { run } from "../../../sim/run/run.ts";
import type { Scenario } from "../../../sim/scenario/scenario.ts";

/** What the server says of one exchange, in order; `read` stands for the end of the request, which it may wait for. */
export type ServerPart = EdgeOrder | "read";

export type RecordedExchange = {
  readonly opened: Extract<EdgeFact, { readonly type: "exchange_opened" }>;
  readonly script: ServerPart[];
  readonly body: Uint8Array[];
  trailers: readonly string[] | null;
  flushedBytes: number;
  complete: boolean | null;
};

export type RecordedConnection = {
  /** What the visitor wrote, each piece with how much he had been sent before; null is his end. */
  readonly said: { readonly afterBytes: number; readonly bytes: Uint8Array | null }[];
  readonly sent: Uint8Array[];
  sentBytes: number;
  readonly exchanges: Map<ExchangeId, RecordedExchange>;
  /** The server ended its side before the visitor did. */
  endedFirst: boolean;
  /** It was handed over, cut or lost: what came of it depends on more than on both ends' words. */
  isTorn: boolean;
};

/** Of all connections to all servers of the run, those that went from beginning to end in order. */
export function recordConnections(scenario: Scenario): RecordedConnection[] {
  const connections = new Map<string, RecordedConnection>();
  const watch: Property = {
    name: "recording",
    create: () => ({
      edgeStep: ({ name }, event, effects, count) => {
        note(connections, name, event, effects.slice(0, count));
      },
    }),
  };
  run(scenario, { properties: [watch] });
  return [...connections.values()].filter(isWhole);
}

function isWhole({ isTorn, said, exchanges }: RecordedConnection): boolean {
  if (isTorn || exchanges.size === 0 || said.at(-1)?.bytes !== null) return false;
  return [...exchanges.values()].every(({ complete, script }, index) => {
    // Interim answers depend on whose turn it is, and compression is the adapter's alone.
    const isPlain = script.every(
      (part) =>
        part === "read" ||
        ((index === 0 || part.type !== "respond_interim") &&
          (part.type !== "respond_head" || part.coding === null)),
    );
    return complete === true && isPlain;
  });
}

function note(
  connections: Map<string, RecordedConnection>,
  process: string,
  event: EdgeEvent,
  effects: readonly (EdgeEffect | undefined)[],
): void {
  const of = (id: ConnectionId) => connections.get(`${process} ${id}`);
  const exchange = (id: ExchangeId) => {
    for (const [key, { exchanges }] of connections)
      if (key.startsWith(`${process} `) && exchanges.has(id)) return exchanges.get(id);
    return undefined;
  };
  if (event.type === "connection_accepted") connections.set(`${process} ${event.connection}`, empty());
  const about = "connection" in event ? of(event.connection) : undefined;
  if (event.type === "connection_bytes")
    about?.said.push({ afterBytes: about.sentBytes, bytes: event.bytes.slice() });
  if (event.type === "connection_ended") about?.said.push({ afterBytes: about.sentBytes, bytes: null });
  if (event.type === "connection_closed" && about !== undefined) about.isTorn ||= event.cause !== null;
  // The simulator overwrites what its server has used for the last time.
  if ("exchange" in event) exchange(event.exchange)?.script.push(structuredClone(event));
  for (const effect of effects) {
    if (effect === undefined) continue;
    if (effect.type === "exchange_opened") {
      of(effect.connection)?.exchanges.set(effect.exchange, {
        opened: effect,
        script: [],
        body: [],
        trailers: null,
        flushedBytes: 0,
        complete: null,
      });
    } else if ("exchange" in effect) {
      const told = exchange(effect.exchange);
      if (told !== undefined) hear(told, effect);
    } else if ("connection" in effect) {
      const connection = of(effect.connection);
      if (connection !== undefined) order(connection, effect);
    }
  }
}

function hear(exchange: RecordedExchange, fact: EdgeFact): void {
  if (fact.type === "exchange_body") exchange.body.push(fact.bytes.slice());
  if (fact.type === "exchange_flushed") exchange.flushedBytes += fact.bytes;
  if (fact.type === "exchange_closed") exchange.complete = fact.complete;
  if (fact.type !== "exchange_body_ended") return;
  exchange.trailers = fact.trailers;
  exchange.script.push("read");
}

function order(
  connection: RecordedConnection,
  effect: Extract<EdgeEffect, { readonly connection: unknown }>,
): void {
  if (effect.type === "connection_write") {
    for (const part of effect.parts) {
      const bytes = typeof part === "string" ? Buffer.from(part, "latin1") : part.slice();
      connection.sent.push(bytes);
      connection.sentBytes += bytes.length;
    }
  } else if (effect.type === "connection_end") {
    connection.endedFirst = connection.said.at(-1)?.bytes !== null;
  } else if (effect.type === "connection_hand_over" || effect.type === "connection_reset") {
    connection.isTorn = true;
  }
}

function empty(): RecordedConnection {
  return { said: [], sent: [], sentBytes: 0, exchanges: new Map(), endedFirst: false, isTorn: false };
}
