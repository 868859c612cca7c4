/**
 * The visitors' side of the server on `node:http`: requests become events, orders become responses. What a request may
 * do is for the core to say; here is only what HTTP itself demands.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { ServerEffect } from "../core/effects.ts";
import type { ServerEvent } from "../core/events.ts";
import type { ExchangeId } from "../core/ids.ts";
import { answerToParserError, EDGE_ANSWERS, type EdgeAnswer } from "./edge-answer.ts";
import { lingerAfterResponse } from "./linger.ts";
import { isBodyAhead, isUnambiguous, upgradeKind } from "./request-head.ts";
import { VisitorConnection } from "./visitor-connection.ts";
import { VisitorResponse } from "./visitor-response.ts";

export type HttpServerEvent = Extract<ServerEvent, { readonly type: `exchange_${string}` }>;
export type HttpServerEffect = Extract<
  ServerEffect,
  { readonly type: "exchange_read" | "listener_close" | "respond" | `respond_${string}` }
>;

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

type Exchange = {
  readonly id: ExchangeId;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly out: VisitorResponse;
  readonly connection: VisitorConnection<Exchange>;
  readonly hasBody: boolean;
  /** The visitor sends the body only after `100 Continue` (RFC 9110 section 10.1.1). */
  readonly expectsContinue: boolean;
  isCut: boolean;
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
  readonly #server: Server;
  readonly #connections = new WeakMap<Duplex, VisitorConnection<Exchange>>();
  readonly #exchanges = new Map<ExchangeId, Exchange>();
  #exchangesOpened = 0;
  #isClosing = false;

  constructor(options: HttpServerOptions) {
    this.#options = options;
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

  /** Ends all connections but the upgraded ones at once, and resolves when the last of both kinds is gone. */
  close(): Promise<void> {
    this.#isClosing = true;
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  perform(effect: HttpServerEffect): void {
    if (effect.type === "listener_close") {
      this.#isClosing = true;
      this.#server.close();
      return;
    }
    const exchange = this.#exchanges.get(effect.exchange);
    if (exchange === undefined) return;
    switch (effect.type) {
      case "exchange_read":
        this.#read(exchange);
        break;
      case "respond":
        exchange.out.sendWhole(
          effect.status,
          this.#framed(exchange, effect.headers, effect.close),
          effect.body,
        );
        break;
      case "respond_head":
        exchange.out.sendHead(effect.status, this.#framed(exchange, effect.headers, false), effect.coding);
        break;
      case "respond_body":
        exchange.out.sendBody(effect.bytes);
        break;
      case "respond_end":
        exchange.out.sendEnd();
        break;
      case "respond_cut":
        exchange.connection.cut(exchange);
        break;
    }
  }

  #onConnection(socket: Socket): void {
    const connection = new VisitorConnection<Exchange>(socket);
    this.#connections.set(socket, connection);
    socket.once("close", () => {
      for (const exchange of connection.turns) this.#end(exchange, false);
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
    const id = ++this.#exchangesOpened as ExchangeId;
    const { dispatch, nonce } = this.#options;
    const out = new VisitorResponse(
      response,
      (bytes) => {
        if (this.#exchanges.has(id)) dispatch({ type: "exchange_flushed", exchange: id, bytes });
      },
      () => this.#onFinished(exchange),
    );
    const hasBody = isBodyAhead(request);
    const exchange = {
      id,
      request,
      response,
      out,
      connection,
      hasBody,
      expectsContinue,
      isCut: false,
    };
    connection.add(exchange);
    this.#exchanges.set(id, exchange);
    dispatch({
      type: "exchange_opened",
      exchange: id,
      method: request.method ?? "",
      target: request.url ?? "",
      headers: request.rawHeaders,
      hasBody,
      nonce: nonce(),
    });
  }

  #read({ id, request, response, expectsContinue }: Exchange): void {
    const { dispatch } = this.#options;
    if (expectsContinue) response.writeContinue();
    request.on("data", (bytes: Buffer) => {
      if (this.#exchanges.has(id)) dispatch({ type: "exchange_body", exchange: id, bytes });
    });
    request.on("end", () => {
      if (this.#exchanges.has(id)) dispatch({ type: "exchange_body_ended", exchange: id });
    });
  }

  /** The headers with those that HTTP/1.1 demands of this hop; prepares the connection for its end where they say so. */
  #framed({ request, connection, hasBody }: Exchange, headers: readonly string[], close: boolean): string[] {
    const framed = [...headers];
    if (close || this.#isClosing) {
      framed.push("connection", "close");
      connection.seal();
    }
    if (hasBody && !request.complete) lingerAfterResponse(request.socket);
    return framed;
  }

  #onFinished(exchange: Exchange): void {
    const { connection, request } = exchange;
    this.#end(exchange, true);
    connection.finish(exchange);
    // A response whose head went out before the listener closed could not announce the end of the connection.
    if (this.#isClosing && connection.turns.length === 0) request.socket.destroySoon();
  }

  /** The last event of an exchange; whatever happens to it later is no longer told. */
  #end(exchange: Exchange, complete: boolean): void {
    if (!this.#exchanges.delete(exchange.id)) return;
    exchange.out.discard();
    this.#options.dispatch({ type: "exchange_closed", exchange: exchange.id, complete });
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
      if (newest.out.isHeadSent) {
        connection.cut(newest);
        return;
      }
      connection.withdraw(newest);
      this.#end(newest, false);
    }
    connection.refuse(answerToParserError(code));
  }
}

function codeOf(error: Error): string {
  return "code" in error && typeof error.code === "string" ? error.code : error.name;
}
