/**
 * Pieces on their way to a socket. Only so much is given to it at a time, and the rest waits here: Node hands everything
 * that waits in a socket to the kernel in one call and tells when all of it is gone, so that a slow visitor who takes one
 * megabyte after the other would look like one who takes nothing.
 */

import { freeWholeBuffer } from "./whole-buffers.ts";

/** Some pieces of 64 KiB: enough to keep the fastest socket busy. A visitor at 1 KiB/s shows progress every four minutes. */
const WRITING_BYTES_MAX = 256 * 1024;

export type PacedOutput = {
  /** Passes one piece on; `onGone` is called when it has left for the kernel, and never when it could not. */
  readonly write: (piece: Uint8Array, onGone: () => void) => void;
  /** All pieces were passed on. */
  readonly end: () => void;
  /** Told how many bytes of a piece have left for the kernel. */
  readonly onFlushed: (bytes: number) => void;
};

type Piece = { readonly bytes: Uint8Array; readonly isLastUse: boolean };

export class PacedWriter {
  readonly #output: PacedOutput;
  readonly #writingBytesMax: number;
  /** Pieces that wait until those before them are gone. */
  #waiting: Piece[] = [];
  /** Bytes that were passed on and are not gone. */
  #writingBytes = 0;
  #isEnding = false;

  /** A piece is passed on as long as fewer than `writingBytesMax` bytes are under way, whatever its own size. */
  constructor(output: PacedOutput, writingBytesMax = WRITING_BYTES_MAX) {
    this.#output = output;
    this.#writingBytesMax = writingBytesMax;
  }

  /** `isLastUse`: the memory of the piece is freed when it has left for the kernel. */
  write(bytes: Uint8Array, isLastUse = false): void {
    if (bytes.length === 0) return;
    this.#waiting.push({ bytes, isLastUse });
    this.#proceed();
  }

  end(): void {
    this.#isEnding = true;
    this.#proceed();
  }

  /** Frees what waits. */
  discard(): void {
    this.#waiting = [];
    this.#isEnding = false;
  }

  #proceed(): void {
    while (this.#writingBytes < this.#writingBytesMax) {
      const piece = this.#waiting.shift();
      if (piece === undefined) {
        if (!this.#isEnding) return;
        this.#isEnding = false;
        this.#output.end();
        return;
      }
      const { bytes, isLastUse } = piece;
      const { length } = bytes;
      this.#writingBytes += length;
      this.#output.write(bytes, () => {
        if (isLastUse) freeWholeBuffer(bytes);
        this.#writingBytes -= length;
        this.#output.onFlushed(length);
        this.#proceed();
      });
    }
  }
}
