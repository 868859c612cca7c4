/** An agent on a virtual clock, with a world around it that checks every effect against what is alive. */
import { expect } from "vitest";
import {
  type AgentConfig,
  type AgentState,
  agentDeadlineMs,
  checkAgent,
  createAgent,
  stepAgent,
} from "../../../core/agent.ts";
import type { AgentEffect } from "../../../core/effects.ts";
import type { AgentEvent } from "../../../core/events.ts";
import type { CallId, ExchangeId, SocketId } from "../../../core/ids.ts";
import { agentLimits } from "../../../core/limits.ts";
import { Outbox } from "../../../core/outbox.ts";
import { decodePacket, type Packet, type WireId } from "../../../core/wire/packet.ts";
import { decodeUtf8 } from "../../../core/wire/utf8.ts";

export type Effect<Type extends AgentEffect["type"]> = Extract<AgentEffect, { type: Type }>;

export const config: AgentConfig = {
  clientId: "home 1",
  clientToken: "client-token",
  accessToken: "access-token",
  invite: null,
  hostname: null,
  protocol: "moosicbox",
  access: "token",
  origins: [{ prefix: "/", authority: "origin.test" }],
  hostHeader: { type: "origin" },
  exitOnError: false,
  docsUrl: null,
  headers: [],
  limits: agentLimits,
  links: 1,
  instance: "0123456789abcdef0123456789abcdef",
  seed: 7,
};

export class Harness {
  readonly state: AgentState;
  nowMs = 0;
  /** Everything ordered so far. */
  readonly effects: AgentEffect[] = [];
  /** What the adapters hold: handles that were opened and not yet given up by either side. */
  readonly origins = new Map<ExchangeId, { paused: boolean; takes: boolean; unflushedBytes: number }>();
  readonly sockets = new Set<SocketId>();
  /** Sent on the newest socket and not yet flushed. */
  unsentBytes = 0;
  private readonly out = new Outbox<AgentEffect>();

  constructor(overrides: Partial<AgentConfig> = {}) {
    this.state = createAgent({ ...config, ...overrides });
  }

  /** One step, audited; gives its effects. */
  step(event: AgentEvent): AgentEffect[] {
    const isLastOfOrigin = event.type === "origin_ended" || event.type === "origin_failed";
    if (isLastOfOrigin) this.origins.delete(event.exchange);
    if (event.type === "socket_closed") this.sockets.delete(event.socket);
    stepAgent(this.state, this.nowMs, event, this.out);
    const effects: AgentEffect[] = [];
    this.out.drain((effect) => {
      this.audit(effect);
      effects.push(effect);
    });
    checkAgent(this.state);
    this.effects.push(...effects);
    return effects;
  }

  /** Lets time pass, ticking at each deadline; gives all effects. */
  advance(ms: number): AgentEffect[] {
    const untilMs = this.nowMs + ms;
    const effects: AgentEffect[] = [];
    for (let ticks = 0; agentDeadlineMs(this.state) <= untilMs; ticks++) {
      expect(ticks, "the agent ticks without end").toBeLessThan(100_000);
      this.nowMs = Math.max(this.nowMs, agentDeadlineMs(this.state));
      effects.push(...this.step({ type: "tick" }));
    }
    this.nowMs = untilMs;
    return effects;
  }

  /** Lets time pass with a server that answers pings. */
  advanceAlive(ms: number): void {
    for (let left = ms; left > 0; left -= agentLimits.pingMs) {
      this.advance(Math.min(left, agentLimits.pingMs));
      this.step({ type: "socket_heard", socket: this.socket });
    }
  }

  /** Lets time pass up to the next deadline. */
  advanceToDeadline(): AgentEffect[] {
    return this.advance(Math.max(0, agentDeadlineMs(this.state) - this.nowMs));
  }

  /** Answers whatever the agent asks for until it is connected; gives the socket. */
  connect(): SocketId {
    for (let steps = 0; this.state.links[0].life.phase !== "connected"; steps++) {
      expect(steps, "the agent does not get connected").toBeLessThan(100);
      const [{ life }] = this.state.links;
      switch (life.phase) {
        case "waiting":
          this.advance(agentDeadlineMs(this.state) - this.nowMs);
          break;
        case "registering":
        case "signing":
          this.answer(200, `{"token":"${life.phase}-token"}`);
          break;
        case "connecting":
          this.step({ type: "socket_opened", socket: life.socket, protocol: null });
          break;
        default:
          expect.fail(`cannot connect from ${life.phase}`);
      }
    }
    return this.socket;
  }

  /** Answers the API call that is under way. */
  answer(status: number, body: string): AgentEffect[] {
    return this.step({ type: "api_answered", call: this.call, status, body });
  }

  /** A request frame from the server; gives the handle of the exchange, which must have been given to the origin. */
  request(requestId: WireId, frame: Record<string, unknown> = {}): ExchangeId {
    const effects = this.frame(requestId, frame);
    return only(effects, "origin_request").exchange;
  }

  /** A request frame from the server, whatever comes of it. */
  frame(requestId: WireId, frame: Record<string, unknown> = {}): AgentEffect[] {
    const rest = JSON.stringify({ method: "GET", path: "x", query: {}, profile: null, ...frame }).slice(1);
    return this.text(`{"type":"HTTP","request_id":${requestId},${rest}`);
  }

  text(text: string): AgentEffect[] {
    return this.step({ type: "socket_text", socket: this.socket, text });
  }

  head(exchange: ExchangeId, headers: readonly string[] = [], status = 200): AgentEffect[] {
    return this.step({ type: "origin_head", exchange, status, headers });
  }

  body(exchange: ExchangeId, bytes: Uint8Array | number): AgentEffect[] {
    const given = typeof bytes === "number" ? new Uint8Array(bytes) : bytes;
    return this.step({ type: "origin_body", exchange, bytes: given });
  }

  end(exchange: ExchangeId, trailers: readonly string[] = []): AgentEffect[] {
    return this.step({ type: "origin_ended", exchange, trailers });
  }

  /** The origin's connection takes all request bytes that it was sent. */
  take(exchange: ExchangeId): AgentEffect[] {
    const origin = this.origins.get(exchange) ?? expect.fail("there is no such request");
    const bytes = origin.unflushedBytes;
    origin.unflushedBytes = 0;
    return this.step({ type: "origin_flushed", exchange, bytes });
  }

  /** The kernel takes all that is unsent. */
  flush(): AgentEffect[] {
    const bytes = this.unsentBytes;
    this.unsentBytes = 0;
    return this.step({ type: "socket_flushed", socket: this.socket, bytes });
  }

  /** The server ends the tunnel. */
  lose(code = 1006): AgentEffect[] {
    return this.step({ type: "socket_closed", socket: this.socket, code, reason: "" });
  }

  get phase(): AgentState["links"][0]["life"]["phase"] {
    return this.state.links[0].life.phase;
  }

  /** The socket whose handshake is under way, of any link; null where there is none. */
  get dialled(): SocketId | null {
    for (const { life } of this.state.links) if (life.phase === "connecting") return life.socket;
    return null;
  }

  /** The socket that the agent holds now. */
  get socket(): SocketId {
    const [{ life }] = this.state.links;
    if (life.phase === "connected" || life.phase === "draining") return life.tunnel.socket;
    if (life.phase === "connecting" || life.phase === "greeting" || life.phase === "closing")
      return life.socket;
    return expect.fail(`there is no socket while ${life.phase}`);
  }

  /** The API call that the agent waits for. */
  get call(): CallId {
    const [{ life }] = this.state.links;
    if (life.phase === "registering" || life.phase === "signing") return life.call;
    return expect.fail(`there is no call while ${life.phase}`);
  }

  /** Effects name live things only, and the books are kept to the byte. */
  private audit(effect: AgentEffect): void {
    switch (effect.type) {
      case "socket_connect":
        this.sockets.add(effect.socket);
        this.unsentBytes = 0;
        break;
      case "socket_terminate":
        expect(this.sockets.delete(effect.socket), "a dead socket is terminated").toBe(true);
        break;
      case "socket_send_text":
      case "socket_send_packet":
        expect(this.sockets.has(effect.socket), "something is sent on a dead socket").toBe(true);
        this.unsentBytes += sizeOf(effect);
        break;
      case "socket_ping":
      case "socket_close":
        expect(this.sockets.has(effect.socket), "an order for a dead socket").toBe(true);
        break;
      case "origin_request":
        this.origins.set(effect.exchange, {
          paused: false,
          takes: effect.body === "streamed" || effect.upgrade,
          unflushedBytes: 0,
        });
        break;
      case "origin_send":
      case "origin_send_end": {
        const origin = this.origins.get(effect.exchange);
        expect(origin?.takes, "bytes for a request that is dead or has ended").toBe(true);
        if (origin === undefined) break;
        if (effect.type === "origin_send_end") origin.takes = false;
        else origin.unflushedBytes += effect.bytes.length;
        break;
      }
      case "origin_abort":
        expect(this.origins.delete(effect.exchange), "a dead origin request is aborted").toBe(true);
        break;
      case "origin_pause": {
        const origin = this.origins.get(effect.exchange);
        expect(origin?.paused, "a dead origin request is paused, or one twice").toBe(!effect.paused);
        if (origin !== undefined) origin.paused = effect.paused;
        break;
      }
    }
  }
}

export function sizeOf(effect: Effect<"socket_send_text" | "socket_send_packet">): number {
  if (effect.type === "socket_send_text") return new TextEncoder().encode(effect.text).length;
  return effect.body.reduce((bytes, part) => bytes + part.length, effect.header.length);
}

export function all<Type extends AgentEffect["type"]>(
  effects: readonly AgentEffect[],
  type: Type,
): Effect<Type>[] {
  return effects.filter((effect): effect is Effect<Type> => effect.type === type);
}

export function only<Type extends AgentEffect["type"]>(
  effects: readonly AgentEffect[],
  type: Type,
): Effect<Type> {
  const [first, ...others] = all(effects, type);
  if (first === undefined || others.length > 0)
    expect.fail(`expected one ${type}: ${JSON.stringify(effects)}`);
  return first;
}

/** The packets among the effects, as a server reads them off the wire. */
export function packets(effects: readonly AgentEffect[]): Packet[] {
  return all(effects, "socket_send_packet").map((effect) => {
    const wire = new Uint8Array(sizeOf(effect));
    wire.set(effect.header);
    let at = effect.header.length;
    for (const part of effect.body) {
      wire.set(part, at);
      at += part.length;
    }
    const packet = decodePacket(wire, 64 * 1024);
    return packet.type === "packet" ? packet : expect.fail(packet.detail);
  });
}

/** The one packet among the effects, which must be a whole problem response. */
export function problem(effects: readonly AgentEffect[]): {
  status: number;
  code: string;
  requestId: unknown;
} {
  const [packet, ...others] = packets(effects);
  if (packet?.head === null || packet === undefined || others.length > 0) expect.fail("not one packet");
  expect(packet.last).toBe(true);
  expect(packet.head.headers).toContain("application/problem+json");
  const document = JSON.parse(decodeUtf8(packet.body) ?? "");
  expect(document.status).toBe(packet.head.status);
  return { status: packet.head.status, code: document.code, requestId: document.requestId };
}

export function reports(effects: readonly AgentEffect[]): string[] {
  return all(effects, "report").map((effect) => effect.report.type);
}
