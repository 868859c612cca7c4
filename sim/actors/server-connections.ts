/**
 * The connections of one server process, as the shipped HTTP and WebSocket adapters hold them: lines of exchanges, sockets,
 * and handshakes of which nobody knows yet whose they are.
 */
import type { ServerEffect } from "../../core/effects.ts";
import { NONCE_BYTES, type ServerEvent } from "../../core/events.ts";
import type { ExchangeId, SocketId } from "../../core/ids.ts";
import type { ExchangeLine, NodeSide } from "../network/exchange-line.ts";
import type { LinkEnd, LinkHandler } from "../network/link.ts";
import { PEERS } from "../scenario/forwarding.ts";
import type { Random } from "../tools/random.ts";
import { latin1Text } from "../tools/text.ts";
import type { World } from "../world/world.ts";

/** What is ordered of a connection. */
export type ConnectionOrder = Extract<
  ServerEffect,
  { readonly exchange: ExchangeId } | { readonly socket: SocketId }
>;

/** A handshake whose connection becomes an exchange's, if the machine says so; null while it did not. */
type Handshake = { readonly line: ExchangeLine; exchange: NodeSide | null };

export class ServerConnections {
  readonly #world: World;
  readonly #random: Random;
  readonly #dispatch: (event: ServerEvent) => void;
  readonly #lines = new Map<ExchangeId, ExchangeLine>();
  readonly #sockets = new Map<SocketId, LinkEnd>();
  readonly #handshakes = new Map<SocketId, Handshake>();
  #exchangesOpened = 0;
  #socketsOpened = 0;

  constructor(world: World, random: Random, dispatch: (event: ServerEvent) => void) {
    this.#world = world;
    this.#random = random;
    this.#dispatch = dispatch;
  }

  /** How many there are. */
  get count(): number {
    return this.#lines.size + this.#sockets.size + this.#handshakes.size;
  }

  /** A visitor's request head was read: the node's end of the line from here on. */
  open(line: ExchangeLine): NodeSide {
    return line.request.upgrade === true ? this.#openHandshake(line) : this.#openExchange(line);
  }

  #openHandshake(line: ExchangeLine): NodeSide {
    const socket = ++this.#socketsOpened as SocketId;
    const handshake: Handshake = { line, exchange: null };
    this.#handshakes.set(socket, handshake);
    const { target, headers } = line.request;
    const peer = line.request.peer ?? PEERS[0];
    this.#dispatch({ type: "upgrade_requested", socket, target, headers, peer });
    return {
      body: (bytes) => handshake.exchange?.body(bytes),
      bodyEnded: (trailers) => handshake.exchange?.bodyEnded(trailers),
      flushed: (bytes) => handshake.exchange?.flushed(bytes),
      closed: (complete) => {
        if (handshake.exchange !== null) {
          handshake.exchange.closed(complete);
          return;
        }
        this.#handshakes.delete(socket);
        this.#dispatch({ type: "socket_closed", socket, code: 1006, reason: "" });
      },
    };
  }

  #openExchange(line: ExchangeLine): NodeSide {
    const exchange = ++this.#exchangesOpened as ExchangeId;
    this.#lines.set(exchange, line);
    const { method, target, headers, hasBody, upgrade = false, expectsContinue = false } = line.request;
    const nonce = this.#random.bytes(NONCE_BYTES);
    this.#dispatch({
      type: "exchange_opened",
      exchange,
      method,
      target,
      headers,
      hasBody: hasBody || upgrade,
      upgrade,
      expectsContinue,
      peer: line.request.peer ?? PEERS[0],
      nonce,
    });
    return {
      body: (bytes) => this.#dispatch({ type: "exchange_body", exchange, bytes }),
      bodyEnded: (trailers) => this.#dispatch({ type: "exchange_body_ended", exchange, trailers }),
      flushed: (bytes) => {
        if (bytes > 0) this.#dispatch({ type: "exchange_flushed", exchange, bytes });
      },
      closed: (complete) => {
        this.#lines.delete(exchange);
        this.#dispatch({ type: "exchange_closed", exchange, complete });
      },
    };
  }

  /** The handle of a new socket with what its end of the link reports to. */
  socketHandler(): { readonly socket: SocketId; readonly handler: LinkHandler } {
    const socket = ++this.#socketsOpened as SocketId;
    const handler: LinkHandler = {
      opened: () => this.#dispatch({ type: "socket_opened", socket, nonce: this.#random.bytes(NONCE_BYTES) }),
      refused: () => {},
      text: (text) => this.#dispatch({ type: "socket_text", socket, text }),
      bytes: (bytes) => this.#dispatch({ type: "socket_bytes", socket, bytes }),
      heard: () => this.#dispatch({ type: "socket_heard", socket }),
      flushed: (bytes) => this.#dispatch({ type: "socket_flushed", socket, bytes }),
      closed: (code, reason) => {
        this.#sockets.delete(socket);
        this.#dispatch({ type: "socket_closed", socket, code, reason });
      },
    };
    return { socket, handler };
  }

  /** A request to upgrade was read. */
  requestUpgrade(socket: SocketId, end: LinkEnd, target: string, headers: readonly string[]): void {
    this.#sockets.set(socket, end);
    this.#dispatch({ type: "upgrade_requested", socket, target, headers, peer: PEERS[0] });
  }

  perform(effect: ConnectionOrder): void {
    switch (effect.type) {
      case "exchange_read":
        this.#lines.get(effect.exchange)?.read();
        break;
      case "exchange_pause":
        this.#world.sometimes(effect.paused ? "a visitor's upload is paused" : "a paused upload is read on");
        this.#lines.get(effect.exchange)?.pauseBody(effect.paused);
        break;
      case "respond_interim":
        this.#world.sometimes("an interim response is passed on");
        this.#lines.get(effect.exchange)?.respondInterim(effect.status, effect.headers);
        break;
      case "respond_upgrade":
        this.#world.sometimes("an upgrade is taken");
        this.#lines.get(effect.exchange)?.respondUpgrade(effect.headers);
        break;
      case "respond":
        this.#respond(effect);
        break;
      case "respond_head":
        if (effect.coding !== null) this.#world.sometimes("a response is compressed");
        this.#lines.get(effect.exchange)?.respondHead(effect.status, effect.headers);
        break;
      case "respond_body":
        this.#lines.get(effect.exchange)?.respondBody(effect.bytes);
        break;
      case "respond_end":
        this.#lines.get(effect.exchange)?.respondEnd(effect.trailers);
        break;
      case "respond_cut":
        this.#lines.get(effect.exchange)?.respondCut();
        break;
      case "upgrade_accept":
        this.#sockets.get(effect.socket)?.accept(effect.protocol);
        break;
      case "upgrade_forward":
        this.#forward(effect.socket);
        break;
      case "upgrade_refuse":
        this.#refuse(effect);
        break;
      case "socket_send_text":
        this.#sockets.get(effect.socket)?.sendText(effect.text);
        break;
      case "socket_send_packet":
        this.#sockets.get(effect.socket)?.sendBytes([effect.header, ...effect.body]);
        break;
      case "socket_ping":
        this.#sockets.get(effect.socket)?.ping();
        break;
      case "socket_close":
        this.#sockets.get(effect.socket)?.close(effect.code, effect.reason);
        break;
      case "socket_terminate":
        this.#sockets.get(effect.socket)?.terminate();
        break;
      case "socket_pause":
        this.#world.sometimes(effect.paused ? "a tunnel is paused" : "a paused tunnel is read on");
        this.#sockets.get(effect.socket)?.pause(effect.paused);
        break;
    }
  }

  /** The process has died, or with its power the whole machine. */
  end(losesPower: boolean): void {
    const handshakes = [...this.#handshakes.values()].map(({ line }) => line);
    for (const end of [...this.#lines.values(), ...handshakes, ...this.#sockets.values()]) {
      if (losesPower) end.vanish();
      else end.hangUp();
    }
  }

  #respond(effect: Extract<ServerEffect, { type: "respond" }>): void {
    const line = this.#lines.get(effect.exchange);
    if (line === undefined) return;
    line.respondHead(effect.status, effect.headers);
    for (const part of effect.body) line.respondBody(part);
    line.respondEnd();
  }

  /** The handshake is a visitor's with a home, and its connection goes on as an exchange. */
  #forward(socket: SocketId): void {
    const handshake = this.#handshakes.get(socket);
    if (handshake === undefined) return;
    this.#handshakes.delete(socket);
    handshake.exchange = this.#openExchange(handshake.line);
  }

  #refuse({ socket, status, headers, body }: Extract<ServerEffect, { type: "upgrade_refuse" }>): void {
    this.#sockets.get(socket)?.refuse(status, latin1Text(body));
    const line = this.#handshakes.get(socket)?.line;
    line?.respondHead(status, headers);
    line?.respondEnd();
  }
}
