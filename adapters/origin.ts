/**
 * The agent's HTTP client towards the home service: one origin, given once, and nothing else is ever reached.
 *
 * It is `node:http` although undici takes a third less CPU for small requests and a sixth less for downloads: undici
 * fails a response that begins with an unexpected `100 Continue`, which RFC 9110 section 15.2 obliges a client to accept.
 */
import http, { type ClientRequest, type IncomingMessage } from "node:http";
import https from "node:https";
import { TLSSocket } from "node:tls";
import { assert } from "../core/assert.ts";
import type { AgentEffect } from "../core/effects.ts";
import type { AgentEvent, OriginFault } from "../core/events.ts";
import type { HeaderList } from "../core/http/headers.ts";
import type { ExchangeId } from "../core/ids.ts";
import { type Endpoint, endpointOf } from "./endpoint.ts";
import { codeOf } from "./error-cause.ts";

export type OriginEvent = Extract<AgentEvent, { readonly type: `origin_${string}` }>;
export type OriginEffect = Extract<AgentEffect, { readonly type: `origin_${string}` }>;

export type OriginOptions = {
  /** `http:` or `https:`; its path, if any, goes before every target. Credentials, query and fragment have no place. */
  readonly url: URL;
  /** From the attempt to connect to a connection that can be written to, TLS included. */
  readonly connectTimeoutMs: number;
  readonly dispatch: (event: OriginEvent) => void;
};

/** A response head beyond this many bytes is `malformed`. */
export const HEAD_BYTES_MAX = 64 * 1024;

/**
 * Idle connections are closed before any usual origin closes them, so that no request meets the origin's FIN half-way.
 * Where the origin announces a shorter time (`Keep-Alive: timeout`), Node keeps to that.
 */
const IDLE_CONNECTION_MS = 4_000;

/** One `origin_request` until its terminal event. */
type Call = {
  readonly exchange: ExchangeId;
  readonly method: string;
  readonly target: string;
  readonly headers: HeaderList;
  /** Let go of when the response comes, which may take hours to end. */
  body: Uint8Array | null;
  request: ClientRequest | null;
  /** Set when the final head has come. */
  response: IncomingMessage | null;
  paused: boolean;
};

/**
 * Each `origin_request` is answered by exactly one `origin_ended` or `origin_failed`, its last event; an `origin_abort` is
 * answered by `origin_failed` at once. Orders for an exchange that is over are ignored: its last event is on the way.
 *
 * The headers of a request go out as they are, in order; `Host`, `Connection` and the framing of the body are this
 * adapter's. A request that HTTP cannot carry, such as one with a line break in a header, fails as `malformed`.
 */
export class Origin {
  readonly #calls = new Map<ExchangeId, Call>();
  readonly #dispatch: (event: OriginEvent) => void;
  readonly #agent: http.Agent;
  readonly #endpoint: Endpoint;
  readonly #connection: http.RequestOptions;

  constructor(options: OriginOptions) {
    const { protocol } = options.url;
    assert(protocol === "http:" || protocol === "https:", "the origin's URL is neither http: nor https:");
    this.#dispatch = options.dispatch;
    this.#endpoint = endpointOf(options.url);
    this.#agent = createAgent(this.#endpoint.secure, options.connectTimeoutMs);
    this.#connection = {
      agent: this.#agent,
      host: this.#endpoint.host,
      port: this.#endpoint.port,
      setHost: false,
      maxHeaderSize: HEAD_BYTES_MAX,
      insecureHTTPParser: false,
    };
  }

  perform(effect: OriginEffect): void {
    if (effect.type === "origin_request") {
      const { exchange, method, target, headers, body } = effect;
      const call = { exchange, method, target, headers, body, request: null, response: null, paused: false };
      this.#calls.set(exchange, call);
      this.#send(call);
      return;
    }
    const call = this.#calls.get(effect.exchange);
    if (call === undefined) return;
    if (effect.type === "origin_abort") {
      call.request?.destroy();
      this.#fail(call, "broken");
    } else {
      // While paused, no more is read from the origin than fits the stream's and the kernel's buffers.
      call.paused = effect.paused;
      if (effect.paused) call.response?.pause();
      else call.response?.resume();
    }
  }

  /** Cuts every connection; the requests that still run fail. */
  close(): void {
    this.#agent.destroy();
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
    request.on("response", (response) => this.#onResponse(call, response));
    request.on("error", (error) => this.#onError(call, request, error));
    // Without an error before it where the origin switched protocols that nobody asked it to switch.
    request.on("close", () => {
      if (call.request === request && call.response === null) this.#fail(call, "broken");
    });
    request.end(call.body ?? undefined);
  }

  #compose({ method, target, headers: given, body }: Call): ClientRequest {
    const headers = ["Host", this.#endpoint.authority, ...given];
    if (body !== null) headers.push("Content-Length", String(body.length));
    else if (!BODILESS_METHODS.has(method)) headers.push("Content-Length", "0");
    const open = this.#endpoint.secure ? https.request : http.request;
    const options = { ...this.#connection, method, path: this.#endpoint.basePath + target };
    if (method === method.toUpperCase()) return open({ ...options, headers });
    // Node writes the method in upper case into a head that it is given as a list, and methods are case-sensitive
    // (RFC 9110 section 9.1). A head made of single headers is written later, with the method that stands here.
    const request = open(options);
    request.method = method;
    for (let at = 0; at < headers.length; at += 2)
      request.appendHeader(headers[at] ?? "", headers[at + 1] ?? "");
    return request;
  }

  #onResponse(call: Call, response: IncomingMessage): void {
    const { exchange, method } = call;
    call.response = response;
    call.body = null;
    // What breaks a response is reported by its close.
    response.on("error", () => {});
    const status = response.statusCode ?? 0;
    this.#dispatch({ type: "origin_head", exchange, status, headers: response.rawHeaders });
    if (!this.#calls.has(exchange)) return;
    // These have no body whatever their head says (RFC 9112 section 6.3). Should one be sent nevertheless, Node takes
    // it for a second response and drops the connection, after this exchange has ended well.
    if (method === "HEAD" || status === 204 || status === 304) {
      response.resume();
      this.#finish(call, { type: "origin_ended", exchange });
      return;
    }
    if (call.paused) response.pause();
    response.on("data", (bytes: Buffer) => {
      if (this.#calls.has(exchange)) this.#dispatch({ type: "origin_body", exchange, bytes });
    });
    response.on("end", () => {
      // By its documentation Node may end a response that was cut, though it makes that an error today.
      if (!response.complete) return;
      this.#finish(call, { type: "origin_ended", exchange });
      // The origin has answered without reading the whole request: what is left of it is of no use to anyone.
      if (call.request?.writableFinished === false) call.request.destroy();
    });
    response.on("close", () => this.#fail(call, "broken"));
  }

  #onError(call: Call, request: ClientRequest, error: Error): void {
    if (isStaleConnection(call, request, error) && this.#calls.has(call.exchange)) this.#send(call);
    else this.#fail(call, faultOf(error, request));
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

/** Safe methods: sent twice, they still do nothing (RFC 9110 section 9.2.1). */
const REPEATABLE_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

/**
 * Whether the request met a pooled connection that the origin was just closing (RFC 9112 section 9.3.1). Repeating ends
 * by itself: each attempt uses up one pooled connection, and a fresh one is never taken for stale.
 */
function isStaleConnection(call: Call, request: ClientRequest, error: Error): boolean {
  const code = codeOf(error);
  return (
    request.reusedSocket &&
    call.response === null &&
    REPEATABLE_METHODS.has(call.method) &&
    (code === "ECONNRESET" || code === "EPIPE")
  );
}

function faultOf(error: Error, request: ClientRequest): OriginFault {
  const code = codeOf(error);
  if (error instanceof ConnectTimeoutError || code === "ETIMEDOUT") return "connect_timeout";
  if (code === "ECONNREFUSED") return "refused";
  if (code === "ENOTFOUND" || code.startsWith("EAI_")) return "name_not_resolved";
  if (code.startsWith("HPE_")) return "malformed";
  if (code === "EPROTO" || code.startsWith("ERR_SSL_") || code.startsWith("ERR_TLS_")) return "tls_invalid";
  // Set by Node on a certificate that did not verify, whose error codes are OpenSSL's and have no common form.
  if (request.socket instanceof TLSSocket && request.socket.authorizationError) return "tls_invalid";
  return "broken";
}

class ConnectTimeoutError extends Error {
  override readonly name = "ConnectTimeoutError";
}

function createAgent(secure: boolean, connectTimeoutMs: number): http.Agent {
  const settings = { keepAlive: true, timeout: IDLE_CONNECTION_MS };
  const agent = secure ? new https.Agent(settings) : new http.Agent(settings);
  const connect = agent.createConnection;
  agent.createConnection = (options, callback) => {
    const stream = connect.call(agent, options, callback);
    if (!stream) return stream;
    const timer = setTimeout(
      () => stream.destroy(new ConnectTimeoutError("the origin did not take the connection in time")),
      connectTimeoutMs,
    );
    stream.once(secure ? "secureConnect" : "connect", () => clearTimeout(timer));
    stream.once("close", () => clearTimeout(timer));
    return stream;
  };
  return agent;
}
