/**
 * The connections of one agent's process to its home, written down from outside: whose request each has, since when it has
 * none, and what its origin said of it. It follows the contract of the events and effects of the origins alone.
 */
import type { ConnectionId, ExchangeId } from "../../core/ids.ts";
import type { OriginsEffect, OriginsEvent } from "../../core/origins/origins.ts";
import { headerOf } from "../tools/headers.ts";

export type OriginConnection = {
  readonly id: ConnectionId;
  readonly origin: number;
  /** Whose request is on it. */
  exchange: ExchangeId | null;
  requests: number;
  /** Since when it is kept for another request; null while it is not. */
  idleSinceMs: number | null;
  /** When it was last told to be read again. */
  resumedMs: number;
  /** For how long its origin keeps it, as its latest answer says; null where that says nothing. */
  announcedMs: number | null;
  /** Our side is ended: it is over when the other is. */
  ending: boolean;
};

export class OriginLedger {
  readonly connections = new Map<ConnectionId, OriginConnection>();
  /** When each origin last said what nobody had asked, by its number. */
  readonly unaskedMs = new Map<number, number>();
  /** In the last step a request went on this connection, which had been idle for so long; null where none did. */
  reused: { readonly connection: OriginConnection; readonly idleMs: number } | null = null;
  /** Protocols that were switched in the last step although nobody had asked for it. */
  readonly switched: ExchangeId[] = [];
  readonly #connectionOf = new Map<ExchangeId, OriginConnection>();
  readonly #upgrades = new Set<ExchangeId>();
  #nowMs = 0;

  take(
    nowMs: number,
    event: OriginsEvent,
    effects: readonly (OriginsEffect | undefined)[],
    count: number,
  ): void {
    this.#nowMs = nowMs;
    this.reused = null;
    this.switched.length = 0;
    if (event.type === "origin_request" && event.upgrade) this.#upgrades.add(event.exchange);
    if (event.type === "origin_abort") this.#forget(event.exchange);
    if (event.type === "connection_bytes") this.#heard(event.connection);
    const begins = this.#whoMayBegin(event);
    for (let index = 0; index < count; index++) {
      const effect = effects[index];
      if (effect !== undefined) this.#follows(effect, begins);
    }
    if (event.type === "connection_closed") this.connections.delete(event.connection);
  }

  /** Who writes first on a connection: the request that is made, or one whose other connection turned out to be none. */
  #whoMayBegin(event: OriginsEvent): ExchangeId | null {
    if (event.type === "origin_request") return event.exchange;
    return "connection" in event ? (this.connections.get(event.connection)?.exchange ?? null) : null;
  }

  #heard(id: ConnectionId): void {
    const connection = this.connections.get(id);
    if (connection !== undefined && connection.idleSinceMs !== null)
      this.unaskedMs.set(connection.origin, this.#nowMs);
  }

  #follows(effect: OriginsEffect, begins: ExchangeId | null): void {
    switch (effect.type) {
      case "connection_open":
        this.connections.set(effect.connection, newConnection(effect.connection, effect.origin));
        break;
      case "connection_write": {
        const connection = this.connections.get(effect.connection);
        if (connection?.exchange === null && begins !== null) this.#begin(connection, begins);
        break;
      }
      case "connection_pause": {
        const connection = this.connections.get(effect.connection);
        if (connection !== undefined && !effect.paused) connection.resumedMs = this.#nowMs;
        break;
      }
      case "connection_end": {
        const connection = this.connections.get(effect.connection);
        if (connection === undefined) break;
        connection.ending = true;
        connection.idleSinceMs = null;
        break;
      }
      case "connection_close":
      case "connection_reset":
        this.connections.delete(effect.connection);
        break;
      case "origin_head": {
        if (effect.status === 101 && !this.#upgrades.has(effect.exchange))
          this.switched.push(effect.exchange);
        const connection = this.#connectionOf.get(effect.exchange);
        if (connection !== undefined) connection.announcedMs = announcedIn(effect.headers);
        break;
      }
      case "origin_ended":
      case "origin_failed":
        this.#end(effect.exchange);
        break;
      default:
    }
  }

  #begin(connection: OriginConnection, exchange: ExchangeId): void {
    const { idleSinceMs } = connection;
    if (idleSinceMs !== null) this.reused = { connection, idleMs: this.#nowMs - idleSinceMs };
    connection.exchange = exchange;
    connection.idleSinceMs = null;
    connection.requests++;
    this.#connectionOf.set(exchange, connection);
  }

  #end(exchange: ExchangeId): void {
    const connection = this.#connectionOf.get(exchange);
    this.#forget(exchange);
    if (connection === undefined) return;
    connection.exchange = null;
    if (!connection.ending) connection.idleSinceMs = this.#nowMs;
  }

  #forget(exchange: ExchangeId): void {
    this.#connectionOf.delete(exchange);
    this.#upgrades.delete(exchange);
  }
}

function newConnection(id: ConnectionId, origin: number): OriginConnection {
  return {
    id,
    origin,
    exchange: null,
    requests: 0,
    idleSinceMs: null,
    resumedMs: Number.NEGATIVE_INFINITY,
    announcedMs: null,
    ending: false,
  };
}

function announcedIn(headers: readonly string[]): number | null {
  const seconds = /^timeout=(\d+)/.exec(headerOf(headers, "keep-alive") ?? "")?.[1];
  return seconds === undefined ? null : Number(seconds) * 1_000;
}
