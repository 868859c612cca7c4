/**
 * The agent's HTTP client towards the home's services: those that were given at the start, and nothing else is ever
 * reached.
 *
 * It is `node:http` although undici takes a third less CPU for small requests and a sixth less for downloads: undici
 * fails a response that begins with an unexpected `100 Continue`, which RFC 9110 section 15.2 obliges a client to accept.
 */
import type { ClientRequest, IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { assert } from "../core/assert.ts";
import type { AgentEffect } from "../core/effects.ts";
import type { AgentEvent, OriginFault } from "../core/events.ts";
import type { HeaderList } from "../core/http/headers.ts";
import { IdTable } from "../core/id-table.ts";
import type { ExchangeId } from "../core/ids.ts";
import { endpointOf } from "./endpoint.ts";
import {
  Call,
  composeRequest,
  isStaleConnection,
  type OriginRequest,
  type OriginService,
} from "./origin-call.ts";
import { createConnector, faultOf, isPeerGone, type OriginConnectionOptions } from "./origin-connection.ts";
import { OriginPool } from "./origin-pool.ts";
import { UpgradedConnection } from "./origin-upgrade.ts";
import { countReceived } from "./received-bytes.ts";
import { freeWholeBuffer, noteWholeBuffer } from "./whole-buffers.ts";

export type OriginEvent = Extract<AgentEvent, { readonly type: `origin_${string}` }>;
export type OriginEffect = Extract<AgentEffect, { readonly type: `origin_${string}` }>;
export type OriginOptions = OriginConnectionOptions & {
  /**
   * As `origin_request` counts them. `http:` or `https:`; a path, if any, goes before every target. Credentials, query
   * and fragment have no place.
   */
  readonly urls: readonly URL[];
  readonly dispatch: (event: OriginEvent) => void;
};

/**
 * Each `origin_request` is answered by exactly one `origin_ended` or `origin_failed`, its last event; an `origin_abort` is
 * answered by `origin_failed` at once. Orders for an exchange that is over are ignored: its last event is on the way.
 *
 * The headers of a request go out as they are, in order; `Connection` and the framing of the body follow them, unless it
 * is an upgrade. Where the method is not in upper case, fields of one name move together and take its first spelling. A
 * request that HTTP cannot carry, such as one with a line break in a header, fails as `malformed`.
 */
export class Origin {
  readonly #calls = new IdTable<ExchangeId, Call>();
  readonly #dispatch: (event: OriginEvent) => void;
  readonly #services: readonly OriginService[];

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
        this.#write(call, effect.bytes);
        break;
      case "origin_send_end":
        this.#endBody(call, effect.trailers);
        break;
      case "origin_pause":
        // While paused, no more is read from the origin than fits the stream's and the kernel's buffers.
        call.paused = effect.paused;
        call.upgraded?.pause(effect.paused);
        if (effect.paused) call.response?.pause();
        else call.response?.resume();
        break;
      case "origin_abort":
        this.#giveUp(call, "broken");
        break;
    }
  }

  /** Cuts every connection; the requests that still run fail. */
  close(): void {
    // First, because a request whose kept connection is cut would be taken for one that met its end, and repeated.
    for (const call of this.#calls.values()) this.#giveUp(call, "broken");
    for (const { pool } of this.#services) pool.destroy();
  }

  #begin(order: OriginRequest): void {
    const service = this.#services[order.origin];
    assert(service !== undefined, "a request goes to an origin that is not configured");
    assert(!order.upgrade || order.body === null, "a request for an upgrade has a body");
    const call = new Call(order, service);
    this.#calls.set(call.exchange, call);
    this.#send(call);
  }

  #send(call: Call): void {
    let request: ClientRequest;
    try {
      request = composeRequest(call);
    } catch {
      this.#fail(call, "malformed");
      return;
    }
    call.request = request;
    // The size of the head is the limit; by default Node drops every field beyond a number of them, silently.
    request.maxHeadersCount = 0;
    request.on("information", ({ statusCode, rawHeaders }) => this.#onInterim(call, statusCode, rawHeaders));
    request.on("response", (response) => this.#onResponse(call, response));
    if (call.upgrade) {
      request.on("upgrade", (response, stream, early) => this.#onUpgrade(call, response, stream, early));
    }
    request.on("error", (error) => this.#onError(call, request, error));
    // Without an error before it where the origin switched protocols that nobody asked it to switch.
    request.on("close", () => this.#onClose(call, request));
    const { body } = call;
    if (body === "streamed") {
      request.flushHeaders();
    } else if (body === null) {
      request.end();
    } else {
      const { length } = body;
      request.on("finish", () => this.#onFlushed(call, length));
      request.end(body);
    }
  }

  #write(call: Call, bytes: Uint8Array): void {
    const { request } = call;
    if (call.upgraded !== null) call.upgraded.write(bytes);
    // What follows an upgrade that was refused goes nowhere.
    if (call.body !== "streamed" || request === null) return;
    if (call.bytesLeft !== null) {
      call.bytesLeft -= bytes.length;
      if (call.bytesLeft < 0) {
        // On a connection that is kept, the origin would take the rest for another request.
        this.#giveUp(call, "malformed");
        return;
      }
    }
    const { length } = bytes;
    request.write(bytes, (error) => {
      if (!error) this.#onFlushed(call, length);
    });
  }

  #endBody(call: Call, trailers: HeaderList): void {
    call.upgraded?.end();
    if (call.body !== "streamed") return;
    // Trailers need chunks to follow (RFC 9112 section 7.1.2); a declared length leaves no place for them.
    if (call.bytesLeft === null) {
      try {
        call.request?.addTrailers(pairsOf(trailers));
      } catch {
        this.#giveUp(call, "malformed");
        return;
      }
    } else if (call.bytesLeft > 0) {
      this.#giveUp(call, "malformed");
      return;
    }
    call.request?.end();
  }

  #onFlushed({ exchange, isOver }: Call, bytes: number): void {
    if (!isOver) this.#dispatch({ type: "origin_flushed", exchange, bytes });
  }

  #onInterim(call: Call, status: number, headers: HeaderList): void {
    const { exchange } = call;
    call.answered = true;
    if (!call.isOver) this.#dispatch({ type: "origin_interim", exchange, status, headers });
  }

  #onResponse(call: Call, response: IncomingMessage): void {
    const { exchange, method } = call;
    call.answered = true;
    call.response = response;
    call.service.pool.noteHead(response);
    if (call.body !== "streamed") call.body = null;
    // What breaks a response is reported by its close.
    response.on("error", ignore);
    const status = response.statusCode ?? 0;
    if (status === 101) {
      // Without the headers that make it a switch (RFC 9110 section 7.8): what follows is no HTTP.
      this.#giveUp(call, "malformed");
      return;
    }
    this.#dispatch({ type: "origin_head", exchange, status, headers: response.rawHeaders });
    if (call.isOver) return;
    // These have no body whatever their head says (RFC 9112 section 6.3). Should one be sent nevertheless, Node takes
    // it for a second response and drops the connection, after this exchange has ended well.
    if (method === "HEAD" || status === 204 || status === 304) {
      response.resume();
      this.#complete(call, []);
      return;
    }
    if (call.paused) response.pause();
    response.on("data", (bytes: Buffer) => {
      if (call.isOver) return;
      countReceived(bytes);
      noteWholeBuffer(bytes);
      this.#dispatch({ type: "origin_body", exchange, bytes });
    });
    response.on("end", () => {
      // By its documentation Node may end a response that was cut, though it makes that an error today.
      if (response.complete) this.#complete(call, response.rawTrailers);
    });
  }

  #onClose(call: Call, request: ClientRequest): void {
    // After another attempt has begun, or an upgrade whose connection tells its own end.
    if (call.request !== request || call.upgraded !== null) return;
    // A response that came whole may still wait to be taken, and ends then.
    if (call.response?.complete !== true) this.#fail(call, "broken");
  }

  #complete(call: Call, trailers: HeaderList): void {
    this.#finish(call, { type: "origin_ended", exchange: call.exchange, trailers });
    // The origin has answered without reading the whole request: what is left of it is of no use to anyone.
    if (call.request?.writableFinished === false) call.request.destroy();
  }

  #onUpgrade(call: Call, { rawHeaders }: IncomingMessage, stream: Duplex, early: Uint8Array): void {
    const { exchange } = call;
    const upgraded = new UpgradedConnection(stream, {
      onBytes: (bytes) => this.#dispatch({ type: "origin_body", exchange, bytes }),
      onFlushed: (bytes) => this.#onFlushed(call, bytes),
      onEnded: () => this.#finish(call, { type: "origin_ended", exchange, trailers: [] }),
      onBroken: () => this.#fail(call, "broken"),
    });
    call.upgraded = upgraded;
    if (call.isOver) {
      upgraded.destroy();
      return;
    }
    this.#dispatch({ type: "origin_head", exchange, status: 101, headers: rawHeaders });
    if (call.paused) upgraded.pause(true);
    upgraded.start(early);
  }

  #onError(call: Call, request: ClientRequest, error: Error): void {
    // The response may be whole by now and only wait to be taken; if it is not, its close follows.
    if (call.response !== null && isPeerGone(error)) return;
    if (isStaleConnection(call, request, error) && !call.isOver) this.#send(call);
    else this.#fail(call, faultOf(error, request));
  }

  #giveUp(call: Call, fault: OriginFault): void {
    call.upgraded?.destroy();
    call.request?.destroy();
    this.#fail(call, fault);
  }

  #fail(call: Call, fault: OriginFault): void {
    this.#finish(call, { type: "origin_failed", exchange: call.exchange, fault });
  }

  /** Whatever comes after the first terminal event of a call is an echo of it. */
  #finish(call: Call, event: OriginEvent): void {
    if (call.isOver) return;
    call.isOver = true;
    this.#calls.delete(call.exchange);
    this.#dispatch(event);
  }
}

function pairsOf(headers: HeaderList): [string, string][] {
  const pairs: [string, string][] = [];
  for (let at = 0; at + 1 < headers.length; at += 2) pairs.push([headers[at] ?? "", headers[at + 1] ?? ""]);
  return pairs;
}

function ignore(): void {}
