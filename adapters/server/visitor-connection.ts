/** One visitor's socket: bytes in, bytes out, and its end, in the words of the edge. */
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { EdgeEvent } from "../../core/edge/events.ts";
import type { ConnectionId } from "../../core/ids.ts";
import { codeOf } from "../error-cause.ts";
import { PacedWriter } from "../socket/paced-writer.ts";
import { type Parts, writeParts } from "../socket/parts.ts";
import { countReceived } from "../socket/received-bytes.ts";

const NOTHING = new Uint8Array(0);

export class VisitorConnection {
  readonly socket: Socket;
  readonly #id: ConnectionId;
  readonly #dispatch: (event: EdgeEvent) => void;
  readonly #writer: PacedWriter<Parts>;
  #isCorked = false;
  #isHandedOver = false;
  #isPaused = false;
  #error: Error | null = null;

  constructor(id: ConnectionId, socket: Socket, dispatch: (event: EdgeEvent) => void) {
    this.#id = id;
    this.socket = socket;
    this.#dispatch = dispatch;
    this.#writer = new PacedWriter<Parts>({
      write: (parts, onGone) => this.#send(parts, onGone),
      end: () => socket.end(),
      onFlushed: (bytes) => dispatch({ type: "connection_flushed", connection: id, bytes }),
    });
    socket.on("data", this.#onData).on("end", this.#onEnd);
    socket.on("error", (error) => {
      this.#error = error;
    });
    socket.on("close", () => {
      const cause = this.#error === null ? null : isGone(this.#error) ? "reset" : "broken";
      dispatch({ type: "connection_closed", connection: id, cause });
    });
  }

  get isHandedOver(): boolean {
    return this.#isHandedOver;
  }

  write(parts: Parts, lastUse: boolean): void {
    this.#writer.write(parts, lastUse);
  }

  /** Behind what was written. */
  end(): void {
    this.#writer.end();
  }

  /** Reads, unless it was ordered otherwise already. */
  begin(): void {
    if (!this.#isPaused) this.socket.resume();
  }

  pause(paused: boolean): void {
    this.#isPaused = paused;
    if (paused) this.socket.pause();
    else this.socket.resume();
  }

  /** An empty write reaches the system and fails on a connection that was reset. What waits to be written fails by itself. */
  probe(): void {
    const { socket } = this;
    if (socket.writableLength === 0 && socket.writable) socket.write(NOTHING);
  }

  destroy(): void {
    this.#writer.discard();
    this.socket.destroy();
  }

  /** Over TLS an end without its alert says as much. */
  reset(): void {
    this.#writer.discard();
    if (this.socket instanceof TLSSocket) this.socket.destroy();
    else this.socket.resetAndDestroy();
  }

  /** Somebody else reads it and writes to it from here on. */
  giveAway(): void {
    this.#isHandedOver = true;
    this.socket.off("data", this.#onData).off("end", this.#onEnd).pause();
  }

  takeBack(): void {
    this.#isHandedOver = false;
    this.socket.on("data", this.#onData).on("end", this.#onEnd);
    this.socket.resume();
  }

  readonly #onData = (bytes: Buffer): void => {
    countReceived(bytes);
    this.#dispatch({ type: "connection_bytes", connection: this.#id, bytes });
  };

  readonly #onEnd = (): void => this.#dispatch({ type: "connection_ended", connection: this.#id });

  /** A head that is written just before its body shares a call to the system with it. */
  #send(parts: Parts, onGone: () => void): void {
    const { socket } = this;
    if (!this.#isCorked) {
      this.#isCorked = true;
      socket.cork();
      process.nextTick(this.#uncork);
    }
    writeParts(socket, parts, (error) => void (error || onGone()));
  }

  readonly #uncork = (): void => {
    this.#isCorked = false;
    this.socket.uncork();
  };
}

function isGone(error: Error): boolean {
  const code = codeOf(error);
  return code === "ECONNRESET" || code === "EPIPE";
}
