/** A connection to an origin that has switched protocols (RFC 9110 section 7.8): raw bytes both ways. */
import type { Duplex } from "node:stream";
import { countReceived } from "../socket/received-bytes.ts";

export type UpgradedListener = {
  onBytes(bytes: Uint8Array): void;
  onFlushed(bytes: number): void;
  /** The origin has ended its side. */
  onEnded(): void;
  onBroken(): void;
};

/** Tells nothing more after `onEnded`, `onBroken` or `destroy`. */
export class UpgradedConnection {
  readonly #stream: Duplex;
  readonly #listener: UpgradedListener;
  #over = false;

  constructor(stream: Duplex, listener: UpgradedListener) {
    this.#stream = stream;
    this.#listener = listener;
    // What breaks a connection is reported by its close.
    stream.on("error", () => {});
  }

  /** Reports what came with the head of the 101, and from then on what comes. */
  start(early: Uint8Array): void {
    if (early.length > 0) this.#listener.onBytes(early);
    if (this.#over) return;
    const stream = this.#stream;
    stream.on("data", (bytes: Buffer) => {
      countReceived(bytes);
      if (!this.#over) this.#listener.onBytes(bytes);
    });
    stream.on("end", () => {
      // There is nobody left to hear what could still be sent; what was ordered before goes out.
      stream.end();
      this.#finish(() => this.#listener.onEnded());
    });
    stream.on("close", () => this.#finish(() => this.#listener.onBroken()));
  }

  write(bytes: Uint8Array): void {
    const { length } = bytes;
    this.#stream.write(bytes, (error) => {
      if (!error && !this.#over) this.#listener.onFlushed(length);
    });
  }

  /** Ends this side after what was written. What the origin still says is reported. */
  end(): void {
    this.#stream.end();
  }

  pause(paused: boolean): void {
    if (paused) this.#stream.pause();
    else this.#stream.resume();
  }

  destroy(): void {
    this.#over = true;
    this.#stream.destroy();
  }

  #finish(report: () => void): void {
    if (this.#over) return;
    this.#over = true;
    report();
  }
}
