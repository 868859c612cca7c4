/** One request to an origin, from the order to its last event. */
import type { Socket } from "node:net";
import { assert } from "../../core/assert.ts";
import type { AgentEvent, OriginFault } from "../../core/events.ts";
import type { HeaderList } from "../../core/http/headers.ts";
import type { ExchangeId } from "../../core/ids.ts";
import type { Endpoint } from "../socket/endpoint.ts";
import { noteOnlyView } from "../socket/whole-buffers.ts";
import type { ConnectionUser, OriginConnection } from "./connection.ts";
import { faultOf } from "./connector.ts";
import type { OriginPool } from "./pool.ts";
import { chunkSize, lastChunk, type OriginRequest, requestHead } from "./request.ts";
import type { ResponsePart } from "./response-reader.ts";
import { UpgradedConnection } from "./upgrade.ts";

export type OriginEvent = Extract<AgentEvent, { readonly type: `origin_${string}` }>;

export type OriginService = { readonly endpoint: Endpoint; readonly pool: OriginPool };

export type CallOptions = {
  readonly order: OriginRequest;
  readonly service: OriginService;
  readonly dispatch: (event: OriginEvent) => void;
  /** Before the last event is dispatched. */
  readonly onOver: (exchange: ExchangeId) => void;
};

/** Tells exactly one `origin_ended` or `origin_failed`, and nothing after it. */
export class Call implements ConnectionUser {
  readonly #exchange: ExchangeId;
  readonly #service: OriginService;
  readonly #dispatch: CallOptions["dispatch"];
  readonly #onOver: CallOptions["onOver"];
  /** Null once it cannot be sent again: whole bodies are let go of when the answer comes, which may take hours to end. */
  #order: OriginRequest | null;
  readonly #method: string;
  /** Whether a body is streamed, as long as what comes of it is still sent. */
  #isStreaming: boolean;
  /** Body bytes that a declared length still has room for; null where none is declared. */
  #bytesLeft: number | null;
  #connection: OriginConnection | null = null;
  /** Set when the origin has switched protocols, as it was asked to. */
  #upgraded: UpgradedConnection | null = null;
  #isPaused = false;
  #isOver = false;

  constructor({ order, service, dispatch, onOver }: CallOptions) {
    this.#exchange = order.exchange;
    this.#service = service;
    this.#dispatch = dispatch;
    this.#onOver = onOver;
    this.#order = order;
    this.#method = order.method;
    this.#isStreaming = order.body === "streamed";
    this.#bytesLeft = order.bodyBytes;
  }

  get isWritten(): boolean {
    return !this.#isStreaming;
  }

  begin(): void {
    const order = this.#order;
    assert(order !== null, "a request is sent again although it has been answered");
    const { endpoint, pool } = this.#service;
    const head = requestHead(order, endpoint.basePath);
    if (head === null) return this.#fail("malformed");
    const connection = pool.take();
    this.#connection = connection;
    connection.begin(this, order.method, order.upgrade);
    if (this.#isPaused) connection.pause(true);
    const { socket } = connection;
    const { body } = order;
    const isAlone = body === null || body === "streamed";
    if (!isAlone) socket.cork();
    socket.write(head, "latin1");
    if (isAlone) return;
    this.#writeCounted(body, body.length);
    socket.uncork();
  }

  send(bytes: Uint8Array): void {
    // What follows an upgrade that was refused, or a response that is over, goes nowhere.
    if (this.#upgraded !== null) return this.#upgraded.write(bytes);
    if (!this.#isStreaming || this.#connection === null) return;
    const { length } = bytes;
    if (this.#bytesLeft !== null) {
      this.#bytesLeft -= length;
      // On a connection that is kept, the origin would take the rest for another request.
      if (this.#bytesLeft < 0) this.#giveUp("malformed");
      else this.#writeCounted(bytes, length);
      return;
    }
    // An empty chunk is the last one.
    if (length === 0) return;
    const { socket } = this.#connection;
    socket.cork();
    socket.write(chunkSize(length));
    socket.write(bytes);
    this.#writeCounted("\r\n", length);
    socket.uncork();
  }

  endBody(trailers: HeaderList): void {
    if (this.#upgraded !== null) return this.#upgraded.end();
    if (!this.#isStreaming || this.#connection === null) return;
    this.#isStreaming = false;
    if (this.#bytesLeft !== null) {
      // Trailers need chunks to follow (RFC 9112 section 7.1.2); a declared length leaves no place for them.
      if (this.#bytesLeft > 0) this.#giveUp("malformed");
      return;
    }
    const last = lastChunk(trailers);
    if (last === null) this.#giveUp("malformed");
    else this.#connection.socket.write(last, "latin1");
  }

  /** While paused, no more is read from the origin than fits the kernel's buffers. */
  pause(isPaused: boolean): void {
    this.#isPaused = isPaused;
    if (this.#upgraded !== null) this.#upgraded.pause(isPaused);
    else this.#connection?.pause(isPaused);
  }

  /** Its connection is cut, and its last event is told at once. */
  abort(): void {
    this.#giveUp("broken");
  }

  onPart(part: ResponsePart): void {
    const exchange = this.#exchange;
    switch (part.type) {
      case "interim":
        this.#dispatch({ type: "origin_interim", exchange, status: part.status, headers: part.headers });
        break;
      case "head":
        this.#order = null;
        this.#dispatch({ type: "origin_head", exchange, status: part.status, headers: part.headers });
        break;
      case "body":
        noteOnlyView(part.bytes);
        this.#dispatch({ type: "origin_body", exchange, bytes: part.bytes });
        break;
      case "end":
        this.#finish({ type: "origin_ended", exchange, trailers: part.trailers });
        break;
      case "switched":
        this.#switch(part.headers);
        break;
    }
  }

  onMalformed(): void {
    this.#fail("malformed");
  }

  onGone(error: Error | null, socket: Socket, isStale: boolean): void {
    // Repeating ends by itself: each attempt uses up one kept connection, and a fresh one is never stale.
    if (isStale && this.#order?.body === null && REPEATABLE_METHODS.has(this.#method)) this.begin();
    else this.#fail(faultOf(error, socket));
  }

  #switch(headers: HeaderList): void {
    const exchange = this.#exchange;
    const connection = this.#connection;
    assert(connection !== null, "an answer comes without a connection");
    const early = connection.detach();
    const upgraded = new UpgradedConnection(connection.socket, {
      onBytes: (bytes) => this.#dispatch({ type: "origin_body", exchange, bytes }),
      onFlushed: (bytes) => this.#onFlushed(bytes),
      onEnded: () => this.#finish({ type: "origin_ended", exchange, trailers: [] }),
      onBroken: () => this.#fail("broken"),
    });
    this.#upgraded = upgraded;
    this.#dispatch({ type: "origin_head", exchange, status: 101, headers });
    if (this.#isOver) return;
    if (this.#isPaused) upgraded.pause(true);
    upgraded.start(early);
  }

  /** Tells when these have gone to the kernel, and with them all that was written before, as so many bytes of the body. */
  #writeCounted(last: Uint8Array | string, bodyBytes: number): void {
    this.#connection?.socket.write(last, (error) => {
      if (!error) this.#onFlushed(bodyBytes);
    });
  }

  #onFlushed(bytes: number): void {
    if (!this.#isOver) this.#dispatch({ type: "origin_flushed", exchange: this.#exchange, bytes });
  }

  #giveUp(fault: OriginFault): void {
    this.#upgraded?.destroy();
    this.#connection?.destroy();
    this.#fail(fault);
  }

  #fail(fault: OriginFault): void {
    this.#finish({ type: "origin_failed", exchange: this.#exchange, fault });
  }

  #finish(event: OriginEvent): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#isStreaming = false;
    this.#onOver(this.#exchange);
    this.#dispatch(event);
  }
}

/** Safe methods: sent twice, they still do nothing (RFC 9110 section 9.2.1). With a body, they may well. */
const REPEATABLE_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);
