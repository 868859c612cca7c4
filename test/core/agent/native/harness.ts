/** An agent beside a scripted server of the native protocol, whose session is the real one of `core/session`. */
import { expect } from "vitest";
import type { AgentConfig } from "../../../../core/agent.ts";
import type { AgentEffect } from "../../../../core/effects.ts";
import type { HeaderList } from "../../../../core/http/headers.ts";
import type { ExchangeId, SocketId } from "../../../../core/ids.ts";
import { agentLimits } from "../../../../core/limits.ts";
import { Outbox } from "../../../../core/outbox.ts";
import { checkSession } from "../../../../core/session/check.ts";
import { consume } from "../../../../core/session/credit.ts";
import { attachSession, detachSession } from "../../../../core/session/life.ts";
import { onSessionFlushed, pump } from "../../../../core/session/pump.ts";
import { receiveFrame } from "../../../../core/session/receive.ts";
import { openStream, resetStream, sendBody, sendEnd } from "../../../../core/session/send.ts";
import { createSession, heldBytes, type Session, type Stream } from "../../../../core/session/state.ts";
import { decodeHello, encodeWelcome, FRAME, type Hello } from "../../../../core/wire/native.ts";
import type { Ways } from "../../../../core/wire/ways.ts";
import { all, type Effect, Harness, only, sizeOf } from "../harness.ts";

export const GRACE_MS = 30_000;

/** What the server has got of one exchange. */
export type Answer = {
  readonly interims: { readonly status: number; readonly headers: HeaderList }[];
  head: { readonly status: number; readonly headers: HeaderList } | null;
  readonly parts: Uint8Array[];
  ended: boolean;
  trailers: HeaderList;
  reset: string | null;
};

export type Asked = {
  readonly method?: string;
  readonly target?: string;
  readonly headers?: HeaderList;
  readonly upgrade?: boolean;
  /** The whole body, in one go; null where it follows. */
  readonly body?: Uint8Array | null;
};

export class NativeServer {
  readonly agent: Harness;
  session: Session;
  readonly answers = new Map<number, Answer>();
  /** Pieces that arrived. */
  pieces = 0;
  /** Whether what the agent sends is lost from here on. */
  deaf = false;
  /** Streams whose visitor does not read. */
  readonly stalled = new Set<number>();
  /** What its welcome tells of its own limit. */
  idleMs: number | null = null;
  hello: Hello | null = null;
  /** What its welcome tells of itself, where it is one of several. */
  node: string | undefined = undefined;
  tickets = 0;
  /** Drain frames that came. */
  drains = 0;
  moves = 0;
  #socket: SocketId | null = null;
  #seen = 0;
  #opened = 0;
  readonly #out = new Outbox<Effect<"socket_send_packet">>();

  /** `agent`: one that has another server already. */
  constructor(config: Partial<AgentConfig> = {}, agent = new Harness({ protocol: "auto", ...config })) {
    this.agent = agent;
    this.session = this.#freshSession();
  }

  /** Takes the agent from wherever it is to a welcome. */
  connect(resumed = false): void {
    this.greet();
    this.welcome(resumed);
  }

  /** Up to the agent's hello. */
  greet(): void {
    const { agent } = this;
    for (let steps = 0; agent.dialled === null; steps++) {
      expect(steps, "the agent does not connect").toBeLessThan(100);
      if (agent.phase === "registering") agent.answer(200, '{"token":"t"}');
      else agent.advanceToDeadline();
    }
    const socket = agent.dialled;
    this.#socket = socket;
    const effects = agent.step({ type: "socket_opened", socket, protocol: "culvert.1" });
    this.#seen = agent.effects.length;
    const packet = only(effects, "socket_send_packet");
    this.hello = decodeHello(joined(packet));
    expect(this.hello, "the first frame is no hello").not.toBeNull();
    agent.step({ type: "socket_flushed", socket, bytes: sizeOf(packet) });
    agent.unsentBytes = 0;
  }

  welcome(resumed: boolean, ways?: Ways): void {
    const socket = this.#socket ?? expect.fail("there is no socket");
    if (!resumed) this.session = this.#freshSession();
    const bytes = encodeWelcome({
      ticket: this.ticket(++this.tickets),
      resumed,
      graceMs: GRACE_MS,
      ...(ways === undefined ? {} : { ways }),
      idleMs: this.idleMs,
      moves: true,
      ...(this.node === undefined ? {} : { node: this.node }),
    });
    this.agent.step({ type: "socket_bytes", socket, bytes });
    attachSession(this.session, socket, resumed);
    this.settle();
  }

  ticket(number: number): string {
    return number.toString(16).padStart(32, "0");
  }

  /** A visitor's request; gives its stream. What comes of it is in `answers`. */
  ask(asked: Asked = {}): Stream {
    const { method = "GET", target = "/x", headers = [], upgrade = false, body = new Uint8Array() } = asked;
    const id = ++this.#opened;
    const stream = openStream(this.session, id, { method, target, headers, peer: "192.0.2.1", upgrade });
    this.answers.set(id, {
      interims: [],
      head: null,
      parts: [],
      ended: false,
      trailers: [],
      reset: null,
    });
    if (body !== null) {
      if (body.length > 0) sendBody(this.session, stream, body);
      sendEnd(this.session, stream, []);
    }
    this.settle();
    return stream;
  }

  /** A request that must have been given to an origin. */
  begin(asked: Asked = {}): { stream: Stream; exchange: ExchangeId; request: Effect<"origin_request"> } {
    const before = this.agent.effects.length;
    const stream = this.ask(asked);
    const request = only(this.agent.effects.slice(before), "origin_request");
    return { stream, exchange: request.exchange, request };
  }

  /** The server ends the exchange. */
  reset(stream: Stream, code: string): void {
    resetStream(this.session, stream, code);
    this.settle();
  }

  /** The visitor reads again, all that waited for it first. */
  unstall(stream: Stream): void {
    this.stalled.delete(stream.id);
    consume(this.session, stream, stream.receive.receivedBytes - stream.receive.consumedBytes);
    this.settle();
  }

  unstallAll(): void {
    for (const id of [...this.stalled]) {
      const stream = this.session.streams.get(id);
      if (stream === undefined) this.stalled.delete(id);
      else this.unstall(stream);
    }
  }

  answerOf(stream: Stream): Answer {
    return this.answers.get(stream.id) ?? expect.fail("nobody asked");
  }

  bodyOf(stream: Stream): Uint8Array {
    return new Uint8Array(Buffer.concat(this.answerOf(stream).parts));
  }

  textOf(stream: Stream): string {
    return Buffer.from(this.bodyOf(stream)).toString();
  }

  /** Of the problem document that the agent answered with. */
  problemOf(stream: Stream): { status: number; code: string } {
    const { head, ended } = this.answerOf(stream);
    expect(ended, "the answer is not whole").toBe(true);
    return { status: head?.status ?? 0, code: JSON.parse(this.textOf(stream)).code };
  }

  /** Frames go both ways until none is left; gives what else the agent ordered meanwhile. */
  settle(): AgentEffect[] {
    const { agent } = this;
    const from = this.#seen;
    for (let steps = 0; ; steps++) {
      expect(steps, "the two never come to rest").toBeLessThan(10_000);
      const socket = this.#socket;
      if (socket === null || !agent.sockets.has(socket)) break;
      const down = this.#pump();
      for (const bytes of down) {
        if (agent.sockets.has(socket)) agent.step({ type: "socket_bytes", socket, bytes });
      }
      const up = this.#takeUp(socket);
      if (down.length === 0 && up.length === 0) break;
      for (const bytes of up) this.#receive(bytes);
    }
    this.#seen = agent.effects.length;
    return agent.effects.slice(from);
  }

  /** Lets time pass and everything move in between. */
  advance(ms: number): void {
    this.agent.advance(ms);
    this.settle();
  }

  /** The connection is gone; what is under way is lost. */
  cut(code = 1006): AgentEffect[] {
    const socket = this.#socket ?? expect.fail("there is no socket");
    this.#socket = null;
    detachSession(this.session);
    const effects = this.agent.step({ type: "socket_closed", socket, code, reason: "" });
    this.agent.unsentBytes = 0;
    this.#seen = this.agent.effects.length;
    return effects;
  }

  /** What the server sends because of that is lost on the way. */
  lossy(act: () => void): void {
    act();
    this.#pump();
  }

  /** The server loses all that it knows of its exchanges, but not the session. */
  forgetAll(): void {
    this.session = this.#freshSession();
  }

  /** Takes what the agent sent before it closed the tunnel. */
  takeLast(): void {
    const packets = all(this.agent.effects.slice(this.#seen), "socket_send_packet");
    this.#seen = this.agent.effects.length;
    for (const packet of packets) this.#receive(joined(packet));
  }

  /** A raw message to the agent. */
  send(bytes: Uint8Array): AgentEffect[] {
    const socket = this.#socket ?? expect.fail("there is no socket");
    return this.agent.step({ type: "socket_bytes", socket, bytes });
  }

  /** Nothing is left over in either session, once all acknowledgements are through. */
  expectIdle(): void {
    for (let rounds = 0; rounds < 4; rounds++) this.advance(2 * agentLimits.ackDelayMs);
    const { links, exchanges } = this.agent.state;
    const [{ session }] = links;
    expect(exchanges.size, "an exchange is left").toBe(0);
    expect(this.agent.origins.size, "an origin request is left").toBe(0);
    expect([...this.session.streams.keys()], "the server has streams left").toEqual([]);
    expect([...(session?.wire.streams.keys() ?? [])], "the agent has streams left").toEqual([]);
    expect(heldBytes(this.session)).toBe(0);
  }

  #pump(): Uint8Array[] {
    pump(this.session, this.agent.nowMs, this.#out);
    const frames: Uint8Array[] = [];
    let bytes = 0;
    this.#out.drain((packet) => {
      frames.push(joined(packet));
      bytes += sizeOf(packet);
    });
    onSessionFlushed(this.session, bytes);
    this.session.relieved.length = 0;
    checkSession(this.session);
    return frames;
  }

  #takeUp(socket: SocketId): Uint8Array[] {
    const { agent } = this;
    const sent = all(agent.effects.slice(this.#seen), "socket_send_packet");
    const packets = sent.filter((packet) => packet.socket === socket);
    this.#seen = agent.effects.length;
    const bytes = packets.reduce((sum, packet) => sum + sizeOf(packet), 0);
    if (bytes > 0 && agent.sockets.has(socket)) {
      agent.unsentBytes -= bytes;
      agent.step({ type: "socket_flushed", socket, bytes });
    }
    return this.deaf ? [] : packets.map(joined);
  }

  #receive(bytes: Uint8Array): void {
    if (bytes[0] === FRAME.piece) this.pieces++;
    const received = receiveFrame(this.session, bytes);
    checkSession(this.session);
    if (received.type === "violation") expect.fail(`the agent is in violation: ${received.detail}`);
    if (received.type === "broken") expect.fail(`the agent broke an exchange: ${received.detail}`);
    if (received.type === "draining") this.drains++;
    if (received.type === "moved") this.moves++;
    if (received.type === "reset") this.answerOf(received.stream).reset = received.code;
    if (received.type === "interim") {
      this.answerOf(received.stream).interims.push({ status: received.status, headers: received.headers });
    }
    if (received.type !== "piece") return;
    const answer = this.answerOf(received.stream);
    expect(answer.ended, "something comes after the end").toBe(false);
    answer.head ??= received.head;
    if (received.body.length > 0) answer.parts.push(received.body);
    answer.ended = received.last;
    answer.trailers = received.trailers;
    if (!this.stalled.has(received.stream.id)) consume(this.session, received.stream, received.body.length);
  }

  #freshSession(): Session {
    const peerWindowBytes = this.hello?.windowBytes ?? agentLimits.windowBytes;
    return createSession("server", this.agent.state.config.limits, {
      peerWindowBytes,
      headBytesMax: 64 * 1024,
    });
  }
}

/** One message as it comes off the wire, in memory of its own. */
export function joined(packet: Effect<"socket_send_packet">): Uint8Array {
  return new Uint8Array(Buffer.concat([packet.header, ...packet.body]));
}

/** What an origin was given of a streamed body. */
export function sentTo(effects: readonly AgentEffect[], exchange: ExchangeId): Uint8Array {
  const sent = all(effects, "origin_send").filter((effect) => effect.exchange === exchange);
  return new Uint8Array(Buffer.concat(sent.map((effect) => effect.bytes)));
}

export function connected(config: Partial<AgentConfig> = {}): NativeServer {
  const server = new NativeServer(config);
  server.connect();
  return server;
}
