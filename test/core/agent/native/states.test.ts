import { describe, expect, it } from "vitest";
import type { AgentEvent } from "../../../../core/events.ts";
import type { CallId, ExchangeId, SocketId } from "../../../../core/ids.ts";
import { agentLimits } from "../../../../core/limits.ts";
import { Outbox } from "../../../../core/outbox.ts";
import { attachSession } from "../../../../core/session/life.ts";
import { pump } from "../../../../core/session/pump.ts";
import { openStream, resetStream, sendBody, sendEnd } from "../../../../core/session/send.ts";
import { createSession } from "../../../../core/session/state.ts";
import { encodeWelcome } from "../../../../core/wire/native.ts";
import { all, type Effect, type Harness } from "../harness.ts";
import { joined, NativeServer } from "./harness.ts";

const exchange = 1 as ExchangeId;

/** Every state of an agent of the native protocol, and how to get there. */
const states: Record<string, () => NativeServer> = {
  greeting: () => {
    const server = new NativeServer();
    server.greet();
    return server;
  },
  connected: () => connected(),
  "an upload under way": () => uploading(),
  "a request at the origin": () => requested(),
  "a head that waits": () => headed(),
  "an upgraded connection": () => upgraded(),
  "a full queue": () => full(),
  "an answer that is not acknowledged": () => {
    const server = headed();
    server.deaf = true;
    server.agent.end(exchange);
    return server;
  },
  "away with a request": () => away(requested()),
  "away with a full queue": () => away(full()),
  "greeting with a session": () => {
    const server = away(full());
    server.greet();
    return server;
  },
  "resuming, before the server's resume frame": () => {
    const server = away(full());
    server.greet();
    const bytes = encodeWelcome({ ticket: server.ticket(9), resumed: true, graceMs: 30_000, idleMs: null });
    server.agent.step({ type: "socket_bytes", socket: server.agent.socket, bytes });
    return server;
  },
  draining: () => draining(headed()),
  "draining with an upload": () => draining(uploading()),
};

function connected(): NativeServer {
  const server = new NativeServer();
  server.connect();
  return server;
}

function requested(): NativeServer {
  const server = connected();
  server.begin();
  return server;
}

function uploading(): NativeServer {
  const server = connected();
  server.begin({ method: "PUT", body: null });
  return server;
}

function headed(): NativeServer {
  const server = requested();
  server.agent.head(exchange);
  return server;
}

function full(): NativeServer {
  const server = headed();
  server.stalled.add(1);
  for (let chunks = 0; chunks < 8; chunks++) {
    server.agent.body(exchange, 64 * 1024);
    server.settle();
  }
  return server;
}

function upgraded(): NativeServer {
  const server = connected();
  server.begin({ upgrade: true, body: null, headers: ["Connection", "Upgrade", "Upgrade", "websocket"] });
  server.agent.head(exchange, ["Connection", "Upgrade", "Upgrade", "websocket"], 101);
  server.settle();
  return server;
}

function away(server: NativeServer): NativeServer {
  server.cut();
  return server;
}

function draining(server: NativeServer): NativeServer {
  server.agent.step({ type: "drain_requested" });
  return server;
}

/** Frames as servers send them, about exchanges that live and that do not, and such as none sends. */
function frames(): Uint8Array[] {
  const session = createSession("server", agentLimits, { peerWindowBytes: 1_000, headBytesMax: 1_000 });
  const out = new Outbox<Effect<"socket_send_packet">>();
  const made: Uint8Array[] = [
    new Uint8Array(),
    new Uint8Array(11),
    new Uint8Array(12),
    encodeWelcome({ ticket: "0".repeat(32), resumed: false, graceMs: 5, idleMs: null }),
    encodeWelcome({ ticket: "0".repeat(32), resumed: true, graceMs: 5, idleMs: null }),
    Uint8Array.of(4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
    Uint8Array.of(7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
    Uint8Array.of(8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8),
  ];
  attachSession(session, 1 as SocketId, false);
  const collect = () => {
    pump(session, 0, out);
    out.drain((packet) => made.push(joined(packet)));
  };
  for (const id of [1, 2]) {
    const stream = openStream(session, id, {
      method: "PUT",
      target: "/x",
      peer: "::1",
      headers: [],
      upgrade: false,
    });
    collect();
    sendBody(session, stream, new Uint8Array(100));
    collect();
    if (id === 1) sendEnd(session, stream, []);
    else resetStream(session, stream, "visitor_left");
    collect();
  }
  return made;
}

/** Every event that an adapter could report next, about what lives, what is over and what never was. */
function eventsIn({ agent }: NativeServer): AgentEvent[] {
  const { socketsMade, callsMade } = agent.state;
  const events: AgentEvent[] = [{ type: "tick" }, { type: "drain_requested" }];
  for (let socket = 0 as SocketId; socket <= socketsMade + 1; socket++) {
    const bytes = agent.sockets.has(socket) ? agent.unsentBytes : 0;
    events.push(
      { type: "socket_opened", socket, protocol: null },
      { type: "socket_opened", socket, protocol: "culvert.1" },
      { type: "socket_refused", socket, status: 400, body: '{"detail":"culvert.2"}' },
      { type: "socket_text", socket, text: "{}" },
      ...frames().map((frame) => ({ type: "socket_bytes", socket, bytes: frame }) as const),
      { type: "socket_heard", socket },
      { type: "socket_flushed", socket, bytes },
      ...[1000, 1001, 1002, 1006, 4001].map(
        (code) => ({ type: "socket_closed", socket, code, reason: "" }) as const,
      ),
    );
  }
  for (let call = 0 as CallId; call <= callsMade + 1; call++) {
    events.push({ type: "api_answered", call, status: 200, body: '{"token":"t"}' });
  }
  events.push(...originEvents(agent));
  return events;
}

function originEvents(agent: Harness): AgentEvent[] {
  const running = agent.state.exchanges.get(exchange);
  const events: AgentEvent[] = [
    { type: "origin_failed", exchange, fault: "broken" },
    { type: "origin_interim", exchange, status: 103, headers: [] },
    { type: "origin_flushed", exchange, bytes: agent.origins.get(exchange)?.unflushedBytes ?? 0 },
  ];
  if (running?.headed !== true) {
    for (const status of [101, 200, 204, 700])
      events.push({ type: "origin_head", exchange, status, headers: [] });
  }
  if (running?.headed !== false) {
    events.push({ type: "origin_body", exchange, bytes: new Uint8Array(100_000) });
    events.push({ type: "origin_ended", exchange, trailers: ["x", "1"] });
  }
  return events;
}

/** The world gets well: the agent must answer again, or come to its end exactly once. */
function settle(server: NativeServer): void {
  const { agent } = server;
  if (["draining", "closing", "stopped"].includes(agent.phase)) {
    agent.advance(60_000);
    expect(all(agent.effects, "stopped")).toHaveLength(1);
    expect(agent.origins.size).toBe(0);
    return;
  }
  if (agent.phase === "connected") agent.lose(4001);
  if (agent.phase === "greeting") agent.advance(agentLimits.helloMs);
  agent.connect();
  agent.head(agent.request(1_000));
  expect(agent.phase).toBe("connected");
}

describe("every state of an agent of the native protocol", () => {
  it.each(Object.entries(states))("takes every event and still gets where it should: %s", (_, enter) => {
    const events = eventsIn(enter());
    expect(events.length).toBeGreaterThan(40);
    for (const event of events) {
      const take = () => {
        const server = enter();
        server.agent.step(event);
        settle(server);
      };
      const what =
        "bytes" in event && event.type === "socket_bytes" ? `bytes ${event.bytes}` : JSON.stringify(event);
      expect(take, what.slice(0, 200)).not.toThrow();
    }
  });
});
