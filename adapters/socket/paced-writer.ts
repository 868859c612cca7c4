/**
 * Pieces on their way to a socket. Only so much is given to it at a time, and the rest waits here: Node hands everything
 * that waits in a socket to the kernel in one call and tells when all of it is gone, so that a slow visitor who takes one
 * megabyte after the other would look like one who takes nothing.
 */

import { freeWholeBuffer } from "./whole-buffers.ts";

/** Some pieces of 64 KiB: enough to keep the fastest socket busy. A visitor at 1 KiB/s shows progress every four minutes. */
const WRITING_BYTES_MAX = 256 * 1024;

export type PacedOutput<Piece> = {
  /** Passes one piece on; `onGone` is called when it has left for the kernel, and never when it could not. */
  readonly write: (piece: Piece, onGone: () => void) => void;
  /** All pieces were passed on. */
  readonly end: () => void;
  /** Told how many bytes of a piece have left for the kernel. */
  readonly onFlushed: (bytes: number) => void;
};

/** Bytes, or several parts that go together; the length of text is that of its Latin-1. */
type AnyPiece = Uint8Array | readonly (string | Uint8Array)[];

type Waiting<Piece> = { readonly piece: Piece; readonly isLastUse: boolean };

export class PacedWriter<Piece extends AnyPiece = Uint8Array> {
  readonly #output: PacedOutput<Piece>;
  readonly #writingBytesMax: number;
  /** Pieces that wait until those before them are gone. */
  #waiting: Waiting<Piece>[] = [];
  /** Bytes that were passed on and are not gone. */
  #writingBytes = 0;
  #isEnding = false;

  /** A piece is passed on as long as fewer than `writingBytesMax` bytes are under way, whatever its own size. */
  constructor(output: PacedOutput<Piece>, writingBytesMax = WRITING_BYTES_MAX) {
    this.#output = output;
    this.#writingBytesMax = writingBytesMax;
  }

  /** `isLastUse`: the memory of the piece is freed when it has left for the kernel. */
  write(piece: Piece, isLastUse = false): void {
    if (piece.length === 0) return;
    this.#waiting.push({ piece, isLastUse });
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
      const next = this.#waiting.shift();
      if (next === undefined) {
        if (!this.#isEnding) return;
        this.#isEnding = false;
        this.#output.end();
        return;
      }
      const { piece, isLastUse } = next;
      const length = lengthOf(piece);
      this.#writingBytes += length;
      this.#output.write(piece, () => {
        if (isLastUse) free(piece);
        this.#writingBytes -= length;
        this.#output.onFlushed(length);
        this.#proceed();
      });
    }
  }
}

function lengthOf(piece: AnyPiece): number {
  if (piece instanceof Uint8Array) return piece.length;
  let length = 0;
  for (const part of piece) length += part.length;
  return length;
}

function free(piece: AnyPiece): void {
  if (piece instanceof Uint8Array) return freeWholeBuffer(piece);
  for (const part of piece) if (typeof part !== "string") freeWholeBuffer(part);
}
