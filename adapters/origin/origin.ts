/**
 * The agent's HTTP client towards the home's services: those that were given at the start, and nothing else is ever
 * reached.
 *
 * It speaks HTTP/1.1 itself. `node:http` takes a third more CPU of the agent for a small request, which is what the tunnel
 * is slower by than one proxy in its place; undici does not, but fails a response that begins with an unexpected
 * `100 Continue`, which RFC 9110 section 15.2 obliges a client to accept, and sends no trailers.
 */
import { assert } from "../../core/assert.ts";
import type { AgentEffect } from "../../core/effects.ts";
import { IdTable } from "../../core/id-table.ts";
import type { ExchangeId } from "../../core/ids.ts";
import { endpointOf } from "../socket/endpoint.ts";
import { freeWholeBuffer } from "../socket/whole-buffers.ts";
import { Call, type OriginEvent, type OriginService } from "./call.ts";
import { createConnector, type OriginConnectorOptions } from "./connector.ts";
import { OriginPool } from "./pool.ts";
import type { OriginRequest } from "./request.ts";

export type { OriginEvent } from "./call.ts";
export type OriginEffect = Extract<AgentEffect, { readonly type: `origin_${string}` }>;
export type OriginOptions = OriginConnectorOptions & {
  /**
   * As `origin_request` counts them. `http:` or `https:`; a path, if any, goes before every target. Credentials, query
   * and fragment have no place.
   */
  readonly urls: readonly URL[];
  readonly dispatch: (event: OriginEvent) => void;
};

/**
 * Each `origin_request` is answered by exactly one `origin_ended` or `origin_failed`, its last event; an `origin_abort` is
 * answered by `origin_failed` at once. Orders for an exchange that is over are ignored: its last event is on the way. A
 * request that HTTP cannot carry fails as `malformed`.
 */
export class Origin {
  readonly #calls = new IdTable<ExchangeId, Call>();
  readonly #dispatch: (event: OriginEvent) => void;
  readonly #services: readonly OriginService[];
  readonly #onOver = (exchange: ExchangeId): void => void this.#calls.delete(exchange);

  constructor(options: OriginOptions) {
    this.#dispatch = options.dispatch;
    this.#services = options.urls.map((url) => {
      const { protocol } = url;
      assert(protocol === "http:" || protocol === "https:", "an origin's URL is neither http: nor https:");
      const endpoint = endpointOf(url);
      return { endpoint, pool: new OriginPool(createConnector(endpoint, options)) };
    });
  }

  perform(effect: OriginEffect): void {
    if (effect.type === "origin_request") return this.#begin(effect);
    if (effect.type === "origin_release") return freeWholeBuffer(effect.bytes);
    const call = this.#calls.get(effect.exchange);
    if (call === undefined) return;
    switch (effect.type) {
      case "origin_send":
        call.send(effect.bytes);
        break;
      case "origin_send_end":
        call.endBody(effect.trailers);
        break;
      case "origin_pause":
        call.pause(effect.paused);
        break;
      case "origin_abort":
        call.abort();
        break;
    }
  }

  /** Cuts every connection; the requests that still run fail. */
  close(): void {
    for (const call of [...this.#calls.values()]) call.abort();
    for (const { pool } of this.#services) pool.destroy();
  }

  #begin(order: OriginRequest): void {
    const service = this.#services[order.origin];
    assert(service !== undefined, "a request goes to an origin that is not configured");
    assert(!order.upgrade || order.body === null, "a request for an upgrade has a body");
    const call = new Call({ order, service, dispatch: this.#dispatch, onOver: this.#onOver });
    this.#calls.set(order.exchange, call);
    call.begin();
  }
}
