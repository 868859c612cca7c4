/**
 * A visitor's WebSocket handshake with a home service, and the connection after it: raw bytes both ways, whose frames
 * nobody here looks at. It waits for its answer, and is then either `open`, or `refused` by a plain response.
 */
import type { Socket } from "node:net";
import { assert } from "../../core/assert.ts";
import type { HeaderList } from "../../core/http/headers.ts";
import { PacedWriter } from "../socket/paced-writer.ts";
import { headerLines } from "./edge-answer.ts";
import type { RequestListener } from "./visitor-request.ts";
import type { ResponseListener } from "./visitor-response.ts";

/** Here `onFinished` says that both sides have said their last byte. */
export type UpgradeListener = RequestListener & ResponseListener;

/** A client sends nothing before the answer (RFC 6455 section 4.1); of one that does so much is kept, the rest waits. */
const EARLY_BYTES_MAX = 64 * 1024;

export class VisitorUpgrade {
  readonly #socket: Socket;
  readonly #listener: UpgradeListener;
  readonly #writer: PacedWriter;
  #phase: "waiting" | "open" | "refused" = "waiting";
  #isPaused = false;
  /** What came before the answer. */
  #early: Buffer[] = [];
  #earlyBytes = 0;
  /** The visitor has said its last byte. */
  #isHeard = false;
  /** Our last byte has left for the kernel. */
  #isSaid = false;
  #isBroken = false;

  /** The stream is read at once, since nothing else tells that the visitor has left. */
  constructor(socket: Socket, listener: UpgradeListener) {
    this.#socket = socket;
    this.#listener = listener;
    this.#writer = new PacedWriter({
      write: (piece, onGone) =>
        socket.write(piece, (error) => {
          if (!error) onGone();
        }),
      end: () => socket.end(),
      onFlushed: (bytes) => listener.onFlushed(bytes),
    });
    socket.on("error", () => {
      this.#isBroken = true;
    });
    socket.on("data", (bytes: Buffer) => this.#onData(bytes));
    socket.on("end", () => this.#onEnd());
    socket.on("finish", () => {
      this.#isSaid = true;
      this.#settle();
    });
    socket.resume();
  }

  /** Whether the answer was 101. */
  get isOpen(): boolean {
    return this.#phase === "open";
  }

  /** Whether all that was ordered went out, and nothing broke. */
  get isComplete(): boolean {
    return this.isOpen && this.#isSaid && !this.#isBroken;
  }

  /** Answers 101 with these headers as they are. */
  accept(headers: HeaderList): void {
    assert(this.#phase === "waiting", "a handshake was answered twice");
    const socket = this.#socket;
    this.#phase = "open";
    socket.cork();
    process.nextTick(() => socket.uncork());
    socket.write(`HTTP/1.1 101 Switching Protocols\r\n${headerLines(headers)}\r\n`, "latin1");
    for (const bytes of this.#early.splice(0)) this.#listener.onBody(bytes);
    this.pause(this.#isPaused);
  }

  /** A plain response is to be the answer: what the visitor sends from here on is of no use to anybody. */
  refuse(): void {
    assert(this.#phase === "waiting", "a handshake was answered twice");
    this.#phase = "refused";
    this.#early = [];
    this.#socket.resume();
  }

  /** There is nothing to read before the answer. */
  read(): void {}

  pause(paused: boolean): void {
    this.#isPaused = paused;
    if (this.#phase !== "open") return;
    if (paused) this.#socket.pause();
    else this.#socket.resume();
  }

  sendBody(bytes: Uint8Array, isLastUse = false): void {
    this.#writer.write(bytes, isLastUse);
  }

  sendEnd(): void {
    this.#writer.end();
  }

  discard(): void {
    this.#writer.discard();
    this.#early = [];
  }

  #onData(bytes: Buffer): void {
    if (this.#phase === "open") this.#listener.onBody(bytes);
    if (this.#phase !== "waiting") return;
    this.#early.push(bytes);
    this.#earlyBytes += bytes.length;
    if (this.#earlyBytes >= EARLY_BYTES_MAX) this.#socket.pause();
  }

  #onEnd(): void {
    if (this.#phase !== "open") {
      // Half a connection is of no use to somebody who asked for a WebSocket.
      this.#socket.destroy();
      return;
    }
    this.#isHeard = true;
    this.#listener.onBodyEnded([]);
    this.#settle();
  }

  #settle(): void {
    if (this.#isHeard && this.isComplete) this.#listener.onFinished();
  }
}
