/**
 * The connections of one server process, as the shipped adapters hold them: WebSockets of agents and of visitors, and behind
 * the edge what visitors' requests came on.
 */
import type { ServerEffect } from "../../core/effects.ts";
import { NONCE_BYTES, type ServerEvent } from "../../core/events.ts";
import type { ExchangeId, SocketId } from "../../core/ids.ts";
import type { LinkEnd, LinkHandler } from "../network/link.ts";
import { PEERS } from "../scenario/forwarding.ts";
import { headerOf } from "../tools/headers.ts";
import type { Random } from "../tools/random.ts";
import { latin1Text } from "../tools/text.ts";
import type { World } from "../world/world.ts";
import type { ServerEdge } from "./server-edge.ts";

/** What is ordered of a connection. */
export type ConnectionOrder = Extract<
  ServerEffect,
  { readonly exchange: ExchangeId } | { readonly socket: SocketId }
>;

export class ServerConnections {
  readonly #world: World;
  readonly #random: Random;
  readonly #dispatch: (event: ServerEvent) => void;
  readonly #edge: ServerEdge;
  readonly #sockets = new Map<SocketId, LinkEnd>();
  #socketsOpened = 0;

  constructor(
    world: World,
    options: {
      readonly random: Random;
      readonly edge: ServerEdge;
      readonly dispatch: (event: ServerEvent) => void;
    },
  ) {
    this.#world = world;
    this.#random = options.random;
    this.#edge = options.edge;
    this.#dispatch = options.dispatch;
  }

  /** How many there are. */
  get count(): number {
    return this.#edge.count + this.#sockets.size;
  }

  /** The handle of a new socket. */
  readonly newSocket = (): SocketId => ++this.#socketsOpened as SocketId;

  /** The handle of a new socket with what its end of the link reports to. */
  socketHandler(): { readonly socket: SocketId; readonly handler: LinkHandler } {
    const socket = this.newSocket();
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
      case "exchange_pause":
        this.#world.sometimes(effect.paused ? "a visitor's upload is paused" : "a paused upload is read on");
        this.#edge.obey(effect);
        break;
      case "respond_interim":
        this.#world.sometimes("an interim response is passed on");
        this.#edge.obey(effect);
        break;
      case "respond_upgrade":
        this.#world.sometimes("an upgrade is taken");
        this.#edge.obey(effect);
        break;
      case "respond_head":
        if (effect.coding !== null) this.#world.sometimes("a response is compressed");
        this.#edge.obey(effect);
        break;
      case "exchange_read":
      case "respond":
      case "respond_body":
      case "respond_end":
      case "respond_cut":
        this.#edge.obey(effect);
        break;
      case "upgrade_accept":
        this.#sockets.get(effect.socket)?.accept(effect.protocol);
        break;
      case "upgrade_forward":
        this.#edge.forward(effect.socket);
        break;
      case "upgrade_refuse":
        this.#sockets
          .get(effect.socket)
          ?.refuse(effect.status, latin1Text(effect.body), headerOf(effect.headers, "retry-after"));
        this.#edge.refuse(effect);
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
    this.#edge.end(losesPower);
    for (const end of this.#sockets.values()) {
      if (losesPower) end.vanish();
      else end.hangUp();
    }
  }
}
