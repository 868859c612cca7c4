/**
 * What one server process was told and what it ordered, written down from outside: which exchanges and sockets there are,
 * what came for each and what went out. It follows the protocol and the contract of events and effects, and knows nothing
 * of how `core/` does its work. Checkers hold what the machine does, and what it says of itself, against it.
 */
import type { CallId, ExchangeId, SocketId } from "../../core/ids.ts";
import { utf8Length } from "../frame.ts";
import type { ServerEffect, ServerEvent } from "./checker.ts";
import { LedgerExchange } from "./ledger-exchange.ts";
import { type SeenPacket, seenPacket, seenTextPacket } from "./packet.ts";

export type LedgerSocket = {
  readonly id: SocketId;
  /** Whether an agent's, or a visitor's. */
  readonly kind: "tunnel" | "visitor";
  readonly clientId: string;
  readonly target: string;
  readonly requestedMs: number;
  /** `leaving`: it was refused, closed or cut, and only its last event is still to come. */
  phase: "asking" | "accepted" | "open" | "leaving";
  acceptedMs: number;
  /** Null while it is not open yet. */
  openedMs: number | null;
  /** When its peer last gave a sign of life. */
  heardMs: number;
  pingedMs: number;
  paused: boolean;
  pausedMs: number;
  /** Of what it was ordered to send, what has not left yet. */
  unsentBytes: number;
};

export type LedgerCall = {
  readonly operation: Extract<ServerEffect, { readonly type: "registry_call" }>["operation"];
  readonly askedMs: number;
};

const REQUEST_ID = /^\{"type":"(HTTP|WS|ABORT)",(?:"conn_id":\d+,)?"request_id":(\d+)/;

export class Ledger {
  /** Ids on the wire are those of events plus this. */
  readonly idBase: number;
  readonly exchanges = new Map<ExchangeId, LedgerExchange>();
  readonly sockets = new Map<SocketId, LedgerSocket>();
  /** Calls to the registry that were not answered yet; some of them may have been given up. */
  readonly calls = new Map<CallId, LedgerCall>();
  /** Steps written down. */
  steps = 0;
  nowMs = 0;
  /** Sockets that are tunnels. */
  tunnels = 0;
  /** What the exchanges that are there hold, all together. */
  heldBytes = 0;
  /** The exchanges that the last step was about, one that it closed included. */
  readonly touched = new Set<LedgerExchange>();
  /** The exchanges whose request frame went out in the last step. */
  readonly asked: LedgerExchange[] = [];
  /** The sockets that the last step ended. */
  readonly left: LedgerSocket[] = [];
  /** ABORT frames of the last step, each as the socket and the request id. */
  readonly aborts = new Set<string>();
  /** Effects of the last step that name nothing alive. */
  readonly astray: string[] = [];
  drainAskedMs: number | null = null;
  readonly #held = new Map<LedgerExchange, number>();

  constructor(idBase: number) {
    this.idBase = idBase;
  }

  /** Writes down one step, after it. */
  take(
    nowMs: number,
    event: ServerEvent,
    effects: readonly (ServerEffect | undefined)[],
    count: number,
  ): void {
    this.steps++;
    this.nowMs = nowMs;
    this.touched.clear();
    this.aborts.clear();
    this.astray.length = 0;
    this.asked.length = 0;
    this.left.length = 0;
    this.#told(event);
    for (let index = 0; index < count; index++) {
      const effect = effects[index];
      if (effect !== undefined) this.#ordered(effect);
    }
    for (const exchange of this.touched) this.#count(exchange);
  }

  /** Some packets wait for an earlier one. */
  get waitsForGaps(): boolean {
    for (const { phase, parkedPackets } of this.exchanges.values()) {
      if (phase === "asked" && parkedPackets > 0) return true;
    }
    return false;
  }

  /** The exchange of a request id, if it is there. */
  exchangeOf(requestId: number): LedgerExchange | undefined {
    return this.exchanges.get((requestId - this.idBase) as ExchangeId);
  }

  #told(event: ServerEvent): void {
    switch (event.type) {
      case "exchange_opened": {
        const exchange = new LedgerExchange(event, this.idBase, this.nowMs);
        this.exchanges.set(event.exchange, exchange);
        this.touched.add(exchange);
        break;
      }
      case "exchange_body":
      case "exchange_body_ended":
      case "exchange_flushed":
      case "exchange_closed":
        this.#toldOfExchange(event);
        break;
      case "upgrade_requested":
        this.#addSocket(socketOf(event, this.nowMs));
        break;
      case "socket_opened":
      case "socket_text":
      case "socket_bytes":
      case "socket_heard":
      case "socket_closed":
        this.#toldOfSocket(event);
        break;
      case "socket_flushed": {
        const socket = this.sockets.get(event.socket);
        if (socket !== undefined) socket.unsentBytes -= event.bytes;
        break;
      }
      case "registry_answered":
        this.#answered(event);
        break;
      case "drain_requested":
        this.drainAskedMs ??= this.nowMs;
        break;
      default:
    }
  }

  #addSocket(socket: LedgerSocket): void {
    this.sockets.set(socket.id, socket);
    if (socket.kind === "tunnel") this.tunnels++;
  }

  #answered({ call, outcome }: Extract<ServerEvent, { readonly type: "registry_answered" }>): void {
    const asked = this.calls.get(call);
    this.calls.delete(call);
    if (asked === undefined || outcome.type === "failed") return;
    // The same operation is another attempt of the same call.
    for (const [other, { operation }] of this.calls) {
      if (operation === asked.operation) this.calls.delete(other);
    }
  }

  #leave(socket: LedgerSocket): void {
    if (socket.phase !== "leaving") this.left.push(socket);
    socket.phase = "leaving";
  }

  #toldOfExchange(
    event: Extract<
      ServerEvent,
      { readonly type: `exchange_${"body" | "body_ended" | "flushed" | "closed"}` }
    >,
  ): void {
    const exchange = this.exchanges.get(event.exchange);
    if (exchange === undefined) return;
    this.touched.add(exchange);
    if (event.type === "exchange_body" && exchange.phase === "reading") {
      exchange.requestBytes += event.bytes.length;
      exchange.progressMs = this.nowMs;
    } else if (event.type === "exchange_flushed" && !exchange.isCut) {
      exchange.unflushedBytes -= event.bytes;
      exchange.progressMs = this.nowMs;
    } else if (event.type === "exchange_closed") {
      this.exchanges.delete(event.exchange);
    }
  }

  #toldOfSocket(
    event: Extract<
      ServerEvent,
      { readonly type: `socket_${"opened" | "text" | "bytes" | "heard" | "closed"}` }
    >,
  ): void {
    const socket = this.sockets.get(event.socket);
    if (socket === undefined) return;
    if (event.type === "socket_closed") {
      this.#leave(socket);
      this.sockets.delete(event.socket);
      if (socket.kind === "tunnel") this.tunnels--;
      return;
    }
    if (event.type === "socket_opened" && socket.phase === "accepted") {
      socket.phase = "open";
      socket.openedMs = this.nowMs;
      socket.pingedMs = this.nowMs;
    }
    socket.heardMs = this.nowMs;
    if (socket.phase !== "open" || socket.kind !== "tunnel") return;
    if (event.type === "socket_bytes") this.#packet(socket, seenPacket(event.bytes));
    if (event.type === "socket_text") this.#tunnelText(socket, event.text);
  }

  #tunnelText(socket: LedgerSocket, text: string): void {
    if (text.startsWith("TUNNEL_RESPONSE:")) {
      this.#packet(socket, seenTextPacket(text));
    } else if (text.includes('"ABORT"')) {
      const requestId = /"request_id":\s*(\d{1,16})/.exec(text)?.[1];
      const exchange = requestId === undefined ? undefined : this.exchangeOf(Number(requestId));
      if (exchange?.tunnel !== socket.id) return;
      this.touched.add(exchange);
      exchange.givenUp = true;
    }
  }

  #packet(socket: LedgerSocket, packet: SeenPacket | null): void {
    const exchange = packet === null ? undefined : this.exchangeOf(packet.requestId);
    if (packet === null || exchange?.tunnel !== socket.id || exchange.phase !== "asked") return;
    this.touched.add(exchange);
    exchange.take(packet, this.nowMs, this.steps);
  }

  #ordered(effect: ServerEffect): void {
    switch (effect.type) {
      case "exchange_read":
      case "respond":
      case "respond_head":
      case "respond_body":
      case "respond_end":
      case "respond_cut":
        this.#orderedForExchange(effect);
        break;
      case "upgrade_accept":
      case "upgrade_refuse":
      case "socket_send_text":
      case "socket_ping":
      case "socket_close":
      case "socket_terminate":
      case "socket_pause":
        this.#orderedForSocket(effect);
        break;
      case "registry_call":
        this.calls.set(effect.call, { operation: effect.operation, askedMs: this.nowMs });
        break;
      default:
    }
  }

  #orderedForExchange(effect: Extract<ServerEffect, { readonly exchange: ExchangeId }>): void {
    const exchange = this.exchanges.get(effect.exchange);
    if (exchange === undefined) {
      this.astray.push(`${effect.type} for exchange ${effect.exchange}, which is not there`);
      return;
    }
    this.touched.add(exchange);
    switch (effect.type) {
      case "exchange_read":
        exchange.phase = "reading";
        exchange.progressMs = this.nowMs;
        break;
      case "respond":
        for (const part of effect.body) this.#write(exchange, part.length);
        exchange.headSent = true;
        exchange.end(this.nowMs, this.steps);
        break;
      case "respond_head":
        exchange.headSent = true;
        break;
      case "respond_body":
        this.#write(exchange, effect.bytes.length);
        break;
      case "respond_end":
        exchange.endedWhole = true;
        exchange.end(this.nowMs, this.steps);
        break;
      case "respond_cut":
        exchange.end(this.nowMs, this.steps);
        exchange.isCut = true;
        exchange.unflushedBytes = 0;
        break;
      default:
    }
  }

  #write(exchange: LedgerExchange, bytes: number): void {
    exchange.writtenBytes += bytes;
    exchange.unflushedBytes += bytes;
  }

  #orderedForSocket(effect: Extract<ServerEffect, { readonly socket: SocketId }>): void {
    const socket = this.sockets.get(effect.socket);
    if (socket === undefined || !isInPlace(socket, effect)) {
      this.astray.push(
        `${effect.type} for socket ${effect.socket}, which is ${socket?.phase ?? "not there"}`,
      );
      return;
    }
    switch (effect.type) {
      case "upgrade_accept":
        socket.phase = "accepted";
        socket.acceptedMs = this.nowMs;
        break;
      case "upgrade_refuse":
      case "socket_close":
      case "socket_terminate":
        this.#leave(socket);
        break;
      case "socket_ping":
        socket.pingedMs = this.nowMs;
        break;
      case "socket_pause":
        socket.paused = effect.paused;
        socket.pausedMs = this.nowMs;
        break;
      case "socket_send_text":
        socket.unsentBytes += utf8Length(effect.text);
        if (socket.kind === "tunnel") this.#sent(socket, effect.text);
        break;
      default:
    }
  }

  #sent(socket: LedgerSocket, text: string): void {
    const frame = REQUEST_ID.exec(text);
    if (frame === null) return;
    const requestId = Number(frame[2]);
    if (frame[1] === "ABORT") this.aborts.add(`${socket.id} ${frame[2]}`);
    if (frame[1] !== "HTTP") return;
    const exchange = this.exchangeOf(requestId);
    if (exchange === undefined || exchange.phase === "asked" || exchange.phase === "over") {
      this.astray.push(`a request frame for ${requestId}, which is ${exchange?.phase ?? "not there"}`);
      return;
    }
    this.touched.add(exchange);
    this.asked.push(exchange);
    exchange.phase = "asked";
    exchange.tunnel = socket.id;
    exchange.requestBytes = 0;
    exchange.progressMs = this.nowMs;
  }

  #count(exchange: LedgerExchange): void {
    const before = this.#held.get(exchange) ?? 0;
    const isThere = this.exchanges.has(exchange.id);
    const after = isThere ? exchange.heldBytes : 0;
    this.heldBytes += after - before;
    if (isThere) this.#held.set(exchange, after);
    else this.#held.delete(exchange);
  }
}

type SocketOrder = Extract<ServerEffect, { readonly socket: SocketId }>;

/** Whether a socket in that phase can be ordered to do that. */
function isInPlace(socket: LedgerSocket, effect: SocketOrder): boolean {
  switch (effect.type) {
    case "upgrade_accept":
    case "upgrade_refuse":
      return socket.phase === "asking";
    case "socket_terminate":
      return socket.phase === "accepted" || socket.phase === "open";
    default:
      return socket.phase === "open";
  }
}

function socketOf(
  event: Extract<ServerEvent, { readonly type: "upgrade_requested" }>,
  nowMs: number,
): LedgerSocket {
  const [path, search = ""] = event.target.split("?");
  const query = new URLSearchParams(search);
  const clientId = path === "/ws" ? (query.get("clientId") ?? "") : "";
  return {
    id: event.socket,
    // A handshake that names no home is nobody's tunnel, whatever else it says.
    kind: clientId !== "" && query.get("sender") === "true" ? "tunnel" : "visitor",
    clientId,
    target: event.target,
    requestedMs: nowMs,
    phase: "asking",
    acceptedMs: nowMs,
    openedMs: null,
    heardMs: nowMs,
    pingedMs: nowMs,
    paused: false,
    pausedMs: nowMs,
    unsentBytes: 0,
  };
}
