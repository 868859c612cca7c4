/**
 * The visitors' side of the server on `node:http`: requests become events, orders become responses. What a request may
 * do is for the core to say; here is only what HTTP itself demands.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { assert } from "../../core/assert.ts";
import type { ServerEffect } from "../../core/effects.ts";
import { IdTable } from "../../core/id-table.ts";
import type { ExchangeId } from "../../core/ids.ts";
import { lingerAfterResponse } from "../socket/linger.ts";
import { answerToParserError, EDGE_ANSWERS, type EdgeAnswer } from "./edge-answer.ts";
import { isBodyAhead, isUnambiguous, upgradeKind } from "./request-head.ts";
import { VisitorConnection } from "./visitor-connection.ts";
import {
  type ExchangeEffect,
  type ExchangeEvent,
  type ExchangeHost,
  VisitorExchange,
} from "./visitor-exchange.ts";

export type HttpServerEvent = ExchangeEvent;
export type HttpServerEffect = ExchangeEffect | Extract<ServerEffect, { readonly type: "listener_close" }>;

export type HttpServerOptions = {
  /** 0 takes any free port. */
  readonly port: number;
  readonly bind: string;
  readonly dispatch: (event: HttpServerEvent) => void;
  readonly nonce: () => Uint8Array;
  /** Connections beyond this are closed as they come; all that the process can hold where it is left out. */
  readonly connectionsMax?: number;
  /** Takes over a connection whose well-formed WebSocket handshake waits for its answer. */
  readonly onUpgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
  /** Told of each request that could not be read and each connection that could not be accepted, by its error code. */
  readonly onFault?: (code: string) => void;
};

const SERVER_OPTIONS = {
  /** Above it, 431. What nginx and Node take by default. */
  maxHeaderSize: 16 * 1024,
  /** A head that is not complete by then gets 408. */
  headersTimeout: 15_000,
  /** How often the above is looked at. */
  connectionsCheckingInterval: 5_000,
  /** A body may take as long as it moves; the core judges that. */
  requestTimeout: 0,
  /** Above the 60 s of the usual proxies in front of us, so that it is they who close an idle connection, never we under a request. */
  keepAliveTimeout: 75_000,
  highWaterMark: 64 * 1024,
  insecureHTTPParser: false,
  /** Looked at in `isUnambiguous`, which sees a second one too. */
  requireHostHeader: false,
  joinDuplicateHeaders: false,
  noDelay: true,
  /** Saves the stream events of the many requests that have no body. */
  optimizeEmptyRequests: true,
};

/** Orders for an exchange that has ended here are ignored: its last event is on the way. */
export class HttpServer {
  readonly #options: HttpServerOptions;
  readonly #host: ExchangeHost;
  readonly #server: Server;
  readonly #connections = new WeakMap<Duplex, VisitorConnection<VisitorExchange>>();
  readonly #exchanges = new IdTable<ExchangeId, VisitorExchange>();
  #exchangesOpened = 0;
  #isClosing = false;

  constructor(options: HttpServerOptions) {
    this.#options = options;
    this.#host = {
      dispatch: options.dispatch,
      isClosing: () => this.#isClosing,
      onClosed: (id) => this.#exchanges.delete(id),
    };
    this.#server = createServer({
      ...SERVER_OPTIONS,
      shouldUpgradeCallback: (request) => this.#isUpgrade(request),
    });
    // The size of the head is bounded; Node would drop headers beyond its own count without a word.
    this.#server.maxHeadersCount = 0;
    if (options.connectionsMax !== undefined) this.#server.maxConnections = options.connectionsMax;
    this.#server.on("connection", (socket: Socket) => this.#onConnection(socket));
    this.#server.on("request", (request, response) => this.#onRequest(request, response, false));
    this.#server.on("checkContinue", (request, response) => this.#onRequest(request, response, true));
    this.#server.on("checkExpectation", (request, response) => {
      this.#answer(request, response, EDGE_ANSWERS.expectationFailed);
    });
    this.#server.on("upgrade", options.onUpgrade);
    this.#server.on("connect", (_request, socket: Duplex) => {
      // Node has taken its own listener away, and an error without one would end the process.
      socket.on("error", () => {});
      const connection = this.#connections.get(socket);
      if (connection?.isSealed === false) connection.refuse(EDGE_ANSWERS.methodNotAllowed);
    });
    this.#server.on("clientError", (error, socket) => this.#onClientError(error, socket));
  }

  /** Resolves to the address that visitors can reach. Rejects with Node's error where it cannot be had. */
  listen(): Promise<AddressInfo> {
    const { port, bind, onFault } = this.#options;
    const server = this.#server;
    return new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, bind, () => {
        server.off("error", reject);
        // Such as a process without free file descriptors: the connection is lost, the listener is not.
        server.on("error", (error) => onFault?.(codeOf(error)));
        const address = server.address();
        if (address === null || typeof address === "string") reject(new Error("not a TCP listener"));
        else resolve(address);
      });
    });
  }

  /** Ends all connections but those that `onUpgrade` took, at once, and resolves when the last of both kinds is gone. */
  close(): Promise<void> {
    this.#isClosing = true;
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
      for (const { isUpgrade, request } of this.#exchanges.values()) {
        if (isUpgrade) request.socket.destroy();
      }
    });
  }

  /** Takes back a handshake from `onUpgrade` and opens an exchange for it. What followed it is in its socket again. */
  forward(request: IncomingMessage): void {
    const connection = this.#connections.get(request.socket);
    assert(connection !== undefined, "a handshake was forwarded that came from elsewhere");
    this.#open(connection, request, null, false);
  }

  perform(effect: HttpServerEffect): void {
    if (effect.type !== "listener_close") {
      this.#exchanges.get(effect.exchange)?.perform(effect);
      return;
    }
    this.#isClosing = true;
    this.#server.close();
  }

  #onConnection(socket: Socket): void {
    const connection = new VisitorConnection<VisitorExchange>(socket);
    this.#connections.set(socket, connection);
    socket.once("close", () => {
      for (const exchange of connection.turns) exchange.abandon();
    });
  }

  /** A WebSocket cannot start while an earlier response still needs the connection. */
  #isUpgrade(request: IncomingMessage): boolean {
    const connection = this.#connections.get(request.socket);
    if (connection === undefined || connection.isSealed || connection.turns.length > 0) return false;
    return isUnambiguous(request) && upgradeKind(request) === "websocket";
  }

  #onRequest(request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): void {
    const connection = this.#connections.get(request.socket);
    if (connection === undefined || connection.isSealed) return;
    if (!isUnambiguous(request)) {
      this.#answer(request, response, EDGE_ANSWERS.badRequest);
      return;
    }
    if (request.headers.upgrade !== undefined && upgradeKind(request) !== "other") {
      this.#answer(request, response, EDGE_ANSWERS.badHandshake);
      return;
    }
    this.#open(connection, request, response, expectsContinue);
  }

  #open(
    connection: VisitorConnection<VisitorExchange>,
    request: IncomingMessage,
    response: ServerResponse | null,
    expectsContinue: boolean,
  ): void {
    const id = ++this.#exchangesOpened as ExchangeId;
    const exchange = new VisitorExchange(id, request, response, expectsContinue, connection, this.#host);
    connection.add(exchange);
    this.#exchanges.set(id, exchange);
    exchange.open(this.#options.nonce(), expectsContinue);
  }

  /** Answers a request that the core does not hear of, in its turn, and ends the connection. */
  #answer(request: IncomingMessage, response: ServerResponse, answer: EdgeAnswer): void {
    const connection = this.#connections.get(request.socket);
    if (connection === undefined || connection.isSealed) return;
    connection.seal();
    if (isBodyAhead(request) && !request.complete) lingerAfterResponse(request.socket);
    response.writeHead(answer.status, [...answer.headers, "connection", "close"]).end(answer.body);
  }

  /** What came cannot be read as HTTP, or did not come in time. It is told so after the responses that are due before. */
  #onClientError(error: Error, socket: Duplex): void {
    const connection = this.#connections.get(socket);
    if (connection === undefined || connection.isSealed) return;
    if (!socket.writable) {
      socket.destroy();
      return;
    }
    const code = codeOf(error);
    this.#options.onFault?.(code);
    const newest = connection.turns.at(-1);
    if (newest !== undefined && !newest.request.complete) {
      // It is the body of this request that is broken.
      if (newest.isHeadSent) {
        connection.cut(newest);
        return;
      }
      connection.withdraw(newest);
      newest.abandon();
    }
    connection.refuse(answerToParserError(code));
  }
}

function codeOf(error: Error): string {
  return "code" in error && typeof error.code === "string" ? error.code : error.name;
}
