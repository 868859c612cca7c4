/** An edge on connections that do only what a test says. What it orders is obeyed strictly, and checked after each step. */

import { checkEdge } from "../../../core/edge/check.ts";
import { createEdge, edgeDeadlineMs, stepEdge } from "../../../core/edge/edge.ts";
import type { EdgeEffect, EdgeEvent, EdgeFact, EdgeOrder } from "../../../core/edge/events.ts";
import { type EdgeLimits, edgeLimits } from "../../../core/edge/limits.ts";
import type { EdgeConfig } from "../../../core/edge/state.ts";
import type { ConnectionFault } from "../../../core/http1/events.ts";
import type { ConnectionId, ExchangeId } from "../../../core/ids.ts";
import { Outbox } from "../../../core/outbox.ts";

export const DATE = "Sun, 06 Nov 1994 08:49:37 GMT";
export const GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
export const HANDSHAKE = [
  "GET /ws HTTP/1.1",
  "Host: x",
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
  "",
  "",
].join("\r\n");

/** The head of a request for that path, with these lines behind its host. */
export function ask(line: string, ...lines: readonly string[]): string {
  return [`${line} HTTP/1.1`, "Host: x", ...lines, "", ""].join("\r\n");
}

/** A request with a body of that many bytes, of which these have come. */
export function post(bytes: number, body = "", ...lines: readonly string[]): string {
  return ask("POST /", `Content-Length: ${bytes}`, ...lines) + body;
}

export type TestConnection = {
  /** What the visitor has sent and nobody has read, which is not read while it is paused or with somebody else; null is his end. */
  readonly unread: (string | null)[];
  /** What was ordered to be written, each write apart. */
  readonly writes: string[];
  unflushedBytes: number;
  paused: boolean;
  /** Whether our side was ended, and how it was destroyed. */
  ended: boolean;
  destroyed: "close" | "reset" | null;
  /** What it was handed over with, and whether it has not come back. */
  handed: { readonly target: string; readonly headers: readonly string[]; readonly rest: string } | null;
  isAway: boolean;
};

type Answer = {
  readonly status?: number;
  readonly headers?: readonly string[];
  readonly body?: readonly string[];
  readonly close?: boolean;
};

export type Run = ReturnType<typeof start>;

export function start(limits: Partial<EdgeLimits> = {}, others: Pick<EdgeConfig, "forPeers"> = {}) {
  const edge = createEdge({
    limits: { ...edgeLimits, ...limits },
    trustedProxies: [],
    date: () => DATE,
    ...others,
  });
  const out = new Outbox<EdgeEffect>();
  const connections: TestConnection[] = [];
  const facts: EdgeFact[] = [];
  const faults: string[] = [];
  const obey = obeyer(connections, facts, faults);
  let nowMs = 1_000;

  const stepOnce = (event: EdgeEvent) => {
    stepEdge(edge, nowMs, event, out);
    out.drain(obey);
    checkEdge(edge);
  };
  /** And what is due at once. */
  const step = (event: EdgeEvent) => {
    stepOnce(event);
    while (edgeDeadlineMs(edge) <= nowMs) stepOnce({ type: "tick" });
  };
  const order = (given: EdgeOrder) => {
    step(given);
    for (let id = 1; id <= connections.length; id++) deliver(id);
  };
  const connectionAt = (id: number) => {
    const connection = connections[id - 1];
    if (connection === undefined) throw new Error(`there is no connection ${id}`);
    return connection;
  };

  const deliver = (id: number) => {
    const connection = connectionAt(id);
    while (connection.unread.length > 0 && !connection.paused && !connection.isAway) {
      const next = connection.unread.shift();
      if (next === undefined || !edge.connections.has(id as ConnectionId)) continue;
      if (next === null) {
        step({ type: "connection_ended", connection: id as ConnectionId });
      } else {
        const bytes = Uint8Array.from(Buffer.from(next, "latin1"));
        step({ type: "connection_bytes", connection: id as ConnectionId, bytes });
      }
    }
  };

  const run = {
    edge,
    facts,
    faults,
    step,
    connection: connectionAt,
    /** All that was written on it, in order. */
    written: (id = 1) => connectionAt(id).writes.join(""),
    /** The status lines among it. */
    statuses: (id = 1) =>
      Array.from(run.written(id).matchAll(/HTTP\/1\.1 (\d{3})/g), ([, status]) => Number(status)),
    accept(): number {
      connections.push({
        unread: [],
        writes: [],
        unflushedBytes: 0,
        paused: false,
        ended: false,
        destroyed: null,
        handed: null,
        isAway: false,
      });
      step({
        type: "connection_accepted",
        connection: connections.length as ConnectionId,
        peer: "192.0.2.1",
      });
      return connections.length;
    },
    /** A visitor who sends this. */
    visit(text: string): number {
      const id = run.accept();
      run.bytes(id, text);
      return id;
    },
    bytes(id: number, text: string) {
      connectionAt(id).unread.push(text);
      deliver(id);
    },
    /** So much has left for the kernel; without a number, all. */
    flushed(id = 1, bytes = connectionAt(id).unflushedBytes) {
      connectionAt(id).unflushedBytes -= bytes;
      step({ type: "connection_flushed", connection: id as ConnectionId, bytes });
      deliver(id);
    },
    ended(id = 1) {
      connectionAt(id).unread.push(null);
      deliver(id);
    },
    closed(id = 1, cause: ConnectionFault | null = null) {
      connectionAt(id).unread.length = 0;
      step({ type: "connection_closed", connection: id as ConnectionId, cause });
    },
    returned(id = 1) {
      connectionAt(id).isAway = false;
      step({ type: "connection_returned", connection: id as ConnectionId });
      deliver(id);
    },
    closeListener: () => order({ type: "listener_close" }),
    /** A whole response. */
    respond(exchange: number, { status = 200, headers, body = ["ok"], close = false }: Answer = {}) {
      const parts = body.map((part) => Buffer.from(part, "latin1"));
      const length = parts.reduce((sum, part) => sum + part.length, 0);
      order({
        type: "respond",
        exchange: exchange as ExchangeId,
        status,
        headers: headers ?? ["content-length", String(length)],
        body: parts,
        close,
      });
    },
    /** A whole response that leaves at once. */
    answer(exchange: number, answer: Answer = {}) {
      const connection = edge.turns.get(exchange as ExchangeId)?.connection.id;
      run.respond(exchange, answer);
      if (connection !== undefined) run.flushed(connection);
    },
    head: (exchange: number, headers: readonly string[] = [], status = 200) =>
      order({ type: "respond_head", exchange: exchange as ExchangeId, status, headers, coding: null }),
    body: (exchange: number, text: string) =>
      order({
        type: "respond_body",
        exchange: exchange as ExchangeId,
        bytes: Uint8Array.from(Buffer.from(text, "latin1")),
      }),
    end: (exchange: number, trailers: readonly string[] = []) =>
      order({ type: "respond_end", exchange: exchange as ExchangeId, trailers }),
    cut: (exchange: number) => order({ type: "respond_cut", exchange: exchange as ExchangeId }),
    interim: (exchange: number, status = 103, headers: readonly string[] = []) =>
      order({ type: "respond_interim", exchange: exchange as ExchangeId, status, headers }),
    upgrade: (exchange: number, headers: readonly string[] = ["Upgrade", "websocket"]) =>
      order({ type: "respond_upgrade", exchange: exchange as ExchangeId, headers }),
    read: (exchange: number) => order({ type: "exchange_read", exchange: exchange as ExchangeId }),
    pause: (exchange: number, paused = true) =>
      order({ type: "exchange_pause", exchange: exchange as ExchangeId, paused }),
    /** Time passes, and what falls due by then happens. */
    wait(ms: number) {
      const untilMs = nowMs + ms;
      for (let at = edgeDeadlineMs(edge); at <= untilMs; at = edgeDeadlineMs(edge)) {
        nowMs = Math.max(nowMs, at);
        step({ type: "tick" });
      }
      nowMs = untilMs;
    },
    opened: () => facts.filter((fact) => fact.type === "exchange_opened"),
    of: (exchange: number) => facts.filter((fact) => "exchange" in fact && fact.exchange === exchange),
    /** What the server was told of an exchange, by type, its beginning left out. */
    told: (exchange: number) =>
      run.of(exchange).flatMap(({ type }) => (type === "exchange_opened" ? [] : [type])),
    /** What came of a request's body. */
    received: (exchange: number) =>
      run
        .of(exchange)
        .map((fact) => (fact.type === "exchange_body" ? Buffer.from(fact.bytes).toString("latin1") : ""))
        .join(""),
    flushedBytes: (exchange: number) =>
      run.of(exchange).reduce((sum, fact) => sum + (fact.type === "exchange_flushed" ? fact.bytes : 0), 0),
    /** How the exchange ended; null while it lasts. */
    outcome: (exchange: number) =>
      run.of(exchange).flatMap((fact) => (fact.type === "exchange_closed" ? [fact.complete] : []))[0] ?? null,
  };
  return run;
}

function obeyer(connections: readonly TestConnection[], facts: EdgeFact[], faults: string[]) {
  const over = new Set<ExchangeId>();
  return (effect: EdgeEffect) => {
    if (effect.type === "connection_fault") return void faults.push(effect.fault);
    if (effect.type === "visitors_gone") return void facts.push(effect);
    if ("exchange" in effect) {
      if (over.has(effect.exchange)) throw new Error(`${effect.type} follows the last fact of its exchange`);
      if (effect.type === "exchange_closed") over.add(effect.exchange);
      return void facts.push(effect);
    }
    const connection = connections[effect.connection - 1];
    if (connection === undefined || connection.destroyed !== null) {
      throw new Error(`${effect.type} for a connection that is gone`);
    }
    switch (effect.type) {
      case "connection_write": {
        if (connection.ended) throw new Error("a write follows the end of our side");
        const text = effect.parts
          .map((part) => Buffer.from(part as string, "latin1").toString("latin1"))
          .join("");
        connection.writes.push(text);
        connection.unflushedBytes += text.length;
        return;
      }
      case "connection_pause":
        if (connection.paused === effect.paused) throw new Error("a pause says what is so already");
        connection.paused = effect.paused;
        return;
      case "connection_end":
        if (connection.ended) throw new Error("our side is ended twice");
        connection.ended = true;
        return;
      case "connection_probe":
        return;
      case "connection_close":
      case "connection_reset":
        connection.destroyed = effect.type === "connection_close" ? "close" : "reset";
        return;
      case "connection_hand_over": {
        const { target, headers, rest } = effect;
        // Its new owner reads it, and whoever brings it back.
        connection.paused = false;
        connection.isAway = true;
        connection.handed = { target, headers, rest: Buffer.from(rest).toString("latin1") };
        if (rest.length > 0) connection.unread.unshift(connection.handed.rest);
        return;
      }
    }
  };
}
