/**
 * Visitors who stay and do nothing: event streams and WebSockets on which nothing is said, and downloads that nobody reads.
 * What one who does something has to live beside.
 */
import { connect, type Socket } from "node:net";
import { requestBytes, type Target } from "./load.ts";

export type CrowdOrder = {
  readonly kind: "crowd";
  readonly visitors: "event streams" | "WebSockets" | "unread downloads";
  readonly count: number;
  readonly target: Target;
};

export type CrowdResult = {
  /** Why not all of them stayed; null where they did. */
  readonly fault: string | null;
};

export class Crowd {
  /** Resolves when each has its answer; also when one failed. */
  readonly ready: Promise<void>;
  readonly #sockets: Socket[] = [];
  #fault: string | null = null;

  constructor(order: CrowdOrder) {
    this.ready = this.#gather(order);
  }

  stop(): CrowdResult {
    const fault = this.#fault;
    for (const socket of this.#sockets) socket.destroy();
    return { fault };
  }

  /** Some at once: a thousand that come in one moment are another thing to measure. */
  async #gather(order: CrowdOrder): Promise<void> {
    const [beginning, request] = openingOf(order);
    for (let count = 0; count < order.count && this.#fault === null; count += AT_ONCE) {
      const some = Math.min(AT_ONCE, order.count - count);
      await Promise.all(Array.from({ length: some }, () => this.#open(order.target, request, beginning)));
    }
  }

  #open(target: Target, request: Buffer, beginning: string): Promise<void> {
    const { hostname, port } = new URL(target.url);
    const opened = Promise.withResolvers<void>();
    const fail = (message: string): void => {
      this.#fault ??= message;
      opened.resolve();
    };
    const buffer = Buffer.allocUnsafe(READ_BYTES);
    const socket = connect({
      host: hostname,
      port: Number(port),
      onread: {
        buffer,
        callback: (length) => {
          const text = buffer.toString("latin1", 0, length);
          if (!text.startsWith(beginning)) fail(`one of the crowd got: ${text.slice(0, 20)}`);
          opened.resolve();
          // Nothing more is read.
          return false;
        },
      },
    });
    this.#sockets.push(socket);
    socket.once("connect", () => socket.write(request));
    socket.once("error", (error) => fail(error.message));
    socket.once("close", () => fail("one of the crowd was closed"));
    return opened.promise;
  }
}

const AT_ONCE = 50;
const READ_BYTES = 4 * 1024;

function openingOf({ visitors, target }: CrowdOrder): readonly [beginning: string, request: Buffer] {
  if (visitors !== "WebSockets") return ["HTTP/1.1 200 ", requestBytes(target)];
  const headers = {
    ...target.headers,
    connection: "upgrade",
    upgrade: "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
  };
  return ["HTTP/1.1 101 ", requestBytes({ ...target, headers })];
}
