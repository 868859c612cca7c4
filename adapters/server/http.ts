/**
 * The visitors' side of the server: sockets that the edge's state machine speaks HTTP over (`core/edge/`). What a request may
 * do, and how long anything may take, is for the machines to say.
 */
import { IncomingMessage } from "node:http";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { createServer as createTlsServer, type TlsOptions } from "node:tls";
import { assert, unreachable } from "../../core/assert.ts";
import { createEdge, type Edge, edgeDeadlineMs, stepEdge } from "../../core/edge/edge.ts";
import type { EdgeEffect, EdgeEvent, EdgeFact, EdgeOrder } from "../../core/edge/events.ts";
import type { EdgeLimits } from "../../core/edge/limits.ts";
import type { HeaderList } from "../../core/http/headers.ts";
import type { IpBlock } from "../../core/http/ip.ts";
import { IdTable } from "../../core/id-table.ts";
import type { ConnectionId, ExchangeId } from "../../core/ids.ts";
import { monotonicNowMs } from "../clock.ts";
import { Driver } from "../driver.ts";
import { codeOf } from "../error-cause.ts";
import { type Listening, listenAt } from "../socket/listening.ts";
import { CodedBodies } from "./coded-bodies.ts";
import { VisitorConnection } from "./visitor-connection.ts";

export type HttpServerEvent = EdgeFact;
export type HttpServerEffect = EdgeOrder;

export type HttpServerOptions = Listening & {
  readonly dispatch: (event: HttpServerEvent) => void;
  readonly nonce: () => Uint8Array;
  /** As of the edge's configuration. */
  readonly nextExchange?: () => ExchangeId;
  /** Where it is other nodes that come, over TLS where there is a certificate for it. `farewell`: as of the edge. */
  readonly forPeers?: { readonly tls: TlsOptions | null; readonly farewell: HeaderList };
  /** A monotonic clock in whole milliseconds; the process's own where it is left out. */
  readonly nowMs?: () => number;
  readonly limits: EdgeLimits;
  readonly trustedProxies: readonly IpBlock[];
  /** Takes over a connection whose well-formed WebSocket handshake waits for its answer. */
  readonly onUpgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
  /** Told of each request that could not be read and each connection that could not be accepted, by its fault. */
  readonly onFault?: (fault: string) => void;
  /** Told of a bug. Without it the process ends by it. */
  readonly onFatal?: (error: unknown) => void;
};

const LISTENER_OPTIONS = {
  /** The visitor's end of his side is for the edge to answer. */
  allowHalfOpen: true,
  noDelay: true,
  /** Node would read of a connection before the edge has said whether it is to be read. */
  pauseOnConnect: true,
  /** Of a connection that is paused Node reads on as far as that, and the whole of one read: 64 KiB. */
  highWaterMark: 16 * 1024,
};

/** As `probeMs` says. Node 24 has no such arguments yet, and sends ten probes, one each second. */
const PROBE_EVERY_MS = 15_000;
const PROBES = 4;

/** A turn of the loop with little to do; and for how long one is waited for when the listener is to close. */
const QUIET_TURN_MS = 0.3;
const QUIET_WITHIN_MS = 200;

export class HttpServer {
  readonly #options: HttpServerOptions;
  readonly #server: Server;
  readonly #edge: Edge;
  /** Below TLS, in its handshake or behind it: of the former the edge does not know. */
  readonly #rawSockets = new Set<Socket>();
  readonly #driver: Driver<Edge, EdgeEvent, EdgeEffect>;
  readonly #connections = new IdTable<ConnectionId, VisitorConnection>();
  readonly #bodies: CodedBodies;
  /** Whose sockets were handed over. */
  readonly #handedOver = new WeakMap<Duplex, ConnectionId>();
  #connectionsAccepted = 0;
  /** Set while the listener is closed and connections are still going. */
  #onAllGone: (() => void) | null = null;

  constructor(options: HttpServerOptions) {
    this.#options = options;
    const { limits, trustedProxies } = options;
    const edge = createEdge({
      limits,
      trustedProxies,
      date: dateText,
      ...(options.nextExchange === undefined ? {} : { nextExchange: options.nextExchange }),
      ...(options.forPeers === undefined ? {} : { forPeers: options.forPeers }),
    });
    this.#edge = edge;
    this.#driver = new Driver<Edge, EdgeEvent, EdgeEffect>({
      state: edge,
      step: stepEdge,
      deadlineMs: edgeDeadlineMs,
      perform: (effect) => this.#perform(effect),
      nowMs: options.nowMs ?? monotonicNowMs,
      onFatal: (error) => {
        if (options.onFatal === undefined) throw error;
        options.onFatal(error);
      },
    });
    this.#bodies = new CodedBodies({
      order: (order) => this.#driver.dispatch(order),
      isOpen: (exchange) => edge.turns.has(exchange),
      tell: options.dispatch,
    });
    const tls = options.forPeers?.tls ?? null;
    this.#server =
      tls === null
        ? createServer(LISTENER_OPTIONS, (socket) => this.#accept(socket))
        : createTlsServer({ ...LISTENER_OPTIONS, ...tls, handshakeTimeout: limits.headMs }, (socket) =>
            this.#accept(socket),
          );
    // What is in its TLS handshake is no connection of the edge's yet.
    if (tls !== null) {
      this.#server.maxConnections = limits.connectionsMax;
      this.#server.on("connection", (socket: Socket) => {
        this.#rawSockets.add(socket);
        socket.once("close", () => this.#rawSockets.delete(socket));
      });
    }
  }

  /** Resolves to the address that visitors can reach. Rejects with Node's error where it cannot be had. */
  async listen(): Promise<AddressInfo> {
    const { onFault } = this.#options;
    const address = await listenAt(this.#server, this.#options);
    // Such as a process without free file descriptors: the connection is lost, the listener is not.
    this.#server.on("error", (error) => onFault?.(codeOf(error) || error.name));
    return address;
  }

  /** Ends all connections but those that `onUpgrade` took, at once, and resolves when the last of both kinds is gone. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => {
        // The last sockets have still to say that they are closed.
        this.#onAllGone = () => {
          this.#driver.stop();
          resolve();
        };
        if (this.#connections.size === 0) this.#onAllGone();
      });
      for (const socket of this.#rawSockets) socket.destroy();
      for (const connection of this.#connections.values()) {
        if (!connection.isHandedOver) connection.destroy();
      }
    });
  }

  /** Takes back a handshake from `onUpgrade`, which is for a home service. What followed it is in its socket again. */
  forward(request: IncomingMessage): void {
    const id = this.#handedOver.get(request.socket);
    assert(id !== undefined, "a handshake was forwarded that came from elsewhere");
    const connection = this.#connections.get(id);
    // It may have closed meanwhile.
    if (connection === undefined) return;
    connection.takeBack();
    this.#driver.dispatch({ type: "connection_returned", connection: id });
  }

  /** The handshake was refused by whoever `onUpgrade` gave it to. */
  refused(request: IncomingMessage): void {
    const id = this.#handedOver.get(request.socket);
    assert(id !== undefined, "a handshake was refused that came from elsewhere");
    if (this.#connections.has(id)) this.#driver.dispatch({ type: "connection_refused", connection: id });
  }

  /** Whether the exchange came here, and has not ended. */
  has(exchange: ExchangeId): boolean {
    return this.#edge.turns.has(exchange);
  }

  /** Orders for an exchange that has ended here are ignored: its last event is on the way. */
  perform(effect: HttpServerEffect): void {
    if (effect.type === "listener_close") this.#closeListener(() => this.#driver.dispatch(effect));
    else if (!this.#bodies.takes(effect)) this.#driver.dispatch(effect);
  }

  /**
   * The kernel resets what is left in the queue: so the listener goes in a turn of the loop that took in nobody and was short, if
   * there is one soon. Where another process holds the same socket nothing is reset, and with `net.ipv4.tcp_migrate_req` neither.
   */
  #closeListener(then: () => void, untilMs: number | null = null): void {
    const accepted = this.#connectionsAccepted;
    const begunMs = performance.now();
    setImmediate(() => {
      const nowMs = performance.now();
      const isQuiet = this.#connectionsAccepted === accepted && nowMs - begunMs < QUIET_TURN_MS;
      // The first turn may have looked at the queue before this one was asked for.
      if (untilMs === null || (!isQuiet && nowMs < untilMs)) {
        return this.#closeListener(then, untilMs ?? nowMs + QUIET_WITHIN_MS);
      }
      this.#server.close();
      then();
    });
  }

  #accept(socket: Socket): void {
    const id = ++this.#connectionsAccepted as ConnectionId;
    const dispatch = (event: EdgeEvent) => {
      this.#driver.dispatch(event);
      if (event.type !== "connection_closed") return;
      this.#connections.delete(id);
      if (this.#connections.size === 0) this.#onAllGone?.();
    };
    socket.setKeepAlive(true, this.#options.limits.probeMs, PROBE_EVERY_MS, PROBES);
    const connection = new VisitorConnection(id, socket, dispatch);
    this.#connections.set(id, connection);
    // Once the connection is gone the system does not tell it any more.
    // Who comes by a Unix socket is a process of this machine.
    const peer = this.#options.path ? "127.0.0.1" : (socket.remoteAddress ?? "");
    this.#driver.dispatch({ type: "connection_accepted", connection: id, peer });
    connection.begin();
  }

  #perform(effect: EdgeEffect): void {
    switch (effect.type) {
      case "exchange_opened":
        return this.#options.dispatch({ ...effect, nonce: this.#options.nonce() });
      case "exchange_flushed":
      case "exchange_closed":
        if (!this.#bodies.hears(effect)) this.#options.dispatch(effect);
        return;
      case "exchange_body":
      case "exchange_body_ended":
      case "visitors_gone":
        return this.#options.dispatch(effect);
      case "connection_fault":
        return this.#options.onFault?.(effect.fault);
      case "connection_write":
        return this.#connections.get(effect.connection)?.write(effect.parts, effect.lastUse);
      case "connection_end":
        return this.#connections.get(effect.connection)?.end();
      case "connection_pause":
        return this.#connections.get(effect.connection)?.pause(effect.paused);
      case "connection_probe":
        return this.#connections.get(effect.connection)?.probe();
      case "connection_close":
        return this.#connections.get(effect.connection)?.destroy();
      case "connection_reset":
        return this.#connections.get(effect.connection)?.reset();
      case "connection_hand_over":
        return this.#handOver(effect.connection, effect.target, effect.headers, effect.rest);
      default:
        unreachable(effect);
    }
  }

  #handOver(id: ConnectionId, target: string, headers: HeaderList, rest: Uint8Array): void {
    const connection = this.#connections.get(id);
    if (connection === undefined) return;
    connection.giveAway();
    this.#handedOver.set(connection.socket, id);
    const request = new IncomingMessage(connection.socket);
    request.method = "GET";
    request.url = target;
    request.rawHeaders = [...headers];
    request.headers = byName(headers);
    this.#options.onUpgrade(request, connection.socket, Buffer.from(rest));
  }
}

/** As `ws` looks them up; what comes twice is joined. */
function byName(headers: HeaderList): Record<string, string> {
  const values = new Map<string, string>();
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const name = (headers[index] ?? "").toLowerCase();
    const before = values.get(name);
    const value = headers[index + 1] ?? "";
    values.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  return Object.fromEntries(values);
}

/** The text is made anew each second. */
function dateText(): string {
  const nowS = Math.floor(Date.now() / 1_000);
  if (nowS !== dateS) {
    dateS = nowS;
    date = new Date(nowS * 1_000).toUTCString();
  }
  return date;
}

let dateS = 0;
let date = "";
