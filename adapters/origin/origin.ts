/**
 * The agent's HTTP client towards the home's services: those that were given at the start, and nothing else is ever
 * reached. Sockets that the machine of the origins speaks HTTP over (`core/origins/`).
 *
 * It speaks HTTP/1.1 itself. `node:http` takes a third more CPU of the agent for a small request, which is what the tunnel
 * is slower by than one proxy in its place; undici does not, but fails a response that begins with an unexpected
 * `100 Continue`, which RFC 9110 section 15.2 obliges a client to accept, and sends no trailers.
 */
import type { Socket } from "node:net";
import { assert, unreachable } from "../../core/assert.ts";
import type { OriginEffect } from "../../core/effects.ts";
import type { OriginEvent } from "../../core/events.ts";
import type { ConnectionEvent } from "../../core/http1/events.ts";
import { IdSet, IdTable } from "../../core/id-table.ts";
import type { ConnectionId, ExchangeId } from "../../core/ids.ts";
import type { ClientLimits } from "../../core/origins/client.ts";
import {
  createOrigins,
  type OriginFact,
  type Origins,
  type OriginsEffect,
  type OriginsEvent,
  originsDeadlineMs,
  stepOrigins,
} from "../../core/origins/origins.ts";
import { monotonicNowMs } from "../clock.ts";
import { Driver } from "../driver.ts";
import { endpointOf } from "../socket/endpoint.ts";
import { freeWholeBuffer, noteOnlyView } from "../socket/whole-buffers.ts";
import { OriginConnection } from "./connection.ts";
import { createConnector, type OriginConnectorOptions } from "./connector.ts";

export type { OriginEffect, OriginEvent };
export type OriginOptions = OriginConnectorOptions & {
  /**
   * As `origin_request` counts them. `http:` or `https:`, whose path, if any, goes before every target; or `unix:`.
   * Credentials, query and fragment have no place.
   */
  readonly urls: readonly URL[];
  readonly limits: ClientLimits;
  /** As of the machine. */
  readonly toPeers?: boolean;
  readonly dispatch: (event: OriginEvent) => void;
  /** Told of a bug. Without it, it is thrown at whoever comes upon it. */
  readonly onFatal?: (error: unknown) => void;
};

const SCHEMES: ReadonlySet<string> = new Set(["http:", "https:", "unix:"]);

/**
 * Each `origin_request` is answered by exactly one `origin_ended` or `origin_failed`, its last event; an `origin_abort` is
 * answered by `origin_failed` at once. Orders for an exchange that is over are ignored: its last event is on the way. A
 * request that HTTP cannot carry fails as `malformed`.
 */
export class Origin {
  readonly #dispatch: (event: OriginEvent) => void;
  readonly #driver: Driver<Origins, OriginsEvent, OriginsEffect>;
  readonly #options: OriginOptions;
  /** One for each origin that was ever configured: a request of before may need another connection. */
  readonly #connectors: (() => Socket)[] = [];
  readonly #connections = new IdTable<ConnectionId, OriginConnection>();
  /** Exchanges whose last event was not told. */
  readonly #running = new IdSet<ExchangeId>();

  constructor(options: OriginOptions) {
    const { urls, limits, dispatch, onFatal } = options;
    this.#options = options;
    this.#dispatch = dispatch;
    this.#driver = new Driver<Origins, OriginsEvent, OriginsEffect>({
      state: createOrigins({
        limits,
        basePaths: this.#connectTo(urls),
        toPeers: options.toPeers ?? false,
      }),
      step: stepOrigins,
      deadlineMs: originsDeadlineMs,
      perform: (effect) => this.#perform(effect),
      nowMs: monotonicNowMs,
      onFatal: (error) => {
        for (const connection of this.#connections.values()) connection.destroy();
        if (onFatal === undefined) throw error;
        onFatal(error);
      },
    });
  }

  perform(effect: OriginEffect): void {
    if (effect.type === "origin_release") return freeWholeBuffer(effect.bytes);
    if (effect.type === "origin_request") this.#running.add(effect.exchange);
    this.#driver.dispatch(effect);
    if (effect.type === "origin_abort" && this.#running.delete(effect.exchange)) {
      this.#dispatch({ type: "origin_failed", exchange: effect.exchange, fault: "broken" });
    }
  }

  /** From now on `origin_request` counts these. What runs goes on as it was. */
  change(urls: readonly URL[]): void {
    this.#driver.dispatch({ type: "origins_changed", basePaths: this.#connectTo(urls) });
  }

  /** From now on `origin_request` means this one by that number, which may be the next one. */
  set(number: number, url: URL): void {
    const [basePath = ""] = this.#connectTo([url]);
    this.#driver.dispatch({ type: "origin_changed", origin: number, basePath });
  }

  /** Gives what goes before the targets of each. */
  #connectTo(urls: readonly URL[]): readonly string[] {
    for (const { protocol } of urls) {
      assert(SCHEMES.has(protocol), "an origin's URL is neither http: nor https: nor unix:");
    }
    const endpoints = urls.map(endpointOf);
    this.#connectors.push(...endpoints.map((endpoint) => createConnector(endpoint, this.#options)));
    return endpoints.map(({ basePath }) => basePath);
  }

  /** Cuts every connection; the requests that still run fail. */
  close(): void {
    this.#driver.dispatch({ type: "origins_close" });
  }

  #perform(effect: OriginsEffect): void {
    switch (effect.type) {
      case "connection_open":
        return this.#connect(effect.connection, effect.origin);
      case "connection_write":
        return this.#connections.get(effect.connection)?.write(effect.parts);
      case "connection_end":
        return this.#connections.get(effect.connection)?.end();
      case "connection_pause":
        return this.#connections.get(effect.connection)?.pause(effect.paused);
      case "connection_close":
        return this.#connections.get(effect.connection)?.destroy();
      case "connection_reset":
        return this.#connections.get(effect.connection)?.reset();
      case "origin_interim":
      case "origin_flushed":
      case "origin_head":
      case "origin_body":
      case "origin_ended":
      case "origin_failed":
        return this.#pass(effect);
      default:
        unreachable(effect);
    }
  }

  #connect(id: ConnectionId, origin: number): void {
    const connect = this.#connectors[origin];
    assert(connect !== undefined, "a connection is made to an origin that is not configured");
    this.#connections.set(id, new OriginConnection(id, connect(), this.#tell));
  }

  readonly #tell = (event: ConnectionEvent): void => {
    if (event.type === "connection_closed") this.#connections.delete(event.connection);
    this.#driver.dispatch(event);
  };

  #pass(fact: OriginFact): void {
    const { exchange } = fact;
    // It was aborted while this fact, of the same step as the one before, was still to be passed on.
    if (!this.#running.has(exchange)) return;
    if (fact.type === "origin_body" && fact.only) noteOnlyView(fact.bytes);
    if (fact.type === "origin_ended" || fact.type === "origin_failed") this.#running.delete(exchange);
    this.#dispatch(fact);
  }
}
