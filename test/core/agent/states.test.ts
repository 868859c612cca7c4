import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { agentDeadlineMs, createAgent, stepAgent } from "../../../core/agent.ts";
import type { AgentEvent } from "../../../core/events.ts";
import type { CallId, ExchangeId, SocketId } from "../../../core/ids.ts";
import { agentLimits } from "../../../core/limits.ts";
import { Outbox } from "../../../core/outbox.ts";
import { all, config, Harness } from "./harness.ts";

/** Every state of the agent, the phases of an exchange included, and how to get there. */
const states: Record<string, () => Harness> = {
  "waiting for the first tick": () => new Harness({ clientToken: null }),
  registering: () => ticked(new Harness({ clientToken: null })),
  "registering with a token that was refused": () => {
    const harness = ticked(new Harness());
    const { socket } = harness;
    harness.step({ type: "socket_refused", socket, status: 401, body: '{"code":"unauthorized"}' });
    harness.advanceToDeadline();
    return harness;
  },
  signing: () => signing(),
  connecting: () => ticked(new Harness()),
  "connecting with a signature": () => {
    const harness = signing();
    harness.answer(200, '{"token":"s"}');
    return harness;
  },
  connected: () => connected(),
  "connected with a request at the origin": () => requested(),
  "connected with a head that waits": () => headed(),
  "connected with a body that waits": () => streaming(100_000),
  "connected and congested": () => streaming(agentLimits.sendBytesHigh + 100_000),
  "waiting after a loss": () => {
    const harness = connected();
    harness.lose();
    return harness;
  },
  "waiting after a takeover": () => {
    const harness = connected();
    harness.lose(4001);
    return harness;
  },
  draining: () => draining(headed()),
  "draining and congested": () => draining(streaming(agentLimits.sendBytesHigh + 100_000)),
  closing: () => draining(connected()),
  stopped: () => {
    const harness = new Harness();
    harness.step({ type: "drain_requested" });
    return harness;
  },
};

function ticked(harness: Harness): Harness {
  harness.step({ type: "tick" });
  return harness;
}

function signing(): Harness {
  const harness = ticked(new Harness());
  harness.step({ type: "socket_refused", socket: harness.socket, status: 401, body: "" });
  harness.advanceToDeadline();
  return harness;
}

function connected(): Harness {
  const harness = new Harness();
  harness.connect();
  return harness;
}

function requested(): Harness {
  const harness = connected();
  harness.request(1);
  return harness;
}

function headed(): Harness {
  const harness = requested();
  harness.head(1 as ExchangeId);
  return harness;
}

function streaming(bytes: number): Harness {
  const harness = headed();
  harness.body(1 as ExchangeId, bytes);
  return harness;
}

function draining(harness: Harness): Harness {
  harness.step({ type: "drain_requested" });
  return harness;
}

const texts = [
  '{"type":"HTTP","request_id":1,"method":"GET","path":"x","query":{},"profile":null}',
  '{"type":"HTTP","request_id":2,"method":"GET","path":"x","query":{},"profile":null}',
  '{"type":"WS","conn_id":1,"request_id":3,"body":1,"profile":null}',
  '{"type":"ABORT","request_id":1}',
  "nonsense",
];

/** Every event that an adapter could report next, about what lives, what is over and what never was. */
function eventsIn(harness: Harness): AgentEvent[] {
  const { links, socketsMade, callsMade, exchangesMade } = harness.state;
  const [{ life }] = links;
  const events: AgentEvent[] = [{ type: "tick" }, { type: "drain_requested" }];
  for (let socket = 0 as SocketId; socket <= socketsMade + 1; socket++) {
    const isCurrent = harness.sockets.has(socket) && life.phase !== "waiting";
    events.push(
      { type: "socket_opened", socket, protocol: null },
      { type: "socket_failed", socket, fault: { kind: "refused", detail: "" } },
      { type: "socket_refused", socket, status: 401, body: "" },
      { type: "socket_refused", socket, status: 401, body: '{"code":"unauthorized"}' },
      { type: "socket_refused", socket, status: 503, body: "" },
      ...texts.map((text) => ({ type: "socket_text", socket, text }) as const),
      { type: "socket_bytes", socket, bytes: new Uint8Array(20) },
      { type: "socket_heard", socket },
      { type: "socket_flushed", socket, bytes: isCurrent ? harness.unsentBytes : 100 },
      { type: "socket_closed", socket, code: 1006, reason: "" },
      { type: "socket_closed", socket, code: 4001, reason: "superseded" },
    );
  }
  for (let call = 0 as CallId; call <= callsMade + 1; call++) {
    events.push(
      { type: "api_answered", call, status: 200, body: '{"token":"t"}' },
      { type: "api_answered", call, status: 200, body: "?" },
      { type: "api_answered", call, status: 401, body: "" },
      { type: "api_answered", call, status: 409, body: "" },
      { type: "api_answered", call, status: 500, body: "" },
      { type: "api_failed", call, fault: { kind: "cut", detail: "" } },
    );
  }
  for (let exchange = 0 as ExchangeId; exchange <= exchangesMade + 1; exchange++) {
    const isHeaded = hasHead(harness, exchange);
    events.push({ type: "origin_failed", exchange, fault: "broken" });
    if (isHeaded !== true) events.push({ type: "origin_head", exchange, status: 200, headers: [] });
    if (isHeaded !== false) {
      events.push({ type: "origin_body", exchange, bytes: new Uint8Array(100_000) });
      events.push({ type: "origin_ended", exchange, trailers: [] });
    }
  }
  return events;
}

/** Whether the origin of a live exchange has given its head; null where the exchange is over. */
function hasHead(harness: Harness, exchange: ExchangeId): boolean | null {
  return harness.state.exchanges.get(exchange)?.headed ?? null;
}

/** The world gets well: the agent must get connected, or come to its end exactly once. */
function settle(harness: Harness): void {
  const { phase } = harness;
  if (phase === "draining" || phase === "closing" || phase === "stopped") {
    harness.advance(60_000);
    expect(all(harness.effects, "stopped")).toHaveLength(1);
    expect(agentDeadlineMs(harness.state)).toBe(Number.POSITIVE_INFINITY);
    expect(harness.origins.size).toBe(0);
  } else {
    harness.connect();
    const exchange = harness.request(1_000);
    harness.head(exchange);
    expect(all(harness.end(exchange), "socket_send_packet")).toHaveLength(1);
  }
}

describe("every state of the agent", () => {
  it.each(Object.entries(states))("takes every event and still gets where it should: %s", (_, enter) => {
    const events = eventsIn(enter());
    expect(events.length).toBeGreaterThan(20);
    for (const event of events) {
      const take = () => {
        const harness = enter();
        harness.step(event);
        settle(harness);
      };
      expect(take, JSON.stringify(event).slice(0, 200)).not.toThrow();
    }
  });
});

describe("the stopped agent", () => {
  it("ignores every event", () => {
    const harness = states.stopped?.() ?? expect.fail("no such state");
    for (const event of eventsIn(harness)) expect(harness.step(event)).toEqual([]);
  });
});

describe("any history of events", () => {
  it("leaves the agent sound and able to get connected or to stop", () => {
    const move = fc.record({ pick: fc.nat(), waitMs: fc.constantFrom(0, 0, 1, 2, 500, 5_000, 40_000) });
    fc.assert(
      fc.property(fc.array(move, { maxLength: 40 }), fc.nat(1_000), (moves, seed) => {
        const harness = new Harness({ clientToken: null, seed });
        for (const { pick, waitMs } of moves) {
          harness.advance(waitMs);
          const events = eventsIn(harness);
          // A drain ends the history early, so it is drawn rarely.
          const event = events[pick % events.length] ?? { type: "tick" };
          if (event.type === "drain_requested" && pick % 5 > 0) continue;
          // No adapter reports about a socket or an origin that it does not have.
          if ("socket" in event && !harness.sockets.has(event.socket)) continue;
          if ("exchange" in event && !harness.origins.has(event.exchange)) continue;
          if (event.type === "socket_flushed") harness.unsentBytes = 0;
          harness.step(event);
        }
        if (harness.phase === "stopped") expect(all(harness.effects, "stopped")).toHaveLength(1);
        else settle(harness);
      }),
      { numRuns: 300 },
    );
  });
});

describe("misuse by an adapter", () => {
  const step = (harness: Harness, event: AgentEvent) => () => harness.step(event);

  it("is an InvariantError, not a guess", () => {
    const exchange = 1 as ExchangeId;
    const bytes = new Uint8Array(1);
    expect(step(requested(), { type: "origin_body", exchange, bytes })).toThrow("before its head");
    expect(step(requested(), { type: "origin_ended", exchange, trailers: [] })).toThrow("before its head");
    const head: AgentEvent = { type: "origin_head", exchange, status: 200, headers: [] };
    expect(step(headed(), head)).toThrow("came twice");
    const socket = 1 as SocketId;
    expect(step(connected(), { type: "socket_flushed", socket, bytes: 1 })).toThrow(
      "more bytes were flushed",
    );
  });

  it("is found when time runs backwards or effects are left over", () => {
    const state = createAgent(config);
    const out = new Outbox<never>();
    stepAgent(state, 5, { type: "tick" }, out);
    expect(() => stepAgent(state, 6, { type: "tick" }, out)).toThrow("not carried out");
    out.drain(() => {});
    expect(() => stepAgent(state, 4, { type: "tick" }, out)).toThrow("time went backwards");
  });
});
