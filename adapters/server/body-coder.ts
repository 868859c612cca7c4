/**
 * Compressing a response while it streams (RFC 9110 section 8.4.1): each piece goes out as soon as it is coded, so that
 * an event stream is as prompt with compression as without.
 */
import { type BrotliCompress, constants, createBrotliCompress, createGzip, type Gzip } from "node:zlib";
import type { ContentCoding } from "../../core/http/compression.ts";

/** From here on higher levels cost several times the CPU for a few per cent fewer bytes. */
const BROTLI_QUALITY = 4;

/** A window of 512 KiB: each stream holds one, and the default of 4 MiB would count for a thousand visitors. */
const BROTLI_WINDOW_BITS = 19;

export type CodedOutput = {
  /** Sends coded bytes; `onGone` is called when they have left for the kernel, and never when they could not. */
  readonly write: (bytes: Uint8Array, onGone: () => void) => void;
  readonly end: () => void;
  /** The coder failed: what was sent is not the whole. */
  readonly fail: () => void;
};

export class BodyCoder {
  readonly #stream: BrotliCompress | Gzip;
  /** Coded bytes on their way to the kernel. */
  #writingBytes = 0;
  /** Whether the coder has given out the whole of its piece. */
  #isCoded = false;
  #onGone: (() => void) | null = null;

  constructor(coding: ContentCoding, output: CodedOutput) {
    this.#stream = coding === "gzip" ? createPromptGzip() : createPromptBrotli();
    this.#stream.on("data", (bytes: Buffer) => {
      this.#writingBytes += bytes.length;
      output.write(bytes, () => {
        this.#writingBytes -= bytes.length;
        this.#settle();
      });
    });
    this.#stream.on("end", output.end);
    this.#stream.on("error", output.fail);
  }

  /** Codes and sends one piece; the next one may follow when `onGone` was called. */
  code(piece: Uint8Array, onGone: () => void): void {
    this.#onGone = onGone;
    this.#isCoded = false;
    this.#stream.write(piece, (error) => {
      if (error) return;
      this.#isCoded = true;
      this.#settle();
    });
  }

  end(): void {
    this.#stream.end();
  }

  destroy(): void {
    this.#onGone = null;
    this.#stream.destroy();
  }

  #settle(): void {
    const onGone = this.#onGone;
    if (!this.#isCoded || this.#writingBytes > 0 || onGone === null) return;
    this.#onGone = null;
    onGone();
  }
}

function createPromptGzip(): Gzip {
  return createGzip({ flush: constants.Z_SYNC_FLUSH });
}

function createPromptBrotli(): BrotliCompress {
  return createBrotliCompress({
    flush: constants.BROTLI_OPERATION_FLUSH,
    params: {
      [constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY,
      [constants.BROTLI_PARAM_LGWIN]: BROTLI_WINDOW_BITS,
    },
  });
}
