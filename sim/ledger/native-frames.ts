/** What frames of the native protocol write in a ledger: which session goes on, what was asked, and what came for it. */
import type { ExchangeId, SocketId } from "../../core/ids.ts";
import { KIND, readEntries, readGreeting, readNativeFrame, readStatus } from "../wire/native.ts";
import type { Ledger } from "./ledger.ts";
import type { LedgerSocket } from "./socket.ts";

export class NativeFrames {
  readonly #ledger: Ledger;
  /** Of native tunnels, those that are over included: a session is the client id's. */
  readonly #clientIds = new Map<SocketId, string>();

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  /** It came from a native agent. */
  heard(socket: LedgerSocket, bytes: Uint8Array): void {
    const frame = socket.greeted ? readNativeFrame(bytes) : null;
    if (frame === null) return;
    if (frame.kind === KIND.resume) this.#resume(socket, bytes);
    const exchange = this.#ledger.exchanges.get(frame.exchange as ExchangeId);
    if (exchange?.tunnel !== socket.id || exchange.phase !== "asked") return;
    if (frame.kind !== KIND.piece && frame.kind !== KIND.reset) return;
    this.#ledger.touch(exchange);
    if (frame.kind === KIND.reset) exchange.takeReset(frame);
    else exchange.takePiece(frame, frame.hasHead ? readStatus(bytes, frame.headAt) : 0, this.#ledger.nowMs);
  }

  /** It goes out to a native agent: a frame that begins so, of so many bytes in all. */
  sent(socket: LedgerSocket, header: Uint8Array, total: number): void {
    const frame = readNativeFrame(header, total);
    if (frame?.kind === KIND.welcome) this.#welcome(socket, readGreeting(header)?.resumed === true);
    else if (frame?.kind === KIND.reset) this.#ledger.resets.add(frame.exchange);
    else if (frame?.kind === KIND.piece && frame.hasHead) this.#ask(socket, frame.exchange as ExchangeId);
  }

  /** The agent says which exchanges it still knows; of the others it needs to be told nothing. */
  #resume(socket: LedgerSocket, bytes: Uint8Array): void {
    socket.resumes = false;
    const named = new Set(readEntries(bytes).map(({ exchange }) => exchange));
    for (const exchange of this.#ledger.exchanges.values()) {
      if (exchange.native && exchange.tunnel === socket.id) exchange.isForgotten = !named.has(exchange.id);
    }
  }

  #welcome(socket: LedgerSocket, resumed: boolean): void {
    socket.greeted = true;
    socket.resumes = resumed;
    this.#ledger.natives.add(socket.clientId);
    for (const exchange of this.#ledger.exchanges.values()) {
      const former = exchange.tunnel === null ? undefined : this.#clientIds.get(exchange.tunnel);
      if (resumed && exchange.native && former === socket.clientId) exchange.tunnel = socket.id;
    }
    this.#clientIds.set(socket.id, socket.clientId);
  }

  #ask(socket: LedgerSocket, id: ExchangeId): void {
    const exchange = this.#ledger.exchanges.get(id);
    // What an agent never heard of is sent again, and so is the beginning of what it heard of just now.
    if (exchange !== undefined && exchange.phase === "asked" && exchange.tunnel === socket.id) return;
    if (exchange === undefined || exchange.phase === "over") {
      this.#ledger.astray.push(`a request for ${id}, which is ${exchange?.phase ?? "not there"}`);
      return;
    }
    this.#ledger.touch(exchange);
    this.#ledger.asked.push(exchange);
    exchange.native = true;
    exchange.phase = "asked";
    exchange.tunnel = socket.id;
    exchange.sessionBytes += exchange.requestBytes;
    exchange.requestBytes = 0;
    exchange.relievedMs = this.#ledger.nowMs;
  }
}
