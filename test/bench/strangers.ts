/**
 * Strangers who want to keep others out: they have no token, and what they do they do again and again. Each kind comes from an
 * address of its own, and none from that of the visitor who is measured.
 */
import { connect, type Socket } from "node:net";
import { setPriority } from "node:os";

/**
 * `no read`: asks for more answers than any buffer holds, and takes none. `pipelining`: asks as fast as answers come. `drip`:
 * sends a head byte by byte. `handshakes`: knocks with a wrong token. `leaving`: begins an upload and is gone.
 */
export const HOSTILE_KINDS = ["no read", "pipelining", "drip", "handshakes", "leaving"] as const;

export type HostileKind = (typeof HOSTILE_KINDS)[number];

export type StrangersOrder = {
  readonly kind: "strangers";
  readonly kinds: readonly HostileKind[];
  /** Connections of each kind that there are at a time. */
  readonly count: number;
  /** Of the server. */
  readonly url: string;
};

export type StrangersResult = {
  /** Connections that each kind has opened until now. */
  readonly opened: Readonly<Partial<Record<HostileKind, number>>>;
  readonly fault: string | null;
};

export class Strangers {
  /** Resolves when all are there and have begun. */
  readonly ready: Promise<void>;
  readonly #order: StrangersOrder;
  readonly #sockets = new Set<Socket>();
  readonly #opened: Partial<Record<HostileKind, number>> = {};
  #stopped = false;
  #fault: string | null = null;

  constructor(order: StrangersOrder) {
    this.#order = order;
    // Strangers have machines of their own: they are to take the server's time, not that of the visitor and the home.
    setPriority(LEAST_PRIORITY);
    this.ready = this.#gather();
  }

  stop(): StrangersResult {
    this.#stopped = true;
    for (const socket of this.#sockets) socket.destroy();
    return { opened: this.#opened, fault: this.#fault };
  }

  async #gather(): Promise<void> {
    const { kinds, count } = this.#order;
    const all = kinds.flatMap((kind) => Array.from({ length: count }, () => kind));
    await Promise.all(all.map((kind) => this.#come(kind)));
  }

  /** One stranger, who comes back when his connection is over. Resolves when he has begun for the first time. */
  #come(kind: HostileKind): Promise<void> {
    const { hostname, port } = new URL(this.#order.url);
    const begun = Promise.withResolvers<void>();
    const socket = connect({
      host: hostname,
      port: Number(port),
      localAddress: `127.0.1.${1 + HOSTILE_KINDS.indexOf(kind)}`,
      noDelay: true,
    });
    this.#sockets.add(socket);
    this.#opened[kind] = (this.#opened[kind] ?? 0) + 1;
    socket.once("connect", () => {
      WAYS[kind](socket);
      begun.resolve();
    });
    // A reset is what a stranger may get.
    socket.on("error", (error) => {
      if (socket.connecting) this.#fault ??= `a stranger could not connect: ${error.message}`;
    });
    socket.once("close", () => {
      this.#sockets.delete(socket);
      begun.resolve();
      if (!this.#stopped) setTimeout(() => void (this.#stopped || this.#come(kind)), AGAIN_MS);
    });
    return begun.promise;
  }
}

const LEAST_PRIORITY = 19;

/** Between the end of a connection and the next one. */
const AGAIN_MS = 100;

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const HANDSHAKE =
  "GET /ws?clientId=bench&sender=true&signature=wrong HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n" +
  "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const DRIP = `GET / HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(1_000)}`;
const DRIP_MS = 100;
const LEAVING = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n";
const STAYS_MS = 120;

const UNREAD = Buffer.from(GET.repeat(12_000));
const SOME = Buffer.from(GET.repeat(1_000));

const WAYS: Readonly<Record<HostileKind, (socket: Socket) => void>> = {
  "no read": (socket) => {
    socket.pause();
    socket.write(UNREAD);
  },
  pipelining: (socket) => {
    const pour = (): void => {
      while (socket.writable && socket.write(SOME));
    };
    socket.on("drain", pour).resume();
    pour();
  },
  drip: (socket) => {
    let sent = 0;
    const drop = setInterval(() => socket.write(DRIP.charAt(sent++ % DRIP.length)), DRIP_MS);
    socket.once("close", () => clearInterval(drop)).resume();
  },
  handshakes: (socket) => {
    socket.on("end", () => socket.destroy()).resume();
    socket.write(HANDSHAKE);
  },
  leaving: (socket) => {
    socket.resume().write(Buffer.concat([Buffer.from(LEAVING), Buffer.alloc(64 * 1024)]));
    setTimeout(() => {
      if (socket.localPort !== undefined && socket.localPort % 2 === 0) socket.resetAndDestroy();
      else socket.destroy();
    }, Math.random() * STAYS_MS);
  },
};
