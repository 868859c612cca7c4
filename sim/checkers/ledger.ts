/**
 * What one server process was told and what it ordered, written down from outside: which exchanges and sockets there are,
 * what came for each and what went out. It follows the protocol and the contract of events and effects, and knows nothing
 * of how `core/` does its work. Checkers hold what the machine does, and what it says of itself, against it.
 */
import type { CallId, ExchangeId, SocketId } from "../../core/ids.ts";
import { utf8Length } from "../frame.ts";
import { KIND, readEntries, readGreeting, readNativeFrame, readStatus } from "../native-wire.ts";
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
  /** How long the process had slept by then. */
  readonly sleptMs: number;
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
  /** Whether it speaks the native protocol: chosen when its handshake was accepted. */
  native: boolean;
  /** Of a native tunnel: it was welcomed, so that its home is reached through it. Of any other: it is open. */
  greeted: boolean;
  /** Of a native tunnel that goes on with a session: the agent has not said yet where it stands. */
  resumes: boolean;
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
  /** For so long the process did not run, which is nothing that it could have done better. */
  sleptMs = 0;
  /** Sockets that are tunnels. */
  tunnels = 0;
  /** What the exchanges that are there hold, all together. */
  heldBytes = 0;
  /** The exchanges that the last step was about, one that it closed included. */
  readonly touched = new Set<LedgerExchange>();
  /** The packet that the last step brought, whosesoever it was. */
  packet: SeenPacket | null = null;
  /** The exchanges whose request frame went out in the last step. */
  readonly asked: LedgerExchange[] = [];
  /** The sockets that the last step ended. */
  readonly left: LedgerSocket[] = [];
  /** ABORT frames of the last step, each as the socket and the request id. */
  readonly aborts = new Set<string>();
  /** Exchanges that native agents were told to end in the last step. */
  readonly resets = new Set<number>();
  /** Effects of the last step that name nothing alive. */
  readonly astray: string[] = [];
  drainAskedMs: number | null = null;
  readonly #held = new Map<LedgerExchange, number>();
  /** Of native tunnels, those that are over included: a session is the client id's. */
  readonly #clientIds = new Map<SocketId, string>();
  /** Client ids whose latest tunnel is native; one that is lost may still have a session. */
  readonly natives = new Set<string>();

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
    // Clearing costs even where there is nothing to clear, and most steps leave nothing.
    if (this.touched.size > 0) this.touched.clear();
    if (this.aborts.size > 0) this.aborts.clear();
    if (this.resets.size > 0) this.resets.clear();
    this.astray.length = 0;
    this.packet = null;
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
        exchange.sleptMs = this.sleptMs;
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
        this.#addSocket(socketOf(event, this.nowMs, this.sleptMs));
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
    if (event.type === "exchange_body" && (exchange.phase === "reading" || exchange.native)) {
      if (exchange.native) exchange.sessionBytes += event.bytes.length;
      else exchange.requestBytes += event.bytes.length;
      exchange.progressMs = this.nowMs;
    } else if (event.type === "exchange_body_ended") {
      exchange.requestEnded = true;
      exchange.relievedMs = this.nowMs;
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
      socket.greeted = !socket.native;
      if (socket.greeted && socket.kind === "tunnel") this.natives.delete(socket.clientId);
    }
    socket.heardMs = this.nowMs;
    if (socket.phase !== "open" || socket.kind !== "tunnel") return;
    if (socket.native) {
      if (event.type === "socket_bytes") this.#nativeFrame(socket, event.bytes);
      return;
    }
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
    this.packet = packet;
    const exchange = packet === null ? undefined : this.exchangeOf(packet.requestId);
    if (packet === null || exchange?.tunnel !== socket.id || exchange.phase !== "asked") return;
    this.touched.add(exchange);
    exchange.take(packet, this.nowMs, this.steps);
  }

  /** From a native agent. */
  #nativeFrame(socket: LedgerSocket, bytes: Uint8Array): void {
    const frame = socket.greeted ? readNativeFrame(bytes) : null;
    if (frame === null) return;
    if (frame.kind === KIND.resume) this.#resume(socket, bytes);
    const exchange = this.exchanges.get(frame.exchange as ExchangeId);
    if (exchange?.tunnel !== socket.id || exchange.phase !== "asked") return;
    if (frame.kind !== KIND.piece && frame.kind !== KIND.reset) return;
    this.touched.add(exchange);
    if (frame.kind === KIND.reset) exchange.givenUp = true;
    else exchange.takePiece(frame, frame.hasHead ? readStatus(bytes, frame.headAt) : 0, this.nowMs);
  }

  /** The agent says which exchanges it still knows; of the others it needs to be told nothing. */
  #resume(socket: LedgerSocket, bytes: Uint8Array): void {
    socket.resumes = false;
    const named = new Set(readEntries(bytes).map(({ exchange }) => exchange));
    for (const exchange of this.exchanges.values()) {
      if (exchange.native && exchange.tunnel === socket.id) exchange.isForgotten = !named.has(exchange.id);
    }
  }

  #ordered(effect: ServerEffect): void {
    switch (effect.type) {
      case "exchange_read":
      case "exchange_pause":
      case "respond_interim":
      case "respond_upgrade":
      case "respond":
      case "respond_head":
      case "respond_body":
      case "respond_end":
      case "respond_cut":
        this.#orderedForExchange(effect);
        break;
      case "upgrade_accept":
      case "upgrade_forward":
      case "upgrade_refuse":
      case "socket_send_text":
      case "socket_send_packet":
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
        exchange.reads = true;
        exchange.native ||= this.natives.has(exchange.clientId);
        if (exchange.phase === "arrived") exchange.phase = "reading";
        exchange.progressMs = this.nowMs;
        break;
      case "exchange_pause":
        exchange.bodyPaused = effect.paused;
        if (!effect.paused) exchange.relievedMs = this.nowMs;
        break;
      case "respond_upgrade":
        exchange.headSent = true;
        exchange.reads = true;
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
        socket.native = effect.protocol !== null;
        break;
      // It is over without a last event.
      case "upgrade_forward":
        this.sockets.delete(socket.id);
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
      case "socket_send_packet":
        this.#sentFrame(socket, effect);
        break;
      default:
    }
  }

  #sentFrame(
    socket: LedgerSocket,
    { header, body }: Extract<ServerEffect, { readonly type: "socket_send_packet" }>,
  ): void {
    let total = header.length;
    for (const part of body) total += part.length;
    socket.unsentBytes += total;
    const frame = readNativeFrame(header, total);
    if (frame?.kind === KIND.welcome) this.#welcome(socket, readGreeting(header)?.resumed === true);
    else if (frame?.kind === KIND.reset) this.resets.add(frame.exchange);
    else if (frame?.kind === KIND.piece && frame.hasHead) this.#ask(socket, frame.exchange as ExchangeId);
  }

  #welcome(socket: LedgerSocket, resumed: boolean): void {
    socket.greeted = true;
    socket.resumes = resumed;
    this.natives.add(socket.clientId);
    for (const exchange of this.exchanges.values()) {
      const former = exchange.tunnel === null ? undefined : this.#clientIds.get(exchange.tunnel);
      if (resumed && exchange.native && former === socket.clientId) exchange.tunnel = socket.id;
    }
    this.#clientIds.set(socket.id, socket.clientId);
  }

  #ask(socket: LedgerSocket, id: ExchangeId): void {
    const exchange = this.exchanges.get(id);
    // What an agent never heard of is sent again, and so is the beginning of what it heard of just now.
    if (exchange !== undefined && exchange.phase === "asked" && exchange.tunnel === socket.id) return;
    if (exchange === undefined || exchange.phase === "over") {
      this.astray.push(`a request for ${id}, which is ${exchange?.phase ?? "not there"}`);
      return;
    }
    this.touched.add(exchange);
    this.asked.push(exchange);
    exchange.native = true;
    exchange.phase = "asked";
    exchange.tunnel = socket.id;
    exchange.sessionBytes += exchange.requestBytes;
    exchange.requestBytes = 0;
    exchange.relievedMs = this.nowMs;
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
    case "upgrade_forward":
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
  sleptMs: number,
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
    sleptMs,
    phase: "asking",
    acceptedMs: nowMs,
    openedMs: null,
    heardMs: nowMs,
    pingedMs: nowMs,
    paused: false,
    pausedMs: nowMs,
    unsentBytes: 0,
    native: false,
    greeted: false,
    resumes: false,
  };
}
