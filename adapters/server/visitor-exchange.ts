/** One request of a visitor and its response, in the words of the core: orders in, facts out, the last of them once. */
import { type IncomingMessage, ServerResponse } from "node:http";
import { assert } from "../../core/assert.ts";
import type { ServerEffect } from "../../core/effects.ts";
import type { ServerEvent } from "../../core/events.ts";
import type { HeaderList } from "../../core/http/headers.ts";
import type { ExchangeId } from "../../core/ids.ts";
import { lingerAfterResponse, lingeringClose } from "../socket/linger.ts";
import { countReceived } from "../socket/received-bytes.ts";
import { nodeHeaders } from "./node-headers.ts";
import { isBodyAhead } from "./request-head.ts";
import type { VisitorConnection } from "./visitor-connection.ts";
import { VisitorRequest } from "./visitor-request.ts";
import { VisitorResponse } from "./visitor-response.ts";
import { type UpgradeListener, VisitorUpgrade } from "./visitor-upgrade.ts";

export type ExchangeEvent = Extract<ServerEvent, { readonly type: `exchange_${string}` }>;
export type ExchangeEffect = Extract<
  ServerEffect,
  { readonly type: `exchange_${string}` | "respond" | `respond_${string}` }
>;

/** What the exchanges of a server share. */
export type ExchangeHost = {
  readonly dispatch: (event: ExchangeEvent) => void;
  /** Whether each response is to be the last one of its connection. */
  readonly isClosing: () => boolean;
  /** Told just before the last event. */
  readonly onClosed: (id: ExchangeId) => void;
};

/** A request has but one of these and few further objects: each lives as long as the origin takes, and is copied meanwhile. */
export class VisitorExchange implements UpgradeListener {
  readonly request: IncomingMessage;
  isCut = false;
  readonly #id: ExchangeId;
  readonly #connection: VisitorConnection<VisitorExchange>;
  readonly #host: ExchangeHost;
  readonly #response: VisitorResponse;
  readonly #upgrade: VisitorUpgrade | null;
  /** Null where no body follows the head. */
  readonly #body: VisitorRequest | VisitorUpgrade | null;
  #isClosed = false;

  /**
   * `response` is null for a handshake with a home service: Node has let go of its connection. `expectsContinue`: the
   * visitor asks for `100 Continue`.
   */
  constructor(
    id: ExchangeId,
    request: IncomingMessage,
    response: ServerResponse | null,
    expectsContinue: boolean,
    connection: VisitorConnection<VisitorExchange>,
    host: ExchangeHost,
  ) {
    this.request = request;
    this.#id = id;
    this.#connection = connection;
    this.#host = host;
    const answer = response ?? responseOn(request);
    this.#response = new VisitorResponse(answer, this);
    this.#upgrade = response === null ? new VisitorUpgrade(request.socket, this) : null;
    this.#body = this.#upgrade;
    if (this.#upgrade === null && isBodyAhead(request)) {
      this.#body = new VisitorRequest(request, answer, expectsContinue, this);
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
  open(nonce: Uint8Array, expectsContinue: boolean): void {
    const { request } = this;
    const hasBody = this.#body !== null;
    this.#tell({
      type: "exchange_opened",
      exchange: this.#id,
      method: request.method ?? "",
      target: request.url ?? "",
      headers: request.rawHeaders,
      hasBody,
      upgrade: this.#upgrade !== null,
      expectsContinue: expectsContinue && hasBody,
      peer: this.#connection.peer,
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
        this.#connection.cut(this);
        break;
    }
  }

  /** The connection is gone, or will be without this response. */
  abandon(): void {
    this.#close(!this.isCut && this.#upgrade?.isComplete === true);
  }

  onBody(bytes: Uint8Array): void {
    countReceived(bytes);
    this.#tell({ type: "exchange_body", exchange: this.#id, bytes });
  }

  onBodyEnded(trailers: HeaderList): void {
    this.#tell({ type: "exchange_body_ended", exchange: this.#id, trailers });
  }

  onFlushed(bytes: number): void {
    this.#tell({ type: "exchange_flushed", exchange: this.#id, bytes });
  }

  onFinished(): void {
    const { socket } = this.request;
    this.#close(true);
    this.#connection.finish(this);
    if (this.#upgrade !== null) {
      lingeringClose(socket);
      return;
    }
    if (this.#body instanceof VisitorRequest) this.#body.discardRest();
    // A response whose head went out before the listener closed could not announce the end of the connection.
    if (this.#host.isClosing() && this.#connection.turns.length === 0) socket.destroySoon();
  }

  /** What carries the body to the visitor. */
  get #out(): VisitorResponse | VisitorUpgrade {
    return this.#upgrade?.isOpen ? this.#upgrade : this.#response;
  }

  /** The headers with those that HTTP/1.1 demands of this hop; prepares the connection for its end where they say so. */
  #framed(headers: HeaderList, close: boolean): string[] {
    const framed = nodeHeaders(headers);
    if (close || this.#upgrade !== null || this.#host.isClosing()) {
      framed.push("connection", "close");
      this.#connection.seal();
    }
    this.#upgrade?.refuse();
    if (this.#body !== null && !this.request.complete) lingerAfterResponse(this.request.socket);
    return framed;
  }

  /** The last event; whatever happens later is no longer told. */
  #close(complete: boolean): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#response.discard();
    this.#upgrade?.discard();
    this.#host.onClosed(this.#id);
    this.#host.dispatch({ type: "exchange_closed", exchange: this.#id, complete });
  }

  #tell(event: ExchangeEvent): void {
    if (!this.#isClosed) this.#host.dispatch(event);
  }
}

/** The answer to a handshake that is not 101 is written by the rules of Node, which wants to be asked for that. */
function responseOn(request: IncomingMessage): ServerResponse {
  const response = new ServerResponse(request);
  response.assignSocket(request.socket);
  return response;
}
