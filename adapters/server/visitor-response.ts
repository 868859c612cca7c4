/** The way out to a visitor: a response that is written whole or piece by piece, compressed where that was ordered. */
import { type ServerResponse, STATUS_CODES } from "node:http";
import { concatBytes } from "../../core/bytes.ts";
import type { ContentCoding } from "../../core/http/compression.ts";
import { type HeaderList, withoutHeader } from "../../core/http/headers.ts";
import { PacedWriter } from "../socket/paced-writer.ts";
import { BodyCoder } from "./body-coder.ts";
import { headerLines } from "./edge-answer.ts";

export type ResponseListener = {
  /** So many bytes of the body, as they were ordered, have left for the kernel. */
  onFlushed(bytes: number): void;
  /** The whole response has. */
  onFinished(): void;
};

/**
 * A whole body up to this goes out as one string together with its head: a tenth less CPU per small request than two
 * buffers in one write. For larger bodies the conversion costs more than it saves.
 */
const ONE_WRITE_BYTES_MAX = 4 * 1024;

export class VisitorResponse {
  readonly #response: ServerResponse;
  readonly #listener: ResponseListener;
  #coder: BodyCoder | null = null;
  /** Null before the head, and for a response in one write. */
  #writer: PacedWriter | null = null;
  /** What `finish` will prove to be gone: the body of a response in one write. */
  #oneWriteBytes = 0;

  /** The listener hears nothing more when the connection is gone. */
  constructor(response: ServerResponse, listener: ResponseListener) {
    this.#response = response;
    this.#listener = listener;
    response.on("finish", () => this.#onFinish());
  }

  get isHeadSent(): boolean {
    return this.#response.headersSent;
  }

  /**
   * Dropped where it cannot go out at once: earlier responses are still due on the connection, or the visitor speaks
   * HTTP/1.0, which has no interim responses (RFC 9110 section 15.2).
   */
  sendInterim(status: number, headers: HeaderList): void {
    const { req, socket, headersSent } = this.#response;
    if (socket === null || headersSent || req.httpVersionMinor === 0) return;
    // `writeInformation` and its kin take no list, and so lose order and duplicates.
    const reason = STATUS_CODES[status] ?? "Unknown";
    socket.write(`HTTP/1.1 ${status} ${reason}\r\n${headerLines(headers)}\r\n`, "latin1");
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
    this.sendEnd([]);
  }

  /** To HTTP/1.0, whose bodies are never chunked, no trailers are announced; Node throws where they are. */
  sendHead(status: number, headers: string[], coding: ContentCoding | null): void {
    const response = this.#response;
    response.writeHead(
      status,
      response.req.httpVersionMinor === 0 ? [...withoutHeader(headers, "trailer")] : headers,
    );
    // The head must not wait for a body that may come much later, but shares a write with one that comes at once.
    const { socket } = response;
    if (socket !== null) {
      socket.cork();
      process.nextTick(() => socket.uncork());
    }
    response.flushHeaders();
    this.#writer = coding === null ? this.#plainWriter() : this.#codingWriter(coding);
  }

  /** `isLastUse`: the memory of the bytes is freed when they have left for the kernel. */
  sendBody(bytes: Uint8Array, isLastUse = false): void {
    this.#writer?.write(bytes, isLastUse);
  }

  /** The trailers go out behind a chunked body; other framings have no place for them (RFC 9110 section 6.5). */
  sendEnd(trailers: HeaderList): void {
    if (trailers.length > 0) this.#response.addTrailers(pairs(trailers));
    this.#writer?.end();
  }

  /** Frees what waits; nothing is reported from here on. */
  discard(): void {
    this.#writer?.discard();
    this.#coder?.destroy();
  }

  #onFinish(): void {
    // Before version 26 Node says so as well of a response that was still waiting when the socket was destroyed.
    if (this.#response.req.socket.destroyed) return;
    if (this.#oneWriteBytes > 0) this.#listener.onFlushed(this.#oneWriteBytes);
    this.#listener.onFinished();
  }

  #plainWriter(): PacedWriter {
    return new PacedWriter({
      write: (piece, onGone) => this.#write(piece, onGone),
      end: () => this.#response.end(),
      onFlushed: (bytes) => this.#listener.onFlushed(bytes),
    });
  }

  #codingWriter(coding: ContentCoding): PacedWriter {
    const response = this.#response;
    const coder = new BodyCoder(coding, {
      write: (bytes, onGone) => this.#write(bytes, onGone),
      end: () => response.end(),
      fail: () => response.destroy(),
    });
    this.#coder = coder;
    const output = {
      write: (piece: Uint8Array, onGone: () => void) => coder.code(piece, onGone),
      end: () => coder.end(),
      onFlushed: (bytes: number) => this.#listener.onFlushed(bytes),
    };
    // The coder takes one piece at a time, whatever its size.
    return new PacedWriter(output, 1);
  }

  #write(bytes: Uint8Array, onGone: () => void): void {
    this.#response.write(bytes, (error) => {
      if (!error) onGone();
    });
  }
}

/** What comes from a socket is a Buffer already, or a part of one. */
function latin1Text(bytes: Uint8Array): string {
  const buffer = bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return buffer.toString("latin1");
}

function pairs(headers: HeaderList): [string, string][] {
  const result: [string, string][] = [];
  for (let index = 0; index + 1 < headers.length; index += 2) {
    result.push([headers[index] ?? "", headers[index + 1] ?? ""]);
  }
  return result;
}
