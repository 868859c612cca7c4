/**
 * Standard output and standard error, taken as a program must that serves on whatever becomes of them. Who reads there may be
 * slow, stop for a while (Ctrl-S), or have left, and a file may be on a full disk. So nobody waits for a line: it is written at
 * the end of the loop's turn, or waits within a bound, or is left out.
 *
 * Node's own streams stand still with a terminal and end the process for want of a reader. pino's destination never stops trying
 * at the exit, and what it writes in a thread keeps the exit waiting as long as the reader likes.
 */
import { constants, fstatSync, openSync, writeSync } from "node:fs";
import { isatty } from "node:tty";
import { codeOf } from "../error-cause.ts";

export type Output = {
  readonly isTerminal: boolean;
  /** Takes whole lines. */
  write(lines: string): void;
  /** Writes what waits, for at most so long: for the exit of the process, since nothing else runs meanwhile. */
  flush(ms: number): void;
};

/** A reader that stalls makes lines wait, up to this size in all; further ones are left out, and proxying goes on (R06). */
const WAITING_BYTES_MAX = 4 * 1024 * 1024;

/** How soon a reader that stalls is tried again. */
const RETRY_MS = 50;

export function openOutput(fd: 1 | 2): Output {
  const isTerminal = isatty(fd);
  const queue = new LineQueue(unblocked(fd, isTerminal));
  return { isTerminal, write: (lines) => queue.write(lines), flush: (ms) => queue.flush(ms) };
}

/** Where writing never waits for a reader. A file does not know such a thing, and has none. */
function unblocked(fd: 1 | 2, isTerminal: boolean): number {
  if (isTerminal || fstatSync(fd).isFIFO()) {
    try {
      // Opened anew, it is ours alone: whoever else holds the other one goes on to wait, and cannot make us wait.
      const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants;
      return openSync(`/proc/self/fd/${fd}`, O_WRONLY | O_NONBLOCK | O_NOCTTY);
    } catch {
      // No such folder on this system, no right to it, or nobody reads any more.
    }
  }
  // Node makes a pipe or a socket non-blocking when it makes a stream of it.
  void (fd === 1 ? process.stdout : process.stderr);
  return fd;
}

/** Lines on their way to a descriptor that takes what it can and does not wait. */
export class LineQueue {
  readonly #fd: number;
  #lines: string[] = [];
  #linesBytes = 0;
  /** The lines whose turn it is, or what is left of them. */
  #current = Buffer.alloc(0);
  /** The last line that was written at all was not written to its end. */
  #isCut = false;
  #isScheduled = false;

  constructor(fd: number) {
    this.#fd = fd;
  }

  write(lines: string): void {
    const bytes = Buffer.byteLength(lines);
    if (this.#current.length + this.#linesBytes + bytes > WAITING_BYTES_MAX) return;
    this.#lines.push(lines);
    this.#linesBytes += bytes;
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(this.#drain);
  }

  flush(ms: number): void {
    const endMs = performance.now() + ms;
    const sleeper = new Int32Array(new SharedArrayBuffer(4));
    while (!this.#writeAll() && performance.now() < endMs) Atomics.wait(sleeper, 0, 0, RETRY_MS);
  }

  readonly #drain = (): void => {
    this.#isScheduled = !this.#writeAll();
    if (this.#isScheduled) setTimeout(this.#drain, RETRY_MS).unref();
  };

  /** False where the reader takes no more for now. */
  #writeAll(): boolean {
    for (this.#takeLines(); this.#current.length > 0; this.#takeLines()) {
      try {
        this.#current = this.#current.subarray(writeSync(this.#fd, this.#current));
        this.#isCut = this.#current.length > 0;
      } catch (error) {
        if (codeOf(error) === "EAGAIN") return false;
        // No reader, or no room on the disk. Either may come back, so what comes next is tried again.
        this.#current = Buffer.alloc(0);
      }
    }
    return true;
  }

  #takeLines(): void {
    if (this.#current.length > 0 || this.#lines.length === 0) return;
    const lines = this.#lines.join("");
    // What follows the beginning of a line would be read as its rest.
    this.#current = Buffer.from(this.#isCut ? `\n${lines}` : lines);
    this.#lines = [];
    this.#linesBytes = 0;
  }
}
