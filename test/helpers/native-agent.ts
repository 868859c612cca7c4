/**
 * A native agent that a test plays: the far end of the session, on a wire that the test can cut. It says hello, gives credit
 * for what it gets unless it is told to hold back, and answers only what the test says.
 */
import { expect } from "vitest";
import type { HeaderList } from "../../core/http/headers.ts";
import { agentLimits } from "../../core/limits.ts";
import { checkSession } from "../../core/session/check.ts";
import { consume } from "../../core/session/credit.ts";
import { attachSession, detachSession } from "../../core/session/life.ts";
import { onSessionFlushed, pump } from "../../core/session/pump.ts";
import { type Received, receiveFrame } from "../../core/session/receive.ts";
import {
  flushStream,
  resetStream,
  sendBody,
  sendDrain,
  sendEnd,
  sendHead,
  sendInterim,
  sendMoved,
} from "../../core/session/send.ts";
import {
  createSession,
  heldBytes,
  type SendPacket,
  type Session,
  type Stream,
} from "../../core/session/state.ts";
import {
  decodeNodes,
  decodeWelcome,
  encodeHello,
  FRAME,
  frameKind,
  NATIVE_PROTOCOL,
  type Welcome,
} from "../../core/wire/native.ts";
import type { NativeRequestHead } from "../../core/wire/native-head.ts";
import { CLIENT_TOKEN, type TestServer, tokenOf } from "./test-server.ts";
import type { SocketOrder, TestSocket } from "./test-socket.ts";

/** One request as the agent got it. */
export type NativeRequest = {
  readonly stream: Stream;
  readonly head: NativeRequestHead;
  readonly parts: Uint8Array[];
  trailers: HeaderList;
  isWhole: boolean;
  /** The code of the server's reset. */
  resetCode: string | null;
  lost: boolean;
};

export type NativeAgentOptions = {
  readonly clientId?: string;
  readonly access?: string;
  readonly windowBytes?: number;
  /** Which process it is, and that it keeps links to several nodes; left out by one that does not. */
  readonly instance?: string;
};

export class NativeAgent {
  readonly server: TestServer;
  readonly clientId: string;
  readonly requests: NativeRequest[] = [];
  /** Whether request bodies are passed on at once, which gives credit for more. */
  takes = true;
  isDrained = false;
  /** Whether what goes this way is lost from now on, until the next connection. */
  deaf = false;
  mute = false;
  session: Session | null = null;
  ticket: string | null = null;
  welcome: Welcome | null = null;
  socket: TestSocket | null = null;
  /** What it was told of other nodes, each time. */
  readonly nodesTold: (readonly string[] | null)[] = [];
  /** The nodes that it says it has links to. */
  linked: readonly string[] = [];
  readonly #windowBytes: number;
  readonly #access: HeaderList;
  readonly #instance: string | undefined;
  #inbox: Uint8Array[] = [];
  #running = false;

  constructor(server: TestServer, options: NativeAgentOptions = {}) {
    this.server = server;
    this.clientId = options.clientId ?? "home";
    this.#windowBytes = options.windowBytes ?? agentLimits.windowBytes;
    this.#access = options.access === undefined ? [] : ["culvert-access", options.access];
    this.#instance = options.instance;
  }

  /** The newest request. */
  get request(): NativeRequest {
    return this.requests.at(-1) ?? expect.fail("no request came");
  }

  get heldBytes(): number {
    return this.session === null ? 0 : heldBytes(this.session);
  }

  /** Opens a tunnel without a hello. */
  open(protocols = NATIVE_PROTOCOL): TestSocket {
    const { server, clientId } = this;
    const token = tokenOf(CLIENT_TOKEN, clientId);
    server.grant("client_access", token, clientId);
    const target = `/ws?clientId=${encodeURIComponent(clientId)}&sender=true`;
    const shown = ["authorization", `Bearer ${token}`];
    const instance = this.#instance === undefined ? [] : ["culvert-instance", this.#instance];
    const linked = this.linked.length === 0 ? [] : ["culvert-linked", this.linked.join(", ")];
    const headers = [...shown, "sec-websocket-protocol", protocols, ...this.#access, ...instance, ...linked];
    this.#inbox = [];
    this.deaf = false;
    this.mute = false;
    this.socket = server.upgrade(target, headers, true, (order) => this.#onOrder(order));
    return this.socket;
  }

  hello(ticket = this.ticket): void {
    const links = this.#instance === undefined ? {} : ({ links: true } as const);
    this.socket?.sendBytes(encodeHello({ windowBytes: this.#windowBytes, ticket, host: null, ...links }));
    this.run();
  }

  /** A new tunnel that goes on with the session, if it may. */
  connect(ticket = this.ticket): this {
    if (this.session !== null) detachSession(this.session);
    this.open();
    this.hello(ticket);
    return this;
  }

  /** The connection breaks; what was under way is lost. */
  lose(code = 1006): void {
    this.#inbox = [];
    this.socket?.lose(code);
    if (this.session !== null) detachSession(this.session);
  }

  interim(status: number, headers: HeaderList = [], { stream } = this.request): void {
    sendInterim(this.#attached(), stream, status, headers);
    this.run();
  }

  head(status: number, headers: HeaderList = [], { stream } = this.request): void {
    sendHead(this.#attached(), stream, status, headers);
    flushStream(this.#attached(), stream);
    this.run();
  }

  body(bytes: Uint8Array | string, { stream } = this.request): void {
    sendBody(this.#attached(), stream, new Uint8Array(Buffer.from(bytes)));
    flushStream(this.#attached(), stream);
    this.run();
  }

  end(trailers: HeaderList = [], { stream } = this.request): void {
    sendEnd(this.#attached(), stream, trailers);
    this.run();
  }

  /** A whole response in as few frames as it needs. */
  answer(status: number, headers: HeaderList, body: Uint8Array | string, request = this.request): void {
    sendHead(this.#attached(), request.stream, status, headers);
    sendBody(this.#attached(), request.stream, new Uint8Array(Buffer.from(body)));
    this.end([], request);
  }

  reset(code: string, { stream } = this.request): void {
    resetStream(this.#attached(), stream, code);
    this.run();
  }

  drain(): void {
    sendDrain(this.#attached());
    this.run();
  }

  /** Has another link. */
  move(): void {
    sendMoved(this.#attached());
    this.run();
  }

  /** Gives credit for everything that was held back. */
  take(request = this.request): void {
    const { stream } = request;
    consume(this.#attached(), stream, stream.receive.receivedBytes - stream.receive.consumedBytes);
    this.run();
  }

  /** Everything that is under way comes through. */
  run(): void {
    if (this.#running) return;
    this.#running = true;
    for (let next = this.#inbox.shift(), moved = true; moved; next = this.#inbox.shift()) {
      if (next !== undefined) this.#receive(next);
      moved = this.#send() || this.#inbox.length > 0 || next !== undefined;
    }
    this.#running = false;
    if (this.session !== null) checkSession(this.session);
  }

  #attached(): Session {
    return this.session ?? expect.fail("the agent has no session");
  }

  #onOrder(order: SocketOrder): void {
    if (order.type !== "socket_send_packet" || order.socket !== this.socket?.id) return;
    if (this.deaf) return;
    this.#inbox.push(new Uint8Array(Buffer.concat([order.header, ...order.body])));
    this.run();
  }

  #send(): boolean {
    const { session, socket, server } = this;
    if (session === null || session.socket === null || socket === null || !socket.isOpen) return false;
    const packets: SendPacket[] = [];
    pump(session, server.nowMs, { push: (packet) => packets.push(packet) });
    session.relieved.length = 0;
    for (const { header, body } of packets) {
      const bytes = new Uint8Array(Buffer.concat([header, ...body]));
      onSessionFlushed(session, bytes.length);
      if (socket.isOpen && !this.mute) socket.sendBytes(bytes);
    }
    return packets.length > 0;
  }

  #receive(bytes: Uint8Array): void {
    if (frameKind(bytes) === FRAME.welcome) return this.#onWelcome(decodeWelcome(bytes));
    if (frameKind(bytes) === FRAME.nodes) {
      this.nodesTold.push(decodeNodes(bytes));
      return;
    }
    const session = this.#attached();
    this.#onReceived(session, receiveFrame(session, bytes));
  }

  #onWelcome(welcome: Welcome | null): void {
    if (welcome === null || this.socket === null) return expect.fail("a welcome cannot be read");
    this.welcome = welcome;
    this.ticket = welcome.ticket;
    if (!welcome.resumed || this.session === null) this.session = createSession("agent", agentLimits);
    attachSession(this.session, this.socket.id, welcome.resumed);
  }

  #onReceived(session: Session, received: Received): void {
    switch (received.type) {
      case "opened": {
        const { stream, head } = received;
        this.requests.push({
          stream,
          head,
          parts: [],
          trailers: [],
          isWhole: false,
          resetCode: null,
          lost: false,
        });
        return this.#onBody(session, received);
      }
      case "piece":
        return this.#onBody(session, received);
      case "reset":
        this.#of(received.stream).resetCode = received.code;
        return;
      case "resumed":
        for (const stream of received.forgotten) this.#of(stream).lost = true;
        return;
      case "draining":
        this.isDrained = true;
        return;
      case "nothing":
        return;
      default:
        expect.fail(`the server sent ${JSON.stringify(received)}`);
    }
  }

  #onBody(session: Session, piece: Extract<Received, { readonly type: "opened" | "piece" }>): void {
    const request = this.#of(piece.stream);
    if (piece.body.length > 0) request.parts.push(piece.body.slice());
    request.trailers = piece.trailers;
    request.isWhole = piece.last;
    if (this.takes) consume(session, piece.stream, piece.body.length);
  }

  #of(stream: Stream): NativeRequest {
    return this.requests.find((each) => each.stream === stream) ?? expect.fail("an exchange is not known");
  }
}

/** What came of the request's body. */
export function requestBody(request: NativeRequest): Uint8Array {
  return new Uint8Array(Buffer.concat(request.parts));
}
