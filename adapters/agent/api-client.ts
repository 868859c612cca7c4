/** The agent's calls to the server's HTTP interface: few, small, each on its own connection. */
import http, { type ClientRequest, type IncomingMessage } from "node:http";
import https from "node:https";
import type { AgentEffect } from "../../core/effects.ts";
import type { AgentEvent, ConnectFault } from "../../core/events.ts";
import { type Endpoint, endpointOf } from "../socket/endpoint.ts";
import type { Dialler, Opening } from "./dialler.ts";

export type ApiEvent = Extract<AgentEvent, { readonly type: `api_${string}` }>;
export type ApiCall = Extract<AgentEffect, { readonly type: "api_call" }>;

export type ApiClientOptions = {
  /** `http:`, `https:`, `ws:` or `wss:`; its path, if any, goes before every target. */
  readonly server: URL;
  readonly dialler: Dialler;
  readonly dispatch: (event: ApiEvent) => void;
};

/** An answer is cut here: the ones that the agent understands have some fifty bytes. */
export const ANSWER_BYTES_MAX = 64 * 1024;

/** The agent's own deadline is far shorter, but it has no way to cancel a call: this frees the connection in the end. */
const SILENCE_MS = 60_000;

/**
 * Each `call` is followed by exactly one `api_answered` or `api_failed`. A redirect is an answer like any other: the
 * token goes to the configured server and to nobody else. A fault carries no token and no target.
 */
export class ApiClient {
  readonly #dispatch: (event: ApiEvent) => void;
  readonly #endpoint: Endpoint;
  readonly #dialler: Dialler;
  readonly #running = new Map<ClientRequest, Opening>();

  constructor(options: ApiClientOptions) {
    this.#dispatch = options.dispatch;
    this.#endpoint = endpointOf(options.server);
    this.#dialler = options.dialler;
  }

  perform(effect: ApiCall): void {
    const { call } = effect;
    let settled = false;
    const settle = (event: ApiEvent) => {
      if (settled) return;
      settled = true;
      this.#dispatch(event);
    };
    const fail = (fault: ConnectFault) => settle({ type: "api_failed", call, fault });

    const opening = this.#dialler.open();
    let request: ClientRequest;
    try {
      request = this.#post(effect, opening);
    } catch (error) {
      // A token with a line break, say.
      fail(this.#dialler.faultOf(error));
      return;
    }
    this.#running.set(request, opening);
    request.on("response", (response) => {
      const { statusCode: status = 0, headers } = response;
      const retryAfter = headers["retry-after"];
      readAnswer(response, (body) => settle({ type: "api_answered", call, status, body, retryAfter }));
    });
    request.on("timeout", () => {
      fail({ kind: "silent", detail: `${this.#endpoint.authority} is silent` });
      request.destroy();
    });
    request.on("error", (error) => fail(this.#dialler.faultOf(error)));
    request.on("close", () => {
      this.#running.delete(request);
      fail({ kind: "cut", detail: this.#endpoint.authority });
    });
    request.end();
  }

  /** Cuts every connection; the calls that still run fail. */
  close(): void {
    for (const [request, opening] of this.#running) {
      request.destroy();
      opening.cancel();
    }
  }

  #post({ target, token }: ApiCall, { connect }: Opening): ClientRequest {
    const { secure, host, port, basePath } = this.#endpoint;
    const open = secure ? https.request : http.request;
    return open({
      createConnection: connect,
      host,
      port,
      path: basePath + target,
      method: "POST",
      headers: { authorization: `Bearer ${token}`, accept: "application/json", "content-length": 0 },
      timeout: SILENCE_MS,
    });
  }
}

/** Answers once, with the whole body or its first `ANSWER_BYTES_MAX` bytes; never where the body broke off. */
export function readAnswer(response: IncomingMessage, answer: (body: string) => void): void {
  const parts: Buffer[] = [];
  let length = 0;
  response.on("data", (bytes: Buffer) => {
    parts.push(bytes);
    length += bytes.length;
    if (length < ANSWER_BYTES_MAX) return;
    answer(Buffer.concat(parts, ANSWER_BYTES_MAX).toString());
    response.destroy();
  });
  response.on("end", () => answer(Buffer.concat(parts).toString()));
  // A broken body is reported by the request's close.
  response.on("error", () => {});
}
