/**
 * The agent's HTTP client towards the home's services: those that were given at the start, and nothing else is ever
 * reached.
 *
 * It is `node:http` although undici takes a third less CPU for small requests and a sixth less for downloads: undici
 * fails a response that begins with an unexpected `100 Continue`, which RFC 9110 section 15.2 obliges a client to accept.
 */
import http, { type ClientRequest, type IncomingMessage } from "node:http";
import https from "node:https";
import type { Duplex } from "node:stream";
import { assert } from "../core/assert.ts";
import type { AgentEffect } from "../core/effects.ts";
import type { AgentEvent, OriginFault } from "../core/events.ts";
import type { HeaderList } from "../core/http/headers.ts";
import type { ExchangeId } from "../core/ids.ts";
import { type Endpoint, endpointOf } from "./endpoint.ts";
import {
  createOriginConnection,
  faultOf,
  isPeerGone,
  type OriginConnection,
  type OriginConnectionOptions,
} from "./origin-connection.ts";
import { UpgradedConnection } from "./origin-upgrade.ts";
import { freeWholeBuffer, noteWholeBuffer } from "./whole-buffers.ts";

export type OriginEvent = Extract<AgentEvent, { readonly type: `origin_${string}` }>;
export type OriginEffect = Extract<AgentEffect, { readonly type: `origin_${string}` }>;
type OriginRequest = Extract<OriginEffect, { readonly type: "origin_request" }>;

export type OriginOptions = OriginConnectionOptions & {
  /**
   * As `origin_request` counts them. `http:` or `https:`; a path, if any, goes before every target. Credentials, query
   * and fragment have no place.
   */
  readonly urls: readonly URL[];
  readonly dispatch: (event: OriginEvent) => void;
};

type Service = { readonly endpoint: Endpoint; readonly connection: OriginConnection };

/** One `origin_request` until its terminal event. */
type Call = Omit<OriginRequest, "type" | "origin" | "body"> & {
  readonly service: Service;
  /** Whole bodies are let go of when the answer comes, which may take hours to end. */
  body: OriginRequest["body"];
  /** Body bytes that a declared length still has room for. */
  bytesLeft: number | null;
  request: ClientRequest | null;
  /** Whether anything has come of the answer, so that the origin is known to have seen the request. */
  answered: boolean;
  /** Set when the final head has come. */
  response: IncomingMessage | null;
  /** Set when the origin has switched protocols, as it was asked to. */
  upgraded: UpgradedConnection | null;
  paused: boolean;
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
  readonly #calls = new Map<ExchangeId, Call>();
  readonly #dispatch: (event: OriginEvent) => void;
  readonly #services: readonly Service[];

  constructor(options: OriginOptions) {
    this.#dispatch = options.dispatch;
    this.#services = options.urls.map((url) => {
      const { protocol } = url;
      assert(protocol === "http:" || protocol === "https:", "an origin's URL is neither http: nor https:");
      const endpoint = endpointOf(url);
      return { endpoint, connection: createOriginConnection(endpoint, options) };
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
    for (const { connection } of this.#services) connection.agent.destroy();
    for (const call of this.#calls.values()) if (call.upgraded !== null) this.#giveUp(call, "broken");
  }

  #begin({ type: _, origin, ...order }: OriginRequest): void {
    const service = this.#services[origin];
    assert(service !== undefined, "a request goes to an origin that is not configured");
    assert(!order.upgrade || order.body === null, "a request for an upgrade has a body");
    const call: Call = {
      ...order,
      service,
      bytesLeft: order.bodyBytes,
      request: null,
      answered: false,
      response: null,
      upgraded: null,
      paused: false,
    };
    this.#calls.set(call.exchange, call);
    this.#send(call);
  }

  #send(call: Call): void {
    let request: ClientRequest;
    try {
      request = this.#compose(call);
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
    request.on("close", () => {
      if (call.request === request && call.response === null && call.upgraded === null) {
        this.#fail(call, "broken");
      }
    });
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

  #compose({ service, method, target, headers: given, body, bodyBytes, upgrade }: Call): ClientRequest {
    const { endpoint, connection } = service;
    // Behind the others: Node would otherwise rewrite a Content-Disposition that is not ASCII.
    const headers = [...given];
    if (body === "streamed" && bodyBytes === null) headers.push("Transfer-Encoding", "chunked");
    else if (body === "streamed") headers.push("Content-Length", String(bodyBytes));
    else if (body !== null) headers.push("Content-Length", String(body.length));
    else if (!upgrade && !BODILESS_METHODS.has(method)) headers.push("Content-Length", "0");
    const open = endpoint.secure ? https.request : http.request;
    const path = target === "*" ? target : endpoint.basePath + target;
    const options = { ...connection, method, path };
    if (method === method.toUpperCase()) return open({ ...options, headers });
    // Node writes the method in upper case into a head that it is given as a list, and methods are case-sensitive
    // (RFC 9110 section 9.1). A head made of single headers is written later, with the method that stands here.
    const request = open(options);
    request.method = method;
    for (let at = 0; at < headers.length; at += 2)
      request.appendHeader(headers[at] ?? "", headers[at + 1] ?? "");
    return request;
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

  #onFlushed({ exchange }: Call, bytes: number): void {
    if (this.#calls.has(exchange)) this.#dispatch({ type: "origin_flushed", exchange, bytes });
  }

  #onInterim(call: Call, status: number, headers: HeaderList): void {
    const { exchange } = call;
    call.answered = true;
    if (this.#calls.has(exchange)) this.#dispatch({ type: "origin_interim", exchange, status, headers });
  }

  #onResponse(call: Call, response: IncomingMessage): void {
    const { exchange, method } = call;
    call.answered = true;
    call.response = response;
    if (call.body !== "streamed") call.body = null;
    // What breaks a response is reported by its close.
    response.on("error", () => {});
    const status = response.statusCode ?? 0;
    if (status === 101) {
      // Without the headers that make it a switch (RFC 9110 section 7.8): what follows is no HTTP.
      this.#giveUp(call, "malformed");
      return;
    }
    this.#dispatch({ type: "origin_head", exchange, status, headers: response.rawHeaders });
    if (!this.#calls.has(exchange)) return;
    // These have no body whatever their head says (RFC 9112 section 6.3). Should one be sent nevertheless, Node takes
    // it for a second response and drops the connection, after this exchange has ended well.
    if (method === "HEAD" || status === 204 || status === 304) {
      response.resume();
      this.#complete(call, []);
      return;
    }
    if (call.paused) response.pause();
    response.on("data", (bytes: Buffer) => {
      if (!this.#calls.has(exchange)) return;
      noteWholeBuffer(bytes);
      this.#dispatch({ type: "origin_body", exchange, bytes });
    });
    response.on("end", () => {
      // By its documentation Node may end a response that was cut, though it makes that an error today.
      if (response.complete) this.#complete(call, response.rawTrailers);
    });
    response.on("close", () => this.#fail(call, "broken"));
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
    if (!this.#calls.has(exchange)) {
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
    if (isStaleConnection(call, request, error) && this.#calls.has(call.exchange)) this.#send(call);
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
    if (this.#calls.delete(call.exchange)) this.#dispatch(event);
  }
}

/** Methods that anticipate no content, so that its absence needs no `Content-Length` (RFC 9110 section 8.6). */
const BODILESS_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "DELETE", "OPTIONS", "TRACE"]);

/** Safe methods: sent twice, they still do nothing (RFC 9110 section 9.2.1). With a body, they may well. */
const REPEATABLE_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

/**
 * Whether the request met a pooled connection that the origin was just closing (RFC 9112 section 9.3.1). Repeating ends
 * by itself: each attempt uses up one pooled connection, and a fresh one is never taken for stale.
 */
function isStaleConnection(call: Call, request: ClientRequest, error: Error): boolean {
  return (
    request.reusedSocket &&
    !call.answered &&
    call.body === null &&
    REPEATABLE_METHODS.has(call.method) &&
    isPeerGone(error)
  );
}

function pairsOf(headers: HeaderList): [string, string][] {
  const pairs: [string, string][] = [];
  for (let at = 0; at + 1 < headers.length; at += 2) pairs.push([headers[at] ?? "", headers[at + 1] ?? ""]);
  return pairs;
}
