/**
 * A server and an agent, both real state machines, on a fake wire and one virtual clock, with a model of the home's
 * service behind the agent. All invariants of both are checked after each step.
 */
import { expect } from "vitest";
import {
  type AgentConfig,
  type AgentState,
  agentDeadlineMs,
  checkAgent,
  createAgent,
  stepAgent,
} from "../../core/agent.ts";
import type { AgentEffect } from "../../core/effects.ts";
import type { AgentEvent } from "../../core/events.ts";
import type { CallId, SocketId } from "../../core/ids.ts";
import { agentLimits } from "../../core/limits.ts";
import { Outbox } from "../../core/outbox.ts";
import { serverDeadlineMs } from "../../core/server.ts";
import { FakeWire, frameBytes } from "./fake-wire.ts";
import { ModelOrigin } from "./model-origin.ts";
import { ACCESS_TOKEN, CLIENT_TOKEN, TestServer } from "./test-server.ts";
import type { SocketOrder, TestSocket } from "./test-socket.ts";
import type { Visit } from "./test-visit.ts";

/** What is due so soon is not waited for: an agent holds a packet back for a moment to fill it. */
const MOMENT_MS = 10;

/** One attempt at a connection. */
type Link = { readonly agentSocket: SocketId; readonly wire: FakeWire; serverSocket: TestSocket | null };

export class TestAgent {
  readonly state: AgentState;
  readonly origin = new ModelOrigin();
  readonly links: Link[] = [];
  stopped: string | null | undefined;
  /** Given to each new wire. */
  order: FakeWire["order"] = () => 0;
  readonly #server: TestServer;
  #gone = false;
  readonly #calls = new Map<CallId, Visit>();
  readonly #out = new Outbox<AgentEffect>();

  constructor(server: TestServer, config: Partial<AgentConfig> = {}) {
    this.#server = server;
    const clientToken = CLIENT_TOKEN;
    const defaults: AgentConfig = {
      clientId: "home",
      clientToken,
      accessToken: ACCESS_TOKEN,
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
      seed: 1,
    };
    this.state = createAgent({ ...defaults, ...config });
  }

  /** The newest connection's wire. */
  get wire(): FakeWire {
    return this.links.at(-1)?.wire ?? expect.fail("the agent has no connection");
  }

  get isConnected(): boolean {
    return this.state.links[0].life.phase === "connected";
  }

  /** When it has something to do by itself. */
  get deadlineMs(): number {
    return this.#gone ? Number.POSITIVE_INFINITY : agentDeadlineMs(this.state);
  }

  dispatch(event: AgentEvent): void {
    if (this.#gone) return;
    stepAgent(this.state, this.#server.nowMs, event, this.#out);
    const effects: AgentEffect[] = [];
    this.#out.drain((effect) => effects.push(effect));
    checkAgent(this.state);
    for (const effect of effects) this.#perform(effect);
  }

  /** The connection breaks: both ends hear of it, and what was under way is lost. */
  cut(): void {
    const link = this.links.at(-1);
    if (link !== undefined) this.#end(link, 1006);
  }

  /** The agent is gone for good, and nobody hears of it. */
  vanish(): void {
    this.#gone = true;
  }

  /** One message each way on each wire, and one step of the origin; false where nothing was left to do. */
  move(): boolean {
    if (this.#gone) return false;
    let moved = false;
    for (const [call, visit] of this.#calls) {
      if (!visit.isClosed) continue;
      this.#calls.delete(call);
      this.dispatch({ type: "api_answered", call, status: visit.status, body: visit.text });
      moved = true;
    }
    for (const link of [...this.links]) moved = this.#carry(link) || moved;
    for (const event of this.origin.pump()) {
      // An earlier one may have ended or paused it.
      if ("exchange" in event && this.#ignores(event)) continue;
      this.dispatch(event);
      moved = true;
    }
    return moved;
  }

  #ignores(event: Extract<AgentEvent, { exchange: unknown }>): boolean {
    return this.origin.aborted.includes(event.exchange);
  }

  #carry(link: Link): boolean {
    const { wire, agentSocket: socket } = link;
    const down = wire.takeForAgent();
    if (down !== undefined) {
      link.serverSocket?.flush(frameBytes(down));
      if (down.kind === "accepted") this.dispatch({ type: "socket_opened", socket, protocol: down.protocol });
      else if (down.kind === "bytes") this.dispatch({ type: "socket_bytes", socket, bytes: down.bytes });
      else if (down.kind === "text") this.dispatch({ type: "socket_text", socket, text: down.text });
      else if (down.kind === "refused") {
        this.dispatch({ type: "socket_refused", socket, status: down.status, body: down.body });
        this.#end(link, 1006);
      } else if (down.kind === "close") this.#end(link, down.code, down.reason);
      else if (down.kind === "ping" || down.kind === "pong") {
        if (down.kind === "ping") wire.sendToServer({ kind: "pong" });
        this.dispatch({ type: "socket_heard", socket });
      }
    }
    const up = wire.takeForServer();
    const server = link.serverSocket;
    if (up !== undefined && server !== null) {
      if (frameBytes(up) > 0) this.dispatch({ type: "socket_flushed", socket, bytes: frameBytes(up) });
      if (up.kind === "text") server.say(up.text);
      else if (up.kind === "bytes") server.sendBytes(up.bytes);
      else if (up.kind === "close") this.#end(link, up.code, up.reason);
      else {
        if (up.kind === "ping") wire.toAgent.push({ kind: "pong" });
        server.beat();
      }
    }
    return down !== undefined || up !== undefined;
  }

  #perform(effect: AgentEffect): void {
    switch (effect.type) {
      case "api_call": {
        const headers = ["authorization", `Bearer ${effect.token}`];
        this.#calls.set(effect.call, this.#server.open({ method: "POST", target: effect.target, headers }));
        return;
      }
      case "socket_connect":
        return this.#connect(effect);
      case "socket_send_text":
        return this.#wireOf(effect.socket).sendToServer({ kind: "text", text: effect.text });
      case "socket_send_packet": {
        const bytes = new Uint8Array(Buffer.concat([effect.header, ...effect.body]));
        return this.#wireOf(effect.socket).sendToServer({ kind: "bytes", bytes });
      }
      case "socket_ping":
        return this.#wireOf(effect.socket).sendToServer({ kind: "ping" });
      case "socket_close":
        return this.#wireOf(effect.socket).sendToServer({
          kind: "close",
          code: effect.code,
          reason: effect.reason,
        });
      case "socket_terminate": {
        const link = this.links.find((each) => each.agentSocket === effect.socket);
        if (link !== undefined) this.#end(link, 1006);
        return;
      }
      case "stopped":
        this.stopped = effect.failure;
        return;
      case "report":
        expect(JSON.stringify(effect.report), "a report names a secret").not.toContain("secret");
        return;
      case "state_save":
        return;
      default:
        this.origin.perform(effect);
    }
  }

  #connect(effect: Extract<AgentEffect, { type: "socket_connect" }>): void {
    const { socket: agentSocket, target, headers, protocols } = effect;
    const offered = protocols.length === 0 ? [] : ["sec-websocket-protocol", protocols.join(", ")];
    const wire = new FakeWire();
    wire.order = this.order;
    const link: Link = { agentSocket, wire, serverSocket: null };
    this.links.push(link);
    link.serverSocket = this.#server.upgrade(target, [...headers, ...offered], false, (order) =>
      this.#onOrder(link, order),
    );
    // The handshake may have been completed already.
    link.serverSocket.open();
  }

  #onOrder(link: Link, order: SocketOrder): void {
    const { wire } = link;
    switch (order.type) {
      case "upgrade_accept":
        wire.toAgent.push({ kind: "accepted", protocol: order.protocol });
        link.serverSocket?.open();
        return;
      case "upgrade_refuse":
        wire.toAgent.push({
          kind: "refused",
          status: order.status,
          body: Buffer.from(order.body).toString(),
        });
        return;
      case "socket_send_text":
        wire.toAgent.push({ kind: "text", text: order.text });
        return;
      case "socket_send_packet": {
        const bytes = new Uint8Array(Buffer.concat([order.header, ...order.body]));
        wire.toAgent.push({ kind: "bytes", bytes });
        return;
      }
      case "socket_ping":
        wire.toAgent.push({ kind: "ping" });
        return;
      case "socket_pause":
        wire.isPaused = order.paused;
        return;
      case "socket_close":
        wire.toAgent.push({ kind: "close", code: order.code, reason: order.reason });
        return;
      case "socket_terminate":
        return this.#end(link, 1006);
    }
  }

  #end(link: Link, code: number, reason = ""): void {
    if (link.wire.isCut) return;
    link.wire.isCut = true;
    link.wire.dropAll();
    link.serverSocket?.lose(code);
    this.dispatch({ type: "socket_closed", socket: link.agentSocket, code, reason });
    // What the agent did about it may have been one more connection.
    const index = this.links.indexOf(link);
    if (index >= 0) this.links.splice(index, 1);
  }

  #wireOf(socket: SocketId): FakeWire {
    const link = this.links.find((each) => each.agentSocket === socket);
    return link?.wire ?? expect.fail("the agent sends on a connection that it has not");
  }
}

export class Pair {
  readonly server: TestServer;
  readonly agents: TestAgent[] = [];

  constructor(server = new TestServer(), config: Partial<AgentConfig> = {}) {
    this.server = server;
    server.grant("client_access", CLIENT_TOKEN, "home");
    this.join(config);
  }

  get agent(): TestAgent {
    return this.agents[0] ?? expect.fail("there is no agent");
  }

  /** One more agent, connected. */
  join(config: Partial<AgentConfig> = {}): TestAgent {
    const agent = new TestAgent(this.server, config);
    this.agents.push(agent);
    agent.dispatch({ type: "tick" });
    this.run();
    return agent;
  }

  /** Until nothing moves any more without more time. */
  run(): void {
    for (let steps = 0; ; steps++) {
      expect(steps, "the pair never comes to rest").toBeLessThan(200_000);
      const moved = this.agents.map((agent) => agent.move());
      if (moved.includes(true)) continue;
      const soonMs = Math.min(...this.agents.map((agent) => agent.deadlineMs));
      if (soonMs - this.server.nowMs > MOMENT_MS) return;
      this.#tickAt(soonMs);
    }
  }

  /** Lets time pass for both, and everything move in between. */
  advance(ms: number): void {
    const untilMs = this.server.nowMs + ms;
    this.run();
    for (;;) {
      const deadlines = this.agents.map((agent) => agent.deadlineMs);
      const nextMs = Math.min(serverDeadlineMs(this.server.state), ...deadlines);
      if (nextMs > untilMs) break;
      this.#tickAt(nextMs);
      this.run();
    }
    this.server.nowMs = Math.max(untilMs, this.server.nowMs);
  }

  /** Everybody leaves; nothing may be left on the server, and nothing of an exchange on the agents. */
  expectEmpty(): void {
    for (const agent of this.agents) {
      agent.cut();
      expect(agent.origin.running.size, "an origin request is left").toBe(0);
    }
    this.server.expectEmpty();
  }

  #tickAt(atMs: number): void {
    this.server.nowMs = Math.max(this.server.nowMs, atMs);
    this.server.dispatch({ type: "tick" });
    for (const agent of this.agents) agent.dispatch({ type: "tick" });
  }
}

/** Bytes whose place shows in their value. */
export function bytesOf(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let index = 0; index < length; index++) bytes[index] = (index * 31 + (index >> 8) * 17) & 0xff;
  return bytes;
}

/** The visitor has got that body whole. */
export function expectBody(visit: Visit, body: Uint8Array): void {
  expect(visit.end).toBe("clean");
  expect(Buffer.compare(visit.body, body), "the body is not the origin's").toBe(0);
}
