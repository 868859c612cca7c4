/**
 * One server process: the real state machine of `core/server.ts`, with what the shipped HTTP, WebSocket and registry
 * adapters do, over simulated connections.
 */
import type { ServerEffect } from "../../core/effects.ts";
import { NONCE_BYTES, type ServerEvent } from "../../core/events.ts";
import { type ExchangeId, ID_BASE_BYTES, idBaseFrom, type SocketId } from "../../core/ids.ts";
import type { ServerLimits } from "../../core/limits.ts";
import {
  checkServer,
  createServer,
  type ServerState,
  serverDeadlineMs,
  serverSnapshot,
  stepServer,
} from "../../core/server.ts";
import type { ServerSizes, SteppedServer } from "../checkers/checker.ts";
import { Ledger } from "../ledger/ledger.ts";
import type { ExchangeLine, NodeSide } from "../network/exchange-line.ts";
import type { LinkEnd, LinkHandler } from "../network/link.ts";
import { serverReportMarks } from "../record/marks.ts";
import { PEERS } from "../scenario/forwarding.ts";
import { DOMAIN } from "../scenario/request.ts";
import { fakeSha256 } from "../tools/hash.ts";
import type { Random } from "../tools/random.ts";
import { latin1Text } from "../tools/text.ts";
import { Process } from "../world/process.ts";
import type { World } from "../world/world.ts";
import type { FakeRegistry } from "./registry.ts";
import { added, NOTHING_HELD, type SessionHold } from "./session-hold.ts";

export type ServerSettings = {
  readonly accessToken: string;
  readonly corsOrigins: readonly string[] | null;
  readonly trustedProxies: readonly string[];
  readonly pathRouting: boolean;
  readonly limits: ServerLimits;
};

/** A handshake whose connection becomes an exchange's, if the machine says so; null while it did not. */
type Handshake = { readonly line: ExchangeLine; exchange: NodeSide | null };

export class ServerProcess implements SteppedServer {
  readonly process: Process<ServerEvent, ServerEffect>;
  /** False while it takes no new connection. */
  listening = true;
  /** Its WebSocket adapter takes no larger message. */
  readonly messageBytesMax: number;
  /** With the machine goes the kernel: peers are told nothing. */
  losesPower = false;
  readonly ledger: Ledger;
  readonly #idBase: number;
  readonly #state: ServerState;
  /** After the last step; null until somebody asks. */
  #sizes: ServerSizes | null = null;
  readonly #world: World;
  readonly #registry: FakeRegistry;
  readonly #random: Random;
  readonly #lines = new Map<ExchangeId, ExchangeLine>();
  readonly #sockets = new Map<SocketId, LinkEnd>();
  readonly #handshakes = new Map<SocketId, Handshake>();
  readonly #onGone: () => void;
  #exchangesOpened = 0;
  #socketsOpened = 0;

  constructor(
    world: World,
    registry: FakeRegistry,
    name: string,
    settings: ServerSettings,
    onGone: () => void,
  ) {
    this.#world = world;
    this.#registry = registry;
    this.#random = world.random(`server:${name}`);
    this.#onGone = onGone;
    this.messageBytesMax = settings.limits.tunnelMessageBytesMax;
    this.#idBase = idBaseFrom(this.#random.bytes(ID_BASE_BYTES));
    this.ledger = new Ledger(this.#idBase);
    this.#state = createServer({
      node: name,
      idBase: this.#idBase,
      accessToken: settings.accessToken,
      corsOrigins: settings.corsOrigins,
      domain: DOMAIN,
      pathRouting: settings.pathRouting,
      queryTokens: true,
      trustedProxies: settings.trustedProxies,
      build: "simulated",
      limits: settings.limits,
      sha256: fakeSha256,
    });
    const state = this.#state;
    this.process = new Process<ServerEvent, ServerEffect>(world, {
      name,
      machine: {
        step: (nowMs, event, out) => stepServer(state, nowMs, event, out),
        deadlineMs: () => serverDeadlineMs(state),
        check: () => checkServer(state),
      },
      tick: { type: "tick" },
      perform: (effect) => this.#perform(effect),
      onStep: (event, effects, count) => {
        this.#sizes = null;
        this.ledger.sleptMs = this.process.sleptMs;
        this.ledger.take(this.nowMs, event, effects, count);
        world.watch.serverStep(this, event, effects, count);
      },
      onDead: () => this.#onDead(),
    });
  }

  start(): void {
    this.#world.trace?.started(this.#world.nowUs, this.process.name, this.#idBase);
    this.process.dispatch({ type: "tick" });
  }

  get name(): string {
    return this.process.name;
  }

  get nowMs(): number {
    return this.process.nowMs;
  }

  get heldBytes(): number {
    return this.#state.heldBytes;
  }

  snapshot(): ServerSizes {
    if (this.#sizes !== null) return this.#sizes;
    const { tunnels, visitorSockets, exchanges, heldBytes, waiting, sessions, counters } = serverSnapshot(
      this.#state,
    );
    const timersArmed = this.#state.timers.heap.length;
    this.#sizes = { tunnels, visitorSockets, exchanges, heldBytes, waiting, sessions, timersArmed, counters };
    return this.#sizes;
  }

  /** What the sessions of native agents still hold, but for those of some client ids: all zero when all is settled. */
  sessionsHold(but: ReadonlySet<string>): SessionHold {
    let hold = NOTHING_HELD;
    for (const [clientId, { link }] of this.#state.sessions) if (!but.has(clientId)) hold = added(hold, link);
    return hold;
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
    this.#dispatch({ type: "upgrade_requested", socket, target, headers });
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
    this.#dispatch({ type: "upgrade_requested", socket, target, headers });
  }

  drain(): void {
    this.#dispatch({ type: "drain_requested" });
  }

  /** Lines and sockets that the process still holds. */
  get openConnections(): number {
    return this.#lines.size + this.#sockets.size + this.#handshakes.size;
  }

  #dispatch(event: ServerEvent): void {
    this.process.dispatch(event);
  }

  #perform(effect: ServerEffect): void {
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
      case "registry_call": {
        const { call, operation } = effect;
        this.#registry.call(this.process.name, operation, (outcome) =>
          this.process.run(() => this.#dispatch({ type: "registry_answered", call, outcome })),
        );
        break;
      }
      case "listener_close":
        this.listening = false;
        break;
      case "drained":
        this.#world.sometimes("a drain is finished");
        this.process.kill();
        break;
      case "report":
        this.#world.sometimes(serverReportMarks[effect.report.type]);
        break;
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

  #onDead(): void {
    this.listening = false;
    const handshakes = [...this.#handshakes.values()].map(({ line }) => line);
    for (const end of [...this.#lines.values(), ...handshakes, ...this.#sockets.values()]) {
      if (this.losesPower) end.vanish();
      else end.hangUp();
    }
    this.#onGone();
  }
}
