/**
 * What one server process was told and what it ordered, written down from outside: which exchanges and sockets there are,
 * what came for each and what went out. It follows the protocol and the contract of events and effects, and knows nothing
 * of how `core/` does its work. Checkers hold what the machine does, and what it says of itself, against it.
 */
import type { CallId, ExchangeId, SocketId } from "../../core/ids.ts";
import type { ServerEffect, ServerEvent } from "../checkers/checker.ts";
import { utf8Length } from "../wire/frame.ts";
import { LedgerExchange } from "./exchange.ts";
import { NativeFrames } from "./native-frames.ts";
import { Packets } from "./packets.ts";
import type { SeenPacket } from "./seen-packet.ts";
import { isInPlace, type LedgerSocket, socketOf } from "./socket.ts";

export type LedgerCall = {
  readonly operation: Extract<ServerEffect, { readonly type: "registry_call" }>["operation"];
  readonly askedMs: number;
};

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
  readonly touched: LedgerExchange[] = [];
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
  /** Client ids whose latest tunnel is native; one that is lost may still have a session. */
  readonly natives = new Set<string>();
  readonly #nativeFrames = new NativeFrames(this);
  readonly #packets = new Packets(this);

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
    this.touched.length = 0;
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

  /** The step is about it. */
  touch(exchange: LedgerExchange): void {
    if (!this.touched.includes(exchange)) this.touched.push(exchange);
  }

  #told(event: ServerEvent): void {
    switch (event.type) {
      case "exchange_opened": {
        const exchange = new LedgerExchange(event, this.idBase, this.nowMs);
        exchange.sleptMs = this.sleptMs;
        this.exchanges.set(event.exchange, exchange);
        this.touch(exchange);
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
    this.touch(exchange);
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
    }
    socket.heardMs = this.nowMs;
    if (socket.phase !== "open" || socket.kind !== "tunnel") return;
    if (socket.native) {
      if (event.type === "socket_bytes") this.#nativeFrames.heard(socket, event.bytes);
      return;
    }
    if (event.type === "socket_bytes") this.#packets.heardBytes(socket, event.bytes);
    if (event.type === "socket_text") this.#packets.heardText(socket, event.text);
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
      case "report":
        // One that is open may still be turned away.
        if (effect.report.type === "tunnel_accepted" && effect.report.protocol === "moosicbox")
          this.natives.delete(effect.report.clientId);
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
    this.touch(exchange);
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
        if (socket.kind === "tunnel") this.#packets.sent(socket, effect.text);
        break;
      case "socket_send_packet": {
        let total = effect.header.length;
        for (const part of effect.body) total += part.length;
        socket.unsentBytes += total;
        this.#nativeFrames.sent(socket, effect.header, total);
        break;
      }
      default:
    }
  }

  #count(exchange: LedgerExchange): void {
    const held = this.exchanges.has(exchange.id) ? exchange.heldBytes : 0;
    this.heldBytes += held - exchange.countedBytes;
    exchange.countedBytes = held;
  }
}
