/**
 * A native agent that writes its frames by hand, from core/wire/native.md and with nothing of the core, so that it can break
 * every rule. It acknowledges what it gets, and gives no credit beyond that of its hello.
 */
import { onTestFinished } from "vitest";
import WebSocket from "ws";
import { query } from "../demo/culvert.ts";
import type { Server } from "./tunnel.ts";
import { Watch } from "./watch.ts";

export const KIND = {
  piece: 1,
  reset: 2,
  credit: 3,
  hello: 5,
  welcome: 6,
  drain: 7,
  ping: 8,
  pong: 9,
} as const;

export const FLAG = { head: 1, interim: 2, last: 4, trailers: 8 } as const;

export type WireFrame = {
  readonly kind: number;
  readonly flags: number;
  readonly exchange: number;
  readonly number: number;
  readonly payload: Buffer;
};

export function wireFrame(frame: Partial<WireFrame> & Pick<WireFrame, "kind">): Buffer {
  const { kind, flags = 0, exchange = 0, number = 0, payload = Buffer.alloc(0) } = frame;
  const header = Buffer.alloc(12);
  header.writeUInt8(kind, 0);
  header.writeUInt8(flags, 1);
  header.writeUIntBE(exchange, 2, 6);
  header.writeUInt32BE(number, 8);
  return Buffer.concat([header, payload]);
}

/** The length of a section, in front of it. */
const SECTION_HEADER_BYTES = 4;

/** The first section of a response's piece with a head and no fields. */
export function responseHead(status: number): Buffer {
  return Buffer.from([0, 0, 0, 3, status >> 8, status & 0xff, 0]);
}

/** One entry of a credit frame. */
export function creditEntry(exchange: number, received: number, limit: number): Buffer {
  const entry = Buffer.alloc(16);
  entry.writeUIntBE(exchange, 0, 6);
  entry.writeUInt32BE(received, 6);
  entry.writeUIntBE(limit, 10, 6);
  return entry;
}

export type WireAgentOptions = {
  readonly ticket?: string | null;
  readonly clientToken?: string;
  readonly instance?: string;
};

export class WireAgent {
  readonly clientToken: string;
  readonly socket: WebSocket;
  readonly frames: WireFrame[] = [];
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
  readonly #watch = new Watch();
  #taken = 0;

  /**
   * Opens a tunnel of a home that is open to everybody, and has been welcomed on it. A ticket asks for the session that it is
   * of.
   */
  static async connect(
    server: Pick<Server, "port" | "register">,
    clientId = "home",
    { ticket = null, clientToken, instance }: WireAgentOptions = {},
  ): Promise<WireAgent> {
    const token = clientToken ?? (await server.register(clientId));
    const url = `ws://127.0.0.1:${server.port}/ws?${query({ clientId, sender: "true" })}`;
    const agent = new WireAgent(url, token, instance === undefined ? {} : { "culvert-instance": instance });
    await new Promise((resolve, reject) => {
      agent.socket.once("open", resolve);
      agent.socket.once("error", reject);
    });
    const hello = JSON.stringify({ window: 64 * 1024, ticket });
    agent.send({ kind: KIND.hello, payload: Buffer.from(hello) });
    await agent.frame(KIND.welcome);
    return agent;
  }

  private constructor(url: string, clientToken: string, headers: Readonly<Record<string, string>>) {
    this.clientToken = clientToken;
    this.socket = new WebSocket(url, ["culvert.1"], {
      perMessageDeflate: false,
      headers: { authorization: `Bearer ${clientToken}`, "culvert-access": "public", ...headers },
    });
    onTestFinished(() => this.socket.terminate());
    this.socket.on("message", (data: Buffer) => {
      const frame = {
        kind: data.readUInt8(0),
        flags: data.readUInt8(1),
        exchange: data.readUIntBE(2, 6),
        number: data.readUInt32BE(8),
        payload: data.subarray(12),
      };
      this.frames.push(frame);
      if (frame.kind === KIND.piece || frame.kind === KIND.reset) {
        this.send({ kind: KIND.credit, payload: creditEntry(frame.exchange, frame.number + 1, 0) });
      }
      if (frame.kind === KIND.ping) this.send({ kind: KIND.pong, payload: frame.payload });
      this.#watch.changed();
    });
    this.socket.on("error", () => {});
    this.closed = new Promise((resolve) => {
      this.socket.on("close", (code, reason) => resolve({ code, reason: reason.toString() }));
    });
  }

  /** What the server said to its hello. */
  async welcome(): Promise<{ readonly ticket: string; readonly resumed: boolean }> {
    const { payload } = await this.frame(KIND.welcome);
    return JSON.parse(payload.toString());
  }

  send(frame: Partial<WireFrame> & Pick<WireFrame, "kind">): void {
    this.socket.send(wireFrame(frame));
  }

  /** The first frame of that kind, of that exchange where one is given. */
  frame(kind: number, exchange?: number): Promise<WireFrame> {
    return this.#watch.until(() =>
      this.frames.find((frame) => frame.kind === kind && (exchange ?? frame.exchange) === frame.exchange),
    );
  }

  /** The exchange of the next request that no one has taken yet. */
  async request(): Promise<number> {
    const next = await this.#watch.until(() => {
      const heads = this.frames.filter(({ kind, flags }) => kind === KIND.piece && (flags & FLAG.head) !== 0);
      return heads[this.#taken];
    });
    this.#taken++;
    return next.exchange;
  }

  /** The first bytes of a request's response for which it has credit: its head says so behind the flags. */
  creditOf(exchange: number): number {
    const head = this.frames.find(({ kind, exchange: of }) => kind === KIND.piece && of === exchange);
    if (head === undefined) throw new Error("there is no such request");
    return head.payload.readUIntBE(SECTION_HEADER_BYTES + 1, 6);
  }

  /** The head of a response, and nothing of its body. */
  begin(exchange: number): void {
    this.send({ kind: KIND.piece, flags: FLAG.head, exchange, payload: responseHead(200) });
  }

  /** A whole response in one frame. */
  reply(exchange: number, body: string): void {
    const payload = Buffer.concat([responseHead(200), Buffer.from(body)]);
    this.send({ kind: KIND.piece, flags: FLAG.head | FLAG.last, exchange, payload });
  }

  /** Settles when the server has read everything that was sent before. */
  async heard(): Promise<void> {
    const { length } = this.frames.filter(({ kind }) => kind === KIND.pong);
    this.send({ kind: KIND.ping, payload: Buffer.alloc(8) });
    await this.#watch.until(() => this.frames.filter(({ kind }) => kind === KIND.pong).length > length);
  }
}
