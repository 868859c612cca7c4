/**
 * The windows that one end of a native session gives, known by its own words: credit for more than has come needs a window
 * at least as large. None grows beyond its limit; one that grew has its share of what all may have together, and an
 * exchange begins with more than the least only where that is left.
 */
import type { SessionLimits } from "../../core/limits.ts";

type Window = {
  /** At least. */
  bytes: number;
  grew: boolean;
};

export class Windows {
  readonly #limits: SessionLimits;
  /** By exchange; of bodies that may still come. */
  readonly #open = new Map<number, Window>();

  constructor(limits: SessionLimits) {
    this.#limits = limits;
  }

  opened(exchange: number, bytes: number): void {
    this.#open.set(exchange, { bytes, grew: false });
  }

  ended(exchange: number): void {
    this.#open.delete(exchange);
  }

  /** What is wrong with a first window, before it is opened. */
  wrongFirst(bytes: number): string | null {
    const { windowBytesMin, tunnelWindowBytes } = this.#limits;
    let together = bytes;
    for (const window of this.#open.values()) together += window.bytes;
    if (bytes <= windowBytesMin || together <= tunnelWindowBytes) return null;
    return `opens a window of ${bytes} bytes where ${together - bytes} of ${tunnelWindowBytes} are given`;
  }

  /** There is credit for so many bytes more than have come. */
  told(exchange: number, bytes: number): void {
    const window = this.#open.get(exchange);
    if (window === undefined || bytes <= window.bytes) return;
    window.bytes = bytes;
    window.grew = true;
  }

  /**
   * What is wrong with those that grew. The one that did last found room beside the others; what was opened since then, with
   * the least, may go beyond it, and is left out.
   */
  wrongGrowth(): string | null {
    const { windowBytesMax, tunnelWindowBytes } = this.#limits;
    let together = 0;
    for (const { bytes, grew } of this.#open.values()) {
      if (!grew) continue;
      together += bytes;
      if (bytes > windowBytesMax) return `lets a window grow to ${bytes} bytes, beyond ${windowBytesMax}`;
    }
    return together <= tunnelWindowBytes
      ? null
      : `lets windows grow to ${together} bytes together, beyond ${tunnelWindowBytes}`;
  }
}
