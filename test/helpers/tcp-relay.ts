/**
 * A TCP relay that does to connections what networks do: it delays them, and cuts them.
 *
 * Bandwidth is not limited, but a delayed direction of a connection holds at most `heldBytesMax`; then its sender has to
 * wait. So the delay also says how fast one connection can be, as a TCP window does on a long path: at most
 * `heldBytesMax` in each `delayMs`.
 */
import { connect, createServer, type Socket } from "node:net";

export type TcpRelayOptions = {
  /** The port of 127.0.0.1 that the relay stands in front of. */
  readonly port: number;
  /** Every byte, and the end of a connection, arrives this much later, in each direction; 0 by default. */
  readonly delayMs?: number;
  /** Of each direction of each connection: read from one side and not yet taken by the other. */
  readonly heldBytesMax?: number;
};

export type TcpRelay = {
  /** Of 127.0.0.1. */
  readonly port: number;
  /** Connections that stand. */
  readonly connections: number;
  /** How often `cut` or `cutEvery` destroyed at least one connection. */
  readonly cuts: number;
  /**
   * Resets every connection at both ends, now; what was held is lost. New ones are reset, before they reach the port
   * behind, until `forMs` have passed.
   */
  cut(forMs?: number): void;
  /**
   * Cuts for `forMs`, from one cut to the next `everyMs`, the first after that time. What it returns stops that and lets
   * everybody through again.
   */
  cutEvery(everyMs: number, forMs: number): () => void;
  /** Cuts what stands and stops to listen. */
  close(): Promise<void>;
};

export async function startTcpRelay(options: TcpRelayOptions): Promise<TcpRelay> {
  const { port, delayMs = 0, heldBytesMax = HELD_BYTES_MAX } = options;
  const links = new Set<Link>();
  const timers = new Set<NodeJS.Timeout>();
  let cuts = 0;
  let closedUntilMs = 0;
  const listener = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
    // Without a listener the reset of a connection that was refused would be thrown.
    near.on("error", () => {});
    if (performance.now() < closedUntilMs) return void near.resetAndDestroy();
    const far = connect({ host: "127.0.0.1", port, allowHalfOpen: true, noDelay: true });
    const link = new Link(near, far, { delayMs, heldBytesMax }, () => links.delete(link));
    links.add(link);
  });
  const cut = (forMs = 0): void => {
    closedUntilMs = Math.max(closedUntilMs, performance.now() + forMs);
    if (links.size > 0) cuts += 1;
    for (const link of links) link.reset();
  };
  return {
    port: await listen(listener),
    get connections() {
      return links.size;
    },
    get cuts() {
      return cuts;
    },
    cut,
    cutEvery: (everyMs, forMs) => {
      const timer = setInterval(() => cut(forMs), everyMs);
      timers.add(timer);
      return () => {
        clearInterval(timer);
        closedUntilMs = 0;
      };
    },
    close: () => {
      for (const timer of timers) clearInterval(timer);
      const closed = new Promise<void>((resolve) => listener.close(() => resolve()));
      cut(Number.POSITIVE_INFINITY);
      return closed;
    },
  };
}

/**
 * With 50 ms this lets one connection have 84 MB/s, somewhat more than the receive window that Linux grants by default
 * (6 MiB, of which buffers take their part) would over a path with a round trip of 100 ms.
 */
const HELD_BYTES_MAX = 4 * 1024 * 1024;

function listen(listener: ReturnType<typeof createServer>): Promise<number> {
  return new Promise((resolve, reject) => {
    listener.once("error", reject);
    listener.listen(0, "127.0.0.1", () => {
      const address = listener.address();
      if (address === null || typeof address === "string") reject(new Error("not listening on a port"));
      else resolve(address.port);
    });
  });
}

type Delay = { readonly delayMs: number; readonly heldBytesMax: number };

/** One connection through the relay: two sockets, and what is on its way between them. */
class Link {
  readonly #sockets: readonly [Socket, Socket];
  readonly #directions: readonly [Direction, Direction];

  constructor(near: Socket, far: Socket, delay: Delay, gone: () => void) {
    this.#sockets = [near, far];
    this.#directions = [new Direction(near, far, delay), new Direction(far, near, delay)];
    for (const socket of this.#sockets) {
      socket.once("close", () => {
        if (near.destroyed && far.destroyed) gone();
      });
    }
  }

  reset(): void {
    for (const direction of this.#directions) direction.drop();
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }
}

type Held = { readonly dueMs: number; readonly what: Buffer | "end" | "reset" };

/** What goes from one socket to the other, in order. */
class Direction {
  readonly #source: Socket;
  readonly #target: Socket;
  readonly #delay: Delay;
  #held: Held[] = [];
  #heldBytes = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(source: Socket, target: Socket, delay: Delay) {
    this.#source = source;
    this.#target = target;
    this.#delay = delay;
    source.on("data", (bytes: Buffer) => {
      this.#heldBytes += bytes.length;
      if (this.#heldBytes >= delay.heldBytesMax) source.pause();
      this.#hold(bytes);
    });
    source.once("end", () => this.#hold("end"));
    source.on("error", () => this.#hold("reset"));
  }

  drop(): void {
    this.#held = [];
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #hold(what: Held["what"]): void {
    if (this.#delay.delayMs === 0) return this.#deliver(what);
    this.#held.push({ dueMs: performance.now() + this.#delay.delayMs, what });
    this.#arm();
  }

  #arm(): void {
    const first = this.#held[0];
    if (this.#timer !== null || first === undefined) return;
    this.#timer = setTimeout(
      () => {
        this.#timer = null;
        this.#deliverDue();
        this.#arm();
      },
      Math.ceil(Math.max(0, first.dueMs - performance.now())),
    );
  }

  #deliverDue(): void {
    const nowMs = performance.now();
    let count = 0;
    for (const { dueMs, what } of this.#held) {
      if (dueMs > nowMs) break;
      count += 1;
      this.#deliver(what);
    }
    this.#held.splice(0, count);
  }

  #deliver(what: Held["what"]): void {
    if (this.#target.destroyed) return;
    if (what === "end") {
      this.#target.end();
    } else if (what === "reset") {
      this.#target.resetAndDestroy();
    } else {
      this.#target.write(what, () => this.#taken(what.length));
    }
  }

  #taken(bytes: number): void {
    this.#heldBytes -= bytes;
    if (this.#heldBytes < this.#delay.heldBytesMax && this.#source.isPaused()) this.#source.resume();
  }
}
