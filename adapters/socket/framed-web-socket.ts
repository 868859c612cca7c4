/** A WebSocket whose messages a `FrameWriter` writes; the handshake, what comes in, pings and the close are of `ws`. */
import type { Duplex } from "node:stream";
import WebSocket from "ws";
import type { FrameWriter } from "./frame-writer.ts";

/** `ws` writes each frame of its own within one call, so whole messages come before it and behind it. */
export class FramedWebSocket extends WebSocket {
  #flush = (): void => {};

  /** To be called before anything is sent. */
  writeWith(writer: FrameWriter, stream: Duplex): void {
    this.#flush = () => writer.flush();
    // Here `ws` ends the stream.
    stream.prependListener("end", this.#flush);
  }

  override ping(): void {
    this.#flush();
    super.ping();
  }

  /** `ws` calls this by itself where the peer closes. */
  override close(code?: number, reason?: string | Buffer): void {
    this.#flush();
    super.close(code, reason);
  }
}
