/**
 * The windows that one end of a native session gives, known by its own words: credit for more than has come needs a window
 * at least as large. None grows beyond its limit. What an exchange begins with does not depend on others that are idle:
 * beside any number of them it is what it would be alone.
 */
import type { SessionLimits } from "../../core/session/limits.ts";

type Window = {
  /** At least. */
  bytes: number;
  receivedBytes: number;
  openedMs: number;
};

/** What a window was given for has come by then, or does not come: its end counts in periods of half a second. */
const IDLE_MS = 1_500;

export class Windows {
  readonly #limits: SessionLimits;
  /** By exchange; of bodies that may still come. */
  readonly #open = new Map<number, Window>();

  constructor(limits: SessionLimits) {
    this.#limits = limits;
  }

  opened(exchange: number, bytes: number, nowMs: number): void {
    this.#open.set(exchange, { bytes, receivedBytes: 0, openedMs: nowMs });
  }

  came(exchange: number, bytes: number): void {
    const window = this.#open.get(exchange);
    if (window !== undefined) window.receivedBytes += bytes;
  }

  ended(exchange: number): void {
    this.#open.delete(exchange);
  }

  /** The other side does not know it: one of which nothing came may begin anew, and counts as before. */
  forgotten(exchange: number): void {
    if (this.#open.get(exchange)?.receivedBytes !== 0) this.#open.delete(exchange);
  }

  /** What is wrong with the first window of an exchange that begins now. */
  wrongFirst(bytes: number, nowMs: number): string | null {
    const alone = this.#firstAlone();
    if (bytes > alone) return `opens a window of ${bytes} bytes, where one alone has ${alone}`;
    if (bytes === alone) return null;
    for (const window of this.#open.values()) if (!this.#isIdle(window, nowMs)) return null;
    return `opens a window of ${bytes} bytes beside ${this.#open.size} idle exchanges, and of ${alone} alone`;
  }

  /** There is credit for so many bytes more than have come. */
  told(exchange: number, bytes: number): void {
    const window = this.#open.get(exchange);
    if (window !== undefined && bytes > window.bytes) window.bytes = bytes;
  }

  /** What is wrong with those that grew. */
  wrongGrowth(): string | null {
    const { windowBytesMax } = this.#limits;
    for (const { bytes } of this.#open.values()) {
      if (bytes > windowBytesMax) return `lets a window grow to ${bytes} bytes, beyond ${windowBytesMax}`;
    }
    return null;
  }

  /** Whatever is held of so little, or flows, counts nothing, and no window grows for it. */
  #isIdle({ receivedBytes, openedMs }: Window, nowMs: number): boolean {
    return nowMs - openedMs >= IDLE_MS && receivedBytes * 4 <= this.#limits.windowBytesMin;
  }

  /** The pool of those that begin is an eighth of the whole, and each may have an eighth of that beyond the least. */
  #firstAlone(): number {
    const { windowBytes, windowBytesMin, tunnelWindowBytes } = this.#limits;
    return Math.min(windowBytes, windowBytesMin + Math.floor(tunnelWindowBytes / 8 / 8));
  }
}
