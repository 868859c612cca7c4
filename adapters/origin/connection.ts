/** One connection to an origin: bytes in, bytes out, and its end, in the words of the machine. */
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { ConnectionEvent } from "../../core/http1/events.ts";
import type { ConnectionId } from "../../core/ids.ts";
import { type Parts, writeParts } from "../socket/parts.ts";
import { countReceived } from "../socket/received-bytes.ts";
import { faultOf } from "./connector.ts";

export class OriginConnection {
  readonly #id: ConnectionId;
  readonly #socket: Socket;
  readonly #tell: (event: ConnectionEvent) => void;
  /** Bytes that were ordered to be written, and those of them that were told to have left. */
  #writtenBytes = 0;
  #flushedBytes = 0;
  #error: Error | null = null;
  /** What came while writes were on their way over TLS, to be told at the end of the loop's turn. */
  #held: ConnectionEvent[] = [];

  constructor(id: ConnectionId, socket: Socket, tell: (event: ConnectionEvent) => void) {
    this.#id = id;
    this.#socket = socket;
    this.#tell = tell;
    socket.once(socket instanceof TLSSocket ? "secureConnect" : "connect", () =>
      tell({ type: "connection_opened", connection: id }),
    );
    socket.on("data", (bytes: Buffer) => {
      countReceived(bytes);
      this.#tellInOrder({ type: "connection_bytes", connection: id, bytes, only: true });
    });
    socket.on("end", () => this.#tellInOrder({ type: "connection_ended", connection: id }));
    socket.on("error", (error) => {
      this.#error = error;
    });
    socket.on("close", () => {
      const cause = faultOf(this.#error, socket);
      this.#tellInOrder({ type: "connection_closed", connection: id, cause });
    });
  }

  /**
   * Of text, such as a head, nobody waits to hear that it has left: it is told with what comes next. That spares a small
   * request a callback.
   */
  write(parts: Parts): void {
    const socket = this.#socket;
    const [first] = parts;
    if (parts.length === 1 && typeof first === "string") {
      this.#writtenBytes += first.length;
      socket.write(first, "latin1");
      return;
    }
    for (let index = 0; index < parts.length; index++) this.#writtenBytes += parts[index]?.length ?? 0;
    // Several share one call to the system.
    const isOne = parts.length === 1;
    if (!isOne) socket.cork();
    writeParts(socket, parts, this.#onGone);
    if (!isOne) socket.uncork();
    this.#tellFlushed();
  }

  /** Behind what was written. */
  end(): void {
    this.#socket.end();
  }

  pause(paused: boolean): void {
    if (paused) this.#socket.pause();
    else this.#socket.resume();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Over TLS an end without its alert says as much, and a UNIX socket knows no reset. */
  reset(): void {
    const socket = this.#socket;
    const isTcp = socket.remoteAddress !== undefined && !(socket instanceof TLSSocket);
    if (isTcp) socket.resetAndDestroy();
    else socket.destroy();
  }

  readonly #onGone = (error?: Error | null): void => {
    if (!error) this.#tellFlushed();
  };

  /**
   * Most writes leave at once, and then there is nothing to wait for. What could not be written is not in the socket any
   * more either.
   */
  #tellFlushed(): void {
    const socket = this.#socket;
    const bytes = this.#writtenBytes - socket.writableLength - this.#flushedBytes;
    if (bytes === 0 || socket.errored !== null) return;
    this.#flushedBytes += bytes;
    this.#tell({ type: "connection_flushed", connection: this.#id, bytes });
  }

  /**
   * An answer must not be told before its request has left: it would pass for bytes that nobody asked for. Over TLS, Node
   * says what has left only at the end of the loop's turn (its immediates are before ours), and an origin can have answered
   * by then a request that was written from a timer or an immediate.
   */
  #tellInOrder(event: ConnectionEvent): void {
    const isEarly = this.#socket instanceof TLSSocket && this.#socket.writableLength > 0;
    if (this.#held.length === 0 && !isEarly) {
      this.#tellFlushed();
      this.#tell(event);
      return;
    }
    if (this.#held.push(event) === 1) setImmediate(this.#tellHeld);
  }

  readonly #tellHeld = (): void => {
    const held = this.#held;
    this.#held = [];
    this.#tellFlushed();
    for (const event of held) this.#tell(event);
  };
}
