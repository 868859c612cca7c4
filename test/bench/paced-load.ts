/**
 * One download whose visitor takes its time: what others have to live beside. It reads at a given pace, or reads the
 * beginning and then nothing more, and goes on until it is stopped.
 */
import { connect, type Socket } from "node:net";
import { requestBytes, type Target } from "./load.ts";

export type PacedLoad = {
  readonly kind: "paced";
  /** Its body must be longer than what is read of it. */
  readonly target: Target;
  /** 0 stops reading after the first bytes; null reads as fast as they come. */
  readonly bytesPerSecond: number | null;
};

export type PacedResult = {
  /** Read between `ready` and `stop`, head and framing included. */
  readonly bytesPerSecond: number;
  /** Why it did not last until it was stopped, or did not keep its pace; null where it did. */
  readonly fault: string | null;
};

export class PacedDownload {
  /** Resolves when bytes have come and every buffer on the way has had time to fill; also when it failed. */
  readonly ready: Promise<void>;
  readonly #bytesPerSecond: number | null;
  readonly #socket: Socket;
  #bytes = 0;
  #beganMs = 0;
  #bytesBefore = 0;
  #readyMs = 0;
  #fault: string | null = null;

  constructor({ target, bytesPerSecond }: PacedLoad) {
    this.#bytesPerSecond = bytesPerSecond;
    const { hostname, port } = new URL(target.url);
    const settled = Promise.withResolvers<void>();
    this.ready = settled.promise;
    const buffer = Buffer.allocUnsafe(READ_BYTES);
    this.#socket = connect({
      host: hostname,
      port: Number(port),
      noDelay: true,
      onread: {
        buffer,
        callback: (length) => {
          if (this.#bytes === 0) this.#begin(buffer.toString("latin1", 0, length), settled.resolve);
          this.#bytes += length;
          return this.#hasTurn();
        },
      },
    });
    this.#socket.once("connect", () => this.#socket.write(requestBytes(target)));
    const fail = (message: string): void => {
      this.#fault ??= message;
      settled.resolve();
    };
    this.#socket.once("error", (error) => fail(error.message));
    this.#socket.once("close", () => fail("the connection was closed"));
  }

  stop(): PacedResult {
    const seconds = (performance.now() - this.#readyMs) / 1000;
    const bytesPerSecond = (this.#bytes - this.#bytesBefore) / seconds;
    this.#socket.destroy();
    const isSlow = bytesPerSecond < PACE_SHARE_MIN * (this.#bytesPerSecond ?? 0);
    const pace = isSlow ? `only ${(bytesPerSecond / 1e6).toFixed(0)} MB/s could be read` : null;
    return { bytesPerSecond, fault: this.#fault ?? pace };
  }

  #begin(head: string, ready: () => void): void {
    if (!head.startsWith("HTTP/1.1 200 ")) this.#fault = `no 200: ${head.slice(0, 20)}`;
    this.#beganMs = performance.now();
    setTimeout(() => {
      this.#readyMs = performance.now();
      this.#bytesBefore = this.#bytes;
      ready();
    }, SETTLE_MS);
  }

  /** Whether the next bytes may be read at once; otherwise reading goes on when they may, or never. */
  #hasTurn(): boolean {
    if (this.#bytesPerSecond === null) return true;
    if (this.#bytesPerSecond === 0) return false;
    const earlyMs = (this.#bytes / this.#bytesPerSecond) * 1000 - (performance.now() - this.#beganMs);
    if (earlyMs <= 0) return true;
    setTimeout(() => this.#socket.resume(), earlyMs);
    return false;
  }
}

const READ_BYTES = 128 * 1024;

/** The windows on the way are full after this time, also where they grow. */
const SETTLE_MS = 500;

/** Below this share of its pace it was not the neighbour that it was meant to be. */
const PACE_SHARE_MIN = 0.9;
