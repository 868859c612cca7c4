/**
 * Reads HTTP/1.1 responses from a connection and keeps nothing but their numbers. The load generator must cost less than
 * what it measures, so this does the least that framing needs (RFC 9112 section 6): a length, or chunks.
 */

type Phase = "head" | "fixed" | "chunk_size" | "chunk_data" | "chunk_end" | "trailer";

export class ResponseCounter {
  /** Responses that are complete. */
  completed = 0;
  /** Of the response that was begun last; 0 before the first. */
  status = 0;
  /** Body bytes of the response that was begun last, framing not counted. */
  bodyBytes = 0;

  #phase: Phase = "head";
  /** Body bytes until the end of the response or the chunk. */
  #remaining = 0;
  /** The beginning of a line or a head whose end has not come. */
  #unfinished: Buffer | null = null;

  /** Takes what was read; `bytes` may be overwritten afterwards. Throws on what it cannot read. */
  feed(bytes: Buffer): void {
    const data = this.#unfinished === null ? bytes : Buffer.concat([this.#unfinished, bytes]);
    this.#unfinished = null;
    let at = 0;
    while (at < data.length) {
      if (this.#phase === "fixed" || this.#phase === "chunk_data") {
        const length = Math.min(this.#remaining, data.length - at);
        at += length;
        this.bodyBytes += length;
        this.#remaining -= length;
        if (this.#remaining === 0) this.#bodyPartEnded();
        continue;
      }
      const delimiter = this.#phase === "head" ? "\r\n\r\n" : "\r\n";
      const end = data.indexOf(delimiter, at, "latin1");
      if (end === -1) {
        if (data.length - at > HEAD_BYTES_MAX) throw new Error("a head or a line without an end");
        this.#unfinished = Buffer.from(data.subarray(at));
        return;
      }
      this.#onText(data.toString("latin1", at, end));
      at = end + delimiter.length;
    }
  }

  #onText(text: string): void {
    switch (this.#phase) {
      case "head":
        this.#onHead(text);
        break;
      case "chunk_size":
        this.#remaining = Number.parseInt(text, 16);
        if (!Number.isSafeInteger(this.#remaining)) throw new Error("a chunk without a size");
        this.#phase = this.#remaining === 0 ? "trailer" : "chunk_data";
        break;
      case "chunk_end":
        if (text !== "") throw new Error("a chunk is longer than its size");
        this.#phase = "chunk_size";
        break;
      case "trailer":
        // Trailer fields until an empty line.
        if (text === "") this.#responseEnded();
        break;
      default:
        throw new Error(`no text belongs to ${this.#phase}`);
    }
  }

  #onHead(head: string): void {
    if (!head.startsWith("HTTP/1.1 ")) throw new Error("not an HTTP/1.1 response");
    this.status = Number(head.slice(9, 12));
    this.bodyBytes = 0;
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
    if (length !== undefined) {
      this.#remaining = Number(length);
      this.#phase = "fixed";
      if (this.#remaining === 0) this.#responseEnded();
    } else if (/\r\ntransfer-encoding: *chunked/i.test(head)) {
      this.#phase = "chunk_size";
    } else {
      throw new Error("a response with neither a length nor chunks");
    }
  }

  #bodyPartEnded(): void {
    if (this.#phase === "fixed") this.#responseEnded();
    else this.#phase = "chunk_end";
  }

  #responseEnded(): void {
    this.completed += 1;
    this.#phase = "head";
  }
}

const HEAD_BYTES_MAX = 64 * 1024;
