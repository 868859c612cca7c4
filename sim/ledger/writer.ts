/** Writes a ledger, step by step: what the process was told first, and then what it ordered. */
import type { ServerEffect } from "../../core/effects.ts";
import type { ServerEvent } from "../../core/events.ts";
import type { ExchangeId, SocketId } from "../../core/ids.ts";
import { utf8Length } from "../wire/frame.ts";
import { LedgerExchange } from "./exchange.ts";
import { Ledger } from "./ledger.ts";
import { NativeFrames } from "./native-frames.ts";
import { Packets } from "./packets.ts";
import { PeerAnswers } from "./peer-answers.ts";
import { isInPlace, type LedgerSocket, socketOf } from "./socket.ts";

export class LedgerWriter {
  readonly ledger: Ledger;
  readonly #nativeFrames: NativeFrames;
  readonly #packets: Packets;
  readonly #peers: PeerAnswers;

  constructor(idBase: number) {
    this.ledger = new Ledger(idBase);
    this.#nativeFrames = new NativeFrames(this.ledger);
    this.#packets = new Packets(this.ledger);
    this.#peers = new PeerAnswers(this.ledger);
  }

  /** Writes down one step, after it. */
  take(
    nowMs: number,
    event: ServerEvent,
    effects: readonly (ServerEffect | undefined)[],
    count: number,
  ): void {
    const { ledger } = this;
    ledger.steps++;
    ledger.nowMs = nowMs;
    // Clearing costs even where there is nothing to clear, and most steps leave nothing.
    ledger.touched.length = 0;
    if (ledger.aborts.size > 0) ledger.aborts.clear();
    if (ledger.resets.size > 0) ledger.resets.clear();
    ledger.astray.length = 0;
    ledger.packet = null;
    ledger.asked.length = 0;
    ledger.left.length = 0;
    this.#told(event);
    for (let index = 0; index < count; index++) {
      const effect = effects[index];
      if (effect !== undefined) this.#ordered(effect);
    }
    for (const exchange of ledger.touched) this.#count(exchange);
  }

  #told(event: ServerEvent): void {
    switch (event.type) {
      case "exchange_opened": {
        const exchange = new LedgerExchange(event, this.ledger.idBase, this.ledger.nowMs);
        exchange.sleptMs = this.ledger.sleptMs;
        this.ledger.exchanges.set(event.exchange, exchange);
        this.ledger.touch(exchange);
        break;
      }
      case "exchange_body":
      case "exchange_body_ended":
      case "exchange_flushed":
      case "exchange_closed":
        this.#toldOfExchange(event);
        break;
      case "upgrade_requested":
        this.#addSocket(socketOf(event, this.ledger.nowMs, this.ledger.sleptMs));
        break;
      case "socket_opened":
      case "socket_text":
      case "socket_bytes":
      case "socket_heard":
      case "socket_closed":
        this.#toldOfSocket(event);
        break;
      case "socket_flushed": {
        const socket = this.ledger.sockets.get(event.socket);
        if (socket !== undefined) socket.unsentBytes -= event.bytes;
        break;
      }
      case "registry_answered":
        this.#answered(event);
        break;
      case "origin_interim":
      case "origin_flushed":
      case "origin_head":
      case "origin_body":
      case "origin_ended":
      case "origin_failed":
        this.#peers.told(event);
        break;
      case "drain_requested":
        if (this.ledger.drainAskedMs !== null) break;
        this.ledger.drainAskedMs = this.ledger.nowMs;
        this.ledger.drainAskedSleptMs = this.ledger.sleptMs;
        break;
      default:
    }
  }

  #addSocket(socket: LedgerSocket): void {
    this.ledger.sockets.set(socket.id, socket);
    if (socket.kind === "tunnel") this.ledger.tunnels++;
  }

  #answered({ call, outcome }: Extract<ServerEvent, { readonly type: "registry_answered" }>): void {
    const asked = this.ledger.calls.get(call);
    this.ledger.calls.delete(call);
    if (asked === undefined || outcome.type === "failed") return;
    // The same operation is another attempt of the same call.
    for (const [other, { operation }] of this.ledger.calls) {
      if (operation === asked.operation) this.ledger.calls.delete(other);
    }
  }

  #leave(socket: LedgerSocket): void {
    if (socket.phase !== "leaving") this.ledger.left.push(socket);
    socket.phase = "leaving";
  }

  #toldOfExchange(
    event: Extract<
      ServerEvent,
      { readonly type: `exchange_${"body" | "body_ended" | "flushed" | "closed"}` }
    >,
  ): void {
    const exchange = this.ledger.exchanges.get(event.exchange);
    if (exchange === undefined) return;
    this.ledger.touch(exchange);
    if (event.type === "exchange_body" && (exchange.phase === "reading" || exchange.native)) {
      if (exchange.native) exchange.sessionBytes += event.bytes.length;
      else exchange.requestBytes += event.bytes.length;
      exchange.progressMs = this.ledger.nowMs;
    } else if (event.type === "exchange_body_ended") {
      exchange.requestEnded = true;
      exchange.relievedMs = this.ledger.nowMs;
      if (exchange.isForm && exchange.phase === "reading") {
        exchange.requestBytes = 0;
        exchange.phase = "arrived";
      }
    } else if (event.type === "exchange_flushed" && !exchange.isCut) {
      exchange.unflushedBytes -= event.bytes;
      exchange.progressMs = this.ledger.nowMs;
    } else if (event.type === "exchange_closed") {
      this.ledger.exchanges.delete(event.exchange);
    }
  }

  #toldOfSocket(
    event: Extract<
      ServerEvent,
      { readonly type: `socket_${"opened" | "text" | "bytes" | "heard" | "closed"}` }
    >,
  ): void {
    const socket = this.ledger.sockets.get(event.socket);
    if (socket === undefined) return;
    if (event.type === "socket_closed") {
      this.#leave(socket);
      this.ledger.sockets.delete(event.socket);
      if (socket.kind === "tunnel") this.ledger.tunnels--;
      return;
    }
    if (event.type === "socket_opened" && socket.phase === "accepted") {
      socket.phase = "open";
      socket.openedMs = this.ledger.nowMs;
      socket.pingedMs = this.ledger.nowMs;
      socket.greeted = !socket.native;
    }
    socket.heardMs = this.ledger.nowMs;
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
        this.ledger.calls.set(effect.call, { operation: effect.operation, askedMs: this.ledger.nowMs });
        break;
      case "origin_request":
        this.#peers.asked(effect);
        break;
      case "report":
        // One that is open may still be turned away.
        if (effect.report.type === "tunnel_accepted" && effect.report.protocol === "moosicbox")
          this.ledger.natives.delete(effect.report.clientId);
        break;
      default:
    }
  }

  #orderedForExchange(effect: Extract<ServerEffect, { readonly exchange: ExchangeId }>): void {
    const exchange = this.ledger.exchanges.get(effect.exchange);
    if (exchange === undefined) {
      this.ledger.astray.push(`${effect.type} for exchange ${effect.exchange}, which is not there`);
      return;
    }
    this.ledger.touch(exchange);
    switch (effect.type) {
      case "exchange_read":
        exchange.reads = true;
        exchange.native ||= !exchange.isForm && this.ledger.natives.has(exchange.clientId);
        if (exchange.phase === "arrived") exchange.phase = "reading";
        exchange.progressMs = this.ledger.nowMs;
        break;
      case "exchange_pause":
        exchange.bodyPaused = effect.paused;
        if (!effect.paused) exchange.relievedMs = this.ledger.nowMs;
        break;
      case "respond_upgrade":
        exchange.headSent = true;
        exchange.reads = true;
        break;
      case "respond":
        for (const part of effect.body) exchange.write(part.length, this.ledger.steps);
        exchange.headSent = true;
        exchange.end(this.ledger.nowMs, this.ledger.steps);
        break;
      case "respond_head":
        exchange.headSent = true;
        break;
      case "respond_body":
        exchange.write(effect.bytes.length, this.ledger.steps);
        break;
      case "respond_end":
        exchange.endedWhole = true;
        exchange.end(this.ledger.nowMs, this.ledger.steps);
        break;
      case "respond_cut":
        exchange.end(this.ledger.nowMs, this.ledger.steps);
        exchange.isCut = true;
        exchange.unflushedBytes = 0;
        break;
      default:
    }
  }

  #orderedForSocket(effect: Extract<ServerEffect, { readonly socket: SocketId }>): void {
    const socket = this.ledger.sockets.get(effect.socket);
    if (socket === undefined || !isInPlace(socket, effect)) {
      this.ledger.astray.push(
        `${effect.type} for socket ${effect.socket}, which is ${socket?.phase ?? "not there"}`,
      );
      return;
    }
    switch (effect.type) {
      case "upgrade_accept":
        socket.phase = "accepted";
        socket.acceptedMs = this.ledger.nowMs;
        socket.native = effect.protocol !== null;
        break;
      // It is over without a last event.
      case "upgrade_forward":
        this.ledger.sockets.delete(socket.id);
        break;
      case "upgrade_refuse":
      case "socket_close":
      case "socket_terminate":
        this.#leave(socket);
        break;
      case "socket_ping":
        socket.pingedMs = this.ledger.nowMs;
        break;
      case "socket_pause":
        socket.paused = effect.paused;
        socket.pausedMs = this.ledger.nowMs;
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
    const held = this.ledger.exchanges.has(exchange.id) ? exchange.heldBytes : 0;
    this.ledger.heldBytes += held - exchange.countedBytes;
    exchange.countedBytes = held;
  }
}
