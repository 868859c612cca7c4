/** A client on connections that do only what a test says. After each step its facts are taken and its invariants checked. */

import type { ConnectionId, ExchangeId } from "../../../core/ids.ts";
import { checkClient } from "../../../core/origins/check.ts";
import {
  abort,
  type ClientLimits,
  type ConnectionEffect,
  type ConnectionEvent,
  type ConnectionFault,
  type ConnectionTimerOwner,
  clientLimits,
  closeClient,
  createClient,
  type ExchangeFact,
  endBody,
  nextFact,
  onConnectionDeadline,
  onConnectionEvent,
  pause,
  type Request,
  request,
  send,
} from "../../../core/origins/client.ts";
import { createTimers, nextDeadlineMs, takeDue } from "../../../core/timers.ts";

export const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
export const SWITCH = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n";

export type TestOrder = Partial<Request> & { readonly origin?: number };

/** One connection as its adapter has it. */
export type TestConnection = {
  readonly origin: number;
  /** All that was ordered to be written, each write apart. */
  readonly writes: string[];
  unflushedBytes: number;
  paused: boolean;
  /** Whether our side was ended, and whether we destroyed it. */
  ended: boolean;
  closed: boolean;
  /** Whether its last event was told. */
  gone: boolean;
};

export type Run = ReturnType<typeof start>;

export function start({
  limits = {},
  basePaths = [""],
  toPeers = false,
}: {
  readonly limits?: Partial<ClientLimits>;
  readonly basePaths?: readonly string[];
  readonly toPeers?: boolean;
} = {}) {
  const timers = createTimers<ConnectionTimerOwner>();
  const client = createClient({ limits: { ...clientLimits, ...limits }, timers, basePaths, toPeers });
  const connections: TestConnection[] = [];
  const facts: ExchangeFact[] = [];
  let nowMs = 1_000;
  let exchanges = 0;
  let onFact: (fact: ExchangeFact) => void = () => {};
  const out = { push: (effect: ConnectionEffect) => obey(connections, effect) };

  /** The owner's duty after each order and event. */
  const settle = () => {
    for (let fact = nextFact(client, nowMs, out); fact !== null; fact = nextFact(client, nowMs, out)) {
      facts.push(fact);
      onFact(fact);
    }
    checkClient(client);
  };
  const tell = (event: ConnectionEvent) => {
    onConnectionEvent(client, nowMs, event, out);
    settle();
  };
  const connectionAt = (id: number) => {
    const connection = connections[id - 1];
    if (connection === undefined) throw new Error(`there is no connection ${id}`);
    return connection;
  };

  const run = {
    client,
    facts,
    connections,
    connection: connectionAt,
    written: (id: number) => connectionAt(id).writes.join(""),
    /** Called with each fact before the next is taken. */
    onFact(listener: (fact: ExchangeFact) => void) {
      onFact = listener;
    },
    request({ origin = 0, ...order }: TestOrder = {}): ExchangeId {
      const id = ++exchanges as ExchangeId;
      const whole = { method: "GET", target: "/", headers: [], body: null, bodyBytes: null, upgrade: false };
      request(client, nowMs, id, { ...whole, ...order, origin }, out);
      settle();
      return id;
    },
    upgrade: () => run.request({ headers: ["Connection", "Upgrade", "Upgrade", "x"], upgrade: true }),
    send(id: ExchangeId, text: string) {
      send(client, id, Buffer.from(text, "latin1"), out);
      settle();
    },
    endBody(id: ExchangeId, trailers: readonly string[] = []) {
      endBody(client, id, trailers, out);
      settle();
    },
    pause(id: ExchangeId, paused: boolean) {
      pause(client, nowMs, id, paused, out);
      settle();
    },
    abort(id: ExchangeId) {
      abort(client, id, out);
      settle();
    },
    /** Orders of an owner who is told a fact, and has not taken the next. */
    abortWithin: (fact: ExchangeFact) => abort(client, fact.exchange, out),
    pauseWithin: (id: ExchangeId) => pause(client, nowMs, id, true, out),
    close() {
      closeClient(client, out);
      settle();
    },
    opened: (id: number) => tell({ type: "connection_opened", connection: id as ConnectionId }),
    bytes(id: number, text: string) {
      const bytes = Uint8Array.from(Buffer.from(text, "latin1"));
      tell({ type: "connection_bytes", connection: id as ConnectionId, bytes });
    },
    /** So much has left for the kernel; without a number, all. */
    flushed(id: number, bytes = connectionAt(id).unflushedBytes) {
      connectionAt(id).unflushedBytes -= bytes;
      tell({ type: "connection_flushed", connection: id as ConnectionId, bytes });
    },
    ended: (id: number) => tell({ type: "connection_ended", connection: id as ConnectionId }),
    closed(id: number, cause: ConnectionFault | null = null) {
      connectionAt(id).gone = true;
      tell({ type: "connection_closed", connection: id as ConnectionId, cause });
    },
    /** All that was ordered leaves, and this comes. */
    answer(id: number, text = OK) {
      run.flushed(id);
      run.bytes(id, text);
    },
    /** A request that is answered, so that its connection is idle from then on. */
    exchange(order: TestOrder = {}, answer = OK): number {
      run.request(order);
      const id = connections.findLastIndex(({ unflushedBytes, closed }) => unflushedBytes > 0 && !closed) + 1;
      run.opened(id);
      run.answer(id, answer);
      return id;
    },
    /** Time passes, and what falls due by then happens. */
    wait(ms: number) {
      const untilMs = nowMs + ms;
      for (let at = nextDeadlineMs(timers); at <= untilMs; at = nextDeadlineMs(timers)) {
        nowMs = Math.max(nowMs, at);
        const due = takeDue(timers, nowMs);
        if (due !== undefined) onConnectionDeadline(client, nowMs, due.owner.connection, out);
        settle();
      }
      nowMs = untilMs;
    },
    /** Time passes, and nobody looks at the clock. */
    stall(ms: number) {
      nowMs += ms;
    },
    types: () => facts.map(({ type }) => type),
    of: (id: ExchangeId) => facts.filter(({ exchange }) => exchange === id),
    body: (id?: ExchangeId) =>
      facts
        .flatMap((fact) =>
          fact.type === "body" && (id === undefined || fact.exchange === id) ? [fact.bytes] : [],
        )
        .map((bytes) => Buffer.from(bytes).toString("latin1"))
        .join(""),
    flushedBytes: (id: ExchangeId) =>
      run.of(id).reduce((sum, fact) => sum + (fact.type === "flushed" ? fact.bytes : 0), 0),
  };
  return run;
}

function obey(connections: TestConnection[], effect: ConnectionEffect): void {
  if (effect.type === "connection_open") {
    if (effect.connection !== connections.length + 1)
      throw new Error("a connection has a number out of turn");
    connections.push({
      origin: effect.origin,
      writes: [],
      unflushedBytes: 0,
      paused: false,
      ended: false,
      closed: false,
      gone: false,
    });
    return;
  }
  const connection = connections[effect.connection - 1];
  if (connection === undefined || connection.closed || connection.gone)
    throw new Error(`${effect.type} for one that is gone`);
  if (effect.type === "connection_write") {
    if (connection.ended) throw new Error("a write follows the end of our side");
    const text = effect.parts
      .map((part) => Buffer.from(part as string, "latin1").toString("latin1"))
      .join("");
    connection.writes.push(text);
    connection.unflushedBytes += text.length;
  } else if (effect.type === "connection_pause") {
    if (connection.paused === effect.paused) throw new Error("a pause says what is so already");
    connection.paused = effect.paused;
  } else if (effect.type === "connection_end") {
    if (connection.ended) throw new Error("our side is ended twice");
    connection.ended = true;
  } else {
    connection.closed = true;
  }
}
