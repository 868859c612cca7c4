/** One request of a visitor and its response, in the words of the core: orders in, facts out, the last of them once. */
import { type IncomingMessage, ServerResponse } from "node:http";
import { assert } from "../core/assert.ts";
import type { ServerEffect } from "../core/effects.ts";
import type { ServerEvent } from "../core/events.ts";
import type { HeaderList } from "../core/http/headers.ts";
import type { ExchangeId } from "../core/ids.ts";
import { lingerAfterResponse, lingeringClose } from "./linger.ts";
import { nodeHeaders } from "./node-headers.ts";
import { isBodyAhead } from "./request-head.ts";
import type { VisitorConnection } from "./visitor-connection.ts";
import { VisitorRequest } from "./visitor-request.ts";
import { VisitorResponse } from "./visitor-response.ts";
import { VisitorUpgrade } from "./visitor-upgrade.ts";

export type ExchangeEvent = Extract<ServerEvent, { readonly type: `exchange_${string}` }>;
export type ExchangeEffect = Extract<
  ServerEffect,
  { readonly type: `exchange_${string}` | "respond" | `respond_${string}` }
>;

export type ExchangeParts = {
  readonly id: ExchangeId;
  readonly request: IncomingMessage;
  /** Null for a handshake with a home service: Node has let go of its connection. */
  readonly response: ServerResponse | null;
  /** The visitor asks for `100 Continue`. */
  readonly expectsContinue: boolean;
  readonly connection: VisitorConnection<VisitorExchange>;
  readonly dispatch: (event: ExchangeEvent) => void;
  /** Whether each response is to be the last one of its connection. */
  readonly isClosing: () => boolean;
  /** Told just before the last event. */
  readonly onClosed: (id: ExchangeId) => void;
};

export class VisitorExchange {
  readonly request: IncomingMessage;
  isCut = false;
  readonly #parts: ExchangeParts;
  readonly #response: VisitorResponse;
  readonly #upgrade: VisitorUpgrade | null;
  /** Null where no body follows the head. */
  readonly #body: VisitorRequest | VisitorUpgrade | null;
  #isClosed = false;

  constructor(parts: ExchangeParts) {
    const { id: exchange, request, expectsContinue } = parts;
    this.request = request;
    this.#parts = parts;
    const response = parts.response ?? responseOn(request);
    const onFlushed = (bytes: number) => this.#tell({ type: "exchange_flushed", exchange, bytes });
    const onFinished = () => this.#onFinished();
    const listener = {
      onBody: (bytes: Uint8Array) => this.#tell({ type: "exchange_body", exchange, bytes }),
      onBodyEnded: (trailers: HeaderList) => this.#tell({ type: "exchange_body_ended", exchange, trailers }),
      onFlushed,
      onFinished,
    };
    this.#response = new VisitorResponse(response, onFlushed, onFinished);
    this.#upgrade = parts.response === null ? new VisitorUpgrade(request.socket, listener) : null;
    this.#body = this.#upgrade;
    if (this.#upgrade === null && isBodyAhead(request)) {
      this.#body = new VisitorRequest(request, response, expectsContinue, listener);
    }
  }

  /** Whether a part of the response, or all of it, is out. */
  get isHeadSent(): boolean {
    return this.#response.isHeadSent;
  }

  get isUpgrade(): boolean {
    return this.#upgrade !== null;
  }

  /** The first event. */
  open(nonce: Uint8Array): void {
    const { id, request, expectsContinue, connection } = this.#parts;
    this.#tell({
      type: "exchange_opened",
      exchange: id,
      method: request.method ?? "",
      target: request.url ?? "",
      headers: request.rawHeaders,
      hasBody: this.#body !== null,
      upgrade: this.#upgrade !== null,
      expectsContinue: expectsContinue && this.#body !== null,
      peer: connection.peer,
      nonce,
    });
  }

  perform(effect: ExchangeEffect): void {
    switch (effect.type) {
      case "exchange_read":
        this.#body?.read();
        break;
      case "exchange_pause":
        this.#body?.pause(effect.paused);
        break;
      case "respond_interim":
        assert(this.#out === this.#response, "an interim response came after the handshake");
        this.#response.sendInterim(effect.status, effect.headers);
        break;
      case "respond_upgrade":
        assert(this.#upgrade !== null, "a request that asked for no upgrade was given one");
        this.#upgrade.accept(effect.headers);
        break;
      case "respond":
        this.#response.sendWhole(effect.status, this.#framed(effect.headers, effect.close), effect.body);
        break;
      case "respond_head":
        this.#response.sendHead(effect.status, this.#framed(effect.headers, false), effect.coding);
        break;
      case "respond_body":
        this.#out.sendBody(effect.bytes, effect.lastUse === true);
        break;
      case "respond_end":
        this.#out.sendEnd(effect.trailers);
        break;
      case "respond_cut":
        this.#parts.connection.cut(this);
        break;
    }
  }

  /** The connection is gone, or will be without this response. */
  abandon(): void {
    this.#close(!this.isCut && this.#upgrade?.isComplete === true);
  }

  /** What carries the body to the visitor. */
  get #out(): VisitorResponse | VisitorUpgrade {
    return this.#upgrade?.isOpen ? this.#upgrade : this.#response;
  }

  /** The headers with those that HTTP/1.1 demands of this hop; prepares the connection for its end where they say so. */
  #framed(headers: HeaderList, close: boolean): string[] {
    const { connection, isClosing } = this.#parts;
    const framed = nodeHeaders(headers);
    if (close || this.#upgrade !== null || isClosing()) {
      framed.push("connection", "close");
      connection.seal();
    }
    this.#upgrade?.refuse();
    if (this.#body !== null && !this.request.complete) lingerAfterResponse(this.request.socket);
    return framed;
  }

  #onFinished(): void {
    const { connection, isClosing } = this.#parts;
    const { socket } = this.request;
    this.#close(true);
    connection.finish(this);
    if (this.#upgrade !== null) {
      lingeringClose(socket);
      return;
    }
    if (this.#body instanceof VisitorRequest) this.#body.discardRest();
    // A response whose head went out before the listener closed could not announce the end of the connection.
    if (isClosing() && connection.turns.length === 0) socket.destroySoon();
  }

  /** The last event; whatever happens later is no longer told. */
  #close(complete: boolean): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#response.discard();
    this.#upgrade?.discard();
    const { id, dispatch, onClosed } = this.#parts;
    onClosed(id);
    dispatch({ type: "exchange_closed", exchange: id, complete });
  }

  #tell(event: ExchangeEvent): void {
    if (!this.#isClosed) this.#parts.dispatch(event);
  }
}

/** The answer to a handshake that is not 101 is written by the rules of Node, which wants to be asked for that. */
function responseOn(request: IncomingMessage): ServerResponse {
  const response = new ServerResponse(request);
  response.assignSocket(request.socket);
  return response;
}
