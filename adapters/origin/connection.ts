/** One connection to an origin: bytes in, bytes out, and its end, in the words of the machine. */
import type { Socket } from "node:net";
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

  constructor(id: ConnectionId, socket: Socket, tell: (event: ConnectionEvent) => void) {
    this.#id = id;
    this.#socket = socket;
    this.#tell = tell;
    socket.once("encrypted" in socket ? "secureConnect" : "connect", () =>
      tell({ type: "connection_opened", connection: id }),
    );
    socket.on("data", (bytes: Buffer) => {
      countReceived(bytes);
      tell({ type: "connection_bytes", connection: id, bytes, only: true });
    });
    socket.on("end", () => tell({ type: "connection_ended", connection: id }));
    socket.on("error", (error) => {
      this.#error = error;
    });
    socket.on("close", () =>
      tell({ type: "connection_closed", connection: id, cause: faultOf(this.#error, socket) }),
    );
  }

  write(parts: Parts): void {
    const socket = this.#socket;
    for (let index = 0; index < parts.length; index++) this.#writtenBytes += parts[index]?.length ?? 0;
    if (parts.length === 1) {
      writeParts(socket, parts, this.#onGone);
    } else {
      socket.cork();
      writeParts(socket, parts, this.#onGone);
      socket.uncork();
    }
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

  readonly #onGone = (error?: Error | null): void => {
    if (!error) this.#tellFlushed();
  };

  /** Most writes leave at once, and then there is nothing to wait for. What failed has left the socket as well. */
  #tellFlushed(): void {
    const socket = this.#socket;
    const bytes = this.#writtenBytes - socket.writableLength - this.#flushedBytes;
    if (bytes === 0 || socket.errored !== null) return;
    this.#flushedBytes += bytes;
    this.#tell({ type: "connection_flushed", connection: this.#id, bytes });
  }
}
