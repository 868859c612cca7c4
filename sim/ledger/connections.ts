/**
 * The visitors' connections of one server process, written down from outside: whose exchanges are open on each, in the order
 * of their requests, and how far its end is. It follows the contract of the edge's events and effects alone.
 */
import type { EdgeEffect, EdgeEvent } from "../../core/edge/events.ts";
import type { ConnectionId, ExchangeId } from "../../core/ids.ts";
import { headerOf } from "../tools/headers.ts";

/** An exchange that is open on a connection. */
export type OpenExchange = {
  readonly id: ExchangeId;
  readonly upgrade: boolean;
  /** Whether all of its request has come. */
  requestDone: boolean;
  /** Whether its answer was ordered, or has begun. */
  answered: boolean;
};

export class LedgerConnection {
  readonly id: ConnectionId;
  /** In the order of their requests. */
  readonly open: OpenExchange[] = [];
  /** A request or a response said that no other follows on the connection. */
  lastSaid = false;
  /** It was a response. */
  lastAnswered = false;
  /** Our side was ended, or all of it destroyed. */
  ended = false;
  /** When the visitor ended his side; null while he did not. */
  leftMs: number | null = null;
  /** It is a handshake's, or another protocol's. */
  upgraded = false;
  paused = false;
  /** When it was first told not to be read. */
  pausedMs = Number.POSITIVE_INFINITY;

  constructor(id: ConnectionId) {
    this.id = id;
  }
}

export class ConnectionLedger {
  readonly connections = new Map<ConnectionId, LedgerConnection>();
  readonly #connectionOf = new Map<ExchangeId, LedgerConnection>();
  /** Whether no connection takes another request, for the process drains: what comes is read, and dropped. */
  closing = false;
  #nowMs = 0;
  /** What the last step was about; null where that is none, or not there. */
  about: LedgerConnection | null = null;
  /** Exchanges that were open before the one that the last step's event is an order for. */
  ahead = 0;
  /** What went out in the last step although its turn had not come. */
  readonly outOfTurn: string[] = [];
  /** What was ordered in the last step of connections that are over. */
  readonly afterEnd: string[] = [];
  /** What was taken or answered in the last step behind the last request, or the last answer. */
  readonly afterLast: string[] = [];

  take(nowMs: number, event: EdgeEvent, effects: readonly (EdgeEffect | undefined)[], count: number): void {
    this.#begin(nowMs, event);
    for (let index = 0; index < count; index++) {
      const effect = effects[index];
      if (effect !== undefined) this.#ordered(effect);
    }
    if (event.type === "connection_closed") this.connections.delete(event.connection);
  }

  #begin(nowMs: number, event: EdgeEvent): void {
    this.#nowMs = nowMs;
    this.closing ||= event.type === "listener_close";
    this.about = null;
    this.ahead = 0;
    this.outOfTurn.length = 0;
    this.afterEnd.length = 0;
    this.afterLast.length = 0;
    if ("connection" in event) {
      if (event.type === "connection_accepted")
        this.connections.set(event.connection, new LedgerConnection(event.connection));
      this.about = this.connections.get(event.connection) ?? null;
      if (event.type === "connection_ended" && this.about !== null) this.about.leftMs = nowMs;
    } else if ("exchange" in event) {
      this.about = this.#connectionOf.get(event.exchange) ?? null;
      this.ahead = this.about?.open.findIndex(({ id }) => id === event.exchange) ?? 0;
      const exchange = this.about?.open[this.ahead];
      if (exchange !== undefined && ANSWERS.has(event.type)) exchange.answered = true;
      // The connection ends behind what was answered until there: nothing that comes is kept.
      if (event.type === "respond_cut" && this.about !== null) this.about.lastSaid = true;
    }
  }

  #ordered(effect: EdgeEffect): void {
    switch (effect.type) {
      case "exchange_opened":
        this.#opened(effect);
        break;
      case "exchange_body_ended": {
        const exchange = this.#connectionOf
          .get(effect.exchange)
          ?.open.find(({ id }) => id === effect.exchange);
        if (exchange !== undefined) exchange.requestDone = true;
        break;
      }
      case "exchange_closed": {
        const open = this.#connectionOf.get(effect.exchange)?.open ?? [];
        const place = open.findIndex(({ id }) => id === effect.exchange);
        if (place !== -1) open.splice(place, 1);
        this.#connectionOf.delete(effect.exchange);
        break;
      }
      case "connection_write":
      case "connection_end":
      case "connection_close":
      case "connection_reset":
      case "connection_pause":
      case "connection_hand_over":
        this.#orderedOf(effect);
        break;
      default:
    }
  }

  #opened({
    exchange,
    connection,
    upgrade,
    hasBody,
    headers,
  }: Extract<EdgeEffect, { readonly type: "exchange_opened" }>): void {
    const on = this.connections.get(connection);
    if (on === undefined) return;
    if (on.lastSaid) this.afterLast.push(`exchange ${exchange} is taken`);
    on.lastSaid ||= headerOf(headers, "connection")?.toLowerCase() === "close";
    on.upgraded ||= upgrade;
    on.open.push({ id: exchange, upgrade, requestDone: !hasBody, answered: false });
    this.#connectionOf.set(exchange, on);
  }

  #orderedOf(
    effect: Extract<
      EdgeEffect,
      {
        readonly type: `connection_${"write" | "end" | "close" | "reset" | "pause" | "hand_over"}`;
      }
    >,
  ): void {
    const connection = this.connections.get(effect.connection);
    if (effect.type === "connection_write" && (connection === undefined || connection.ended))
      this.afterEnd.push(`${effect.type} for connection ${effect.connection}`);
    if (connection === undefined) return;
    if (effect.type !== "connection_pause" && connection === this.about && this.ahead > 0)
      this.outOfTurn.push(`${effect.type} for connection ${effect.connection}`);
    switch (effect.type) {
      case "connection_write":
        this.#written(connection, effect.parts[0]);
        break;
      case "connection_pause":
        connection.paused = effect.paused;
        if (effect.paused) connection.pausedMs = Math.min(connection.pausedMs, this.#nowMs);
        break;
      case "connection_hand_over":
        connection.upgraded = true;
        break;
      default:
        connection.ended = true;
    }
  }

  #written(connection: LedgerConnection, part: string | Uint8Array | undefined): void {
    // What a head begins with may have gone out before.
    if (typeof part !== "string" || !part.endsWith("\r\n\r\n") || part.startsWith(LAST_CHUNK)) return;
    if (connection.lastAnswered) this.afterLast.push("another answer goes out");
    connection.lastAnswered ||= CLOSE.test(part);
    connection.lastSaid ||= connection.lastAnswered;
  }
}

const LAST_CHUNK = "0\r\n";
const ANSWERS: ReadonlySet<string> = new Set([
  "respond",
  "respond_head",
  "respond_upgrade",
  "respond_cut",
] satisfies EdgeEvent["type"][]);
const CLOSE = /\r\nconnection: close\r\n/i;
