/**
 * An agent as MoosicBox deploys it, as far as the wire can tell: it reads request frames and sends whatever packets a test
 * wants, in whatever order. Written from protocol-moosicbox.md on plain `ws`, with nothing of the core.
 */
import { onTestFinished } from "vitest";
import WebSocket from "ws";
import { query } from "../demo/culvert.ts";
import { type PacketSpec, packetBytes } from "./packet-bytes.ts";
import { type Server, type ServerOptions, startServer, visitorsOf } from "./tunnel.ts";
import { Watch } from "./watch.ts";

export type RequestFrame = {
  readonly type: "HTTP";
  readonly request_id: number;
  readonly method: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly payload?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly encoding: string;
  readonly profile: string | null;
};

export type MessageFrame = {
  readonly type: "WS";
  readonly conn_id: number;
  readonly request_id: number;
  readonly body: unknown;
};

export type AbortFrame = { readonly type: "ABORT"; readonly request_id: number };

type Frame = RequestFrame | MessageFrame | AbortFrame;

export type Reply = {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
};

/** A server with one MoosicBox home, `home`. */
export async function startHome(options: ServerOptions = {}) {
  const server = await startServer(options);
  const agent = await MoosicBoxAgent.connect(server);
  const { clientToken } = agent;
  return { server, agent, clientToken, ...visitorsOf(server, "home", clientToken) };
}

/**
 * What the end of a test closes. Tests of leaks open hundreds, so a closed socket is not kept until then, nor is there a hook
 * for each: vitest keeps with a hook the stack that it was made on.
 */
const open = new Set<WebSocket>();
let isHooked = false;

function closeWithTest(socket: WebSocket): void {
  open.add(socket);
  socket.on("close", () => open.delete(socket));
  if (isHooked) return;
  isHooked = true;
  onTestFinished(() => {
    isHooked = false;
    for (const left of open) left.terminate();
  });
}

export class MoosicBoxAgent {
  readonly clientId: string;
  readonly clientToken: string;
  readonly socket: WebSocket;
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
  readonly frames: Frame[] = [];
  readonly #watch = new Watch();
  #taken = 0;

  /** Registers the client id anew, unless it is given a token of it, and opens a tunnel. */
  static async connect(server: Server, clientId = "home", clientToken?: string): Promise<MoosicBoxAgent> {
    const token = clientToken ?? (await server.register(clientId));
    const signature = await server.sign(clientId, token);
    const parameters = query({ clientId, sender: "true", signature });
    const agent = new MoosicBoxAgent(
      `${server.url.replace("http:", "ws:")}/ws?${parameters}`,
      clientId,
      token,
    );
    await agent.#opened();
    return agent;
  }

  private constructor(url: string, clientId: string, clientToken: string) {
    this.clientId = clientId;
    this.clientToken = clientToken;
    this.socket = new WebSocket(url, { perMessageDeflate: false });
    closeWithTest(this.socket);
    this.socket.on("message", (data) => {
      this.frames.push(JSON.parse(data.toString()));
      this.#watch.changed();
    });
    this.closed = new Promise((resolve) => {
      this.socket.on("close", (code, reason) => resolve({ code, reason: reason.toString() }));
    });
    // Told by `closed`, too.
    this.socket.on("error", () => {});
  }

  /** The next request that no one has taken yet. */
  request(): Promise<RequestFrame> {
    return this.#watch.until(() => {
      const requests = this.frames.filter((frame) => frame.type === "HTTP");
      const next = requests[this.#taken];
      if (next !== undefined) this.#taken++;
      return next;
    });
  }

  /** The first message of a visitor socket. */
  message(): Promise<MessageFrame> {
    return this.#watch.until(() => this.frames.find((frame) => frame.type === "WS"));
  }

  /** Until the server has told it to stop sending for that id. */
  aborted(requestId: number): Promise<AbortFrame> {
    return this.#watch.until(() => this.aborts(requestId)[0]);
  }

  aborts(requestId: number): AbortFrame[] {
    return this.frames.flatMap((frame) =>
      frame.type === "ABORT" && frame.request_id === requestId ? [frame] : [],
    );
  }

  send(packet: PacketSpec): void {
    this.socket.send(packetBytes(packet));
  }

  sendText(text: string): void {
    this.socket.send(text);
  }

  sendBytes(bytes: Uint8Array): void {
    this.socket.send(bytes);
  }

  /** A whole response in one packet. */
  reply(request: RequestFrame, reply: Reply = {}): void {
    this.send({ requestId: request.request_id, packetId: 1, last: true, ...reply });
  }

  /** A response cut into packets with bodies of that size, in order and not sent yet. */
  packets(request: RequestFrame, reply: Reply & { readonly body: Uint8Array }, size: number): PacketSpec[] {
    const count = Math.max(1, Math.ceil(reply.body.length / size));
    return Array.from({ length: count }, (_, index) => ({
      requestId: request.request_id,
      packetId: index + 1,
      last: index + 1 === count,
      ...(index === 0 ? { status: reply.status ?? 200, headers: reply.headers ?? {} } : {}),
      body: reply.body.subarray(index * size, (index + 1) * size),
    }));
  }

  /** Settles when the server has read everything that was sent before: it answers pings in their order. */
  heard(): Promise<void> {
    return new Promise((resolve) => {
      this.socket.once("pong", () => resolve());
      this.socket.ping();
    });
  }

  /** Cuts the connection, as a process that is killed does. */
  kill(): void {
    this.socket.terminate();
  }

  #opened(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.socket.once("open", () => resolve());
      this.socket.once("error", reject);
    });
  }
}
