/**
 * The way out to a visitor: a response that is written whole or piece by piece, compressed where that was ordered.
 *
 * Only so much is given to the socket at a time, and the rest waits here. Node hands everything that waits in a socket to
 * the kernel in one call and tells when all of it is gone, so that a slow visitor who takes one megabyte after the other
 * would look like one who takes nothing.
 */
import type { ServerResponse } from "node:http";
import { concatBytes } from "../core/bytes.ts";
import type { ContentCoding } from "../core/http/compression.ts";
import { BodyCoder } from "./body-coder.ts";

/**
 * A whole body up to this goes out as one string together with its head: a tenth less CPU per small request than two
 * buffers in one write. For larger bodies the conversion costs more than it saves.
 */
const ONE_WRITE_BYTES_MAX = 4 * 1024;

/** Some pieces of 64 KiB: enough to keep the fastest socket busy. A visitor at 1 KiB/s shows progress every four minutes. */
const WRITING_BYTES_MAX = 256 * 1024;

export class VisitorResponse {
  readonly #response: ServerResponse;
  readonly #onFlushed: (bytes: number) => void;
  #coder: BodyCoder | null = null;
  /** Pieces that wait until those before them are gone. */
  #waiting: Uint8Array[] = [];
  /** Bytes of the body that were given on and are not gone. */
  #writingBytes = 0;
  #writingBytesMax = WRITING_BYTES_MAX;
  /** What `finish` will prove to be gone: the body of a response in one write. */
  #oneWriteBytes = 0;
  #isEnding = false;

  /**
   * `onFlushed` is told how many bytes of the body, as they were ordered, have left for the kernel; `onFinished` that the
   * whole response has. Both stay silent when the connection is gone.
   */
  constructor(response: ServerResponse, onFlushed: (bytes: number) => void, onFinished: () => void) {
    this.#response = response;
    this.#onFlushed = onFlushed;
    const { socket } = response.req;
    response.on("finish", () => {
      // Before version 26 Node says so as well of a response that was still waiting when the socket was destroyed.
      if (socket.destroyed) return;
      if (this.#oneWriteBytes > 0) onFlushed(this.#oneWriteBytes);
      onFinished();
    });
  }

  get isHeadSent(): boolean {
    return this.#response.headersSent;
  }

  sendWhole(status: number, headers: string[], body: readonly Uint8Array[]): void {
    let bytes = 0;
    for (const part of body) bytes += part.length;
    if (bytes <= ONE_WRITE_BYTES_MAX) {
      this.#oneWriteBytes = bytes;
      this.#response.writeHead(status, headers).end(latin1Text(concatBytes(body)), "latin1");
      return;
    }
    this.sendHead(status, headers, null);
    for (const part of body) this.sendBody(part);
    this.sendEnd();
  }

  sendHead(status: number, headers: string[], coding: ContentCoding | null): void {
    const response = this.#response;
    response.writeHead(status, headers);
    // The head must not wait for a body that may come much later, but shares a write with one that comes at once.
    const { socket } = response;
    if (socket !== null) {
      socket.cork();
      process.nextTick(() => socket.uncork());
    }
    response.flushHeaders();
    if (coding !== null) {
      this.#coder = new BodyCoder(coding, {
        write: (bytes, onGone) => this.#write(bytes, onGone),
        end: () => response.end(),
        fail: () => response.destroy(),
      });
      // The coder takes one piece at a time, whatever its size.
      this.#writingBytesMax = 1;
    }
  }

  sendBody(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#waiting.push(bytes);
    this.#proceed();
  }

  sendEnd(): void {
    this.#isEnding = true;
    this.#proceed();
  }

  /** Frees what waits; nothing is reported from here on. */
  discard(): void {
    this.#waiting = [];
    this.#coder?.destroy();
  }

  #proceed(): void {
    while (this.#writingBytes < this.#writingBytesMax) {
      const piece = this.#waiting.shift();
      if (piece === undefined) break;
      this.#give(piece);
    }
    if (!this.#isEnding || this.#waiting.length > 0) return;
    if (this.#coder === null) this.#response.end();
    else if (this.#writingBytes === 0) this.#coder.end();
  }

  #give(piece: Uint8Array): void {
    this.#writingBytes += piece.length;
    const onGone = () => {
      this.#writingBytes -= piece.length;
      this.#onFlushed(piece.length);
      this.#proceed();
    };
    if (this.#coder === null) this.#write(piece, onGone);
    else this.#coder.code(piece, onGone);
  }

  #write(bytes: Uint8Array, onGone: () => void): void {
    this.#response.write(bytes, (error) => {
      if (!error) onGone();
    });
  }
}

function latin1Text(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}
