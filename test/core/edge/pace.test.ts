/** Answers that no home gave: an address gets so many as fast as it asks, and then its connections are held. */
import { describe, expect, test } from "vitest";
import { checkEdge } from "../../../core/edge/check.ts";
import { createEdge, edgeDeadlineMs, stepEdge } from "../../../core/edge/edge.ts";
import type { EdgeEffect, EdgeEvent } from "../../../core/edge/events.ts";
import { type EdgeLimits, edgeLimits } from "../../../core/edge/limits.ts";
import { parseIpBlock } from "../../../core/http/ip.ts";
import type { ConnectionId, ExchangeId } from "../../../core/ids.ts";
import { Outbox } from "../../../core/outbox.ts";

const STRANGER = "192.0.2.1";
const NEIGHBOUR = "192.0.2.2";
const REQUEST = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

function start(limits: Partial<EdgeLimits> = {}, proxies: readonly string[] = []) {
  const trustedProxies = proxies.map(parseIpBlock).filter((block) => block !== null);
  const edge = createEdge({
    limits: { ...edgeLimits, addressUnservedMax: 2, addressUnservedMs: 10, ...limits },
    trustedProxies,
    date: () => "",
  });
  const out = new Outbox<EdgeEffect>();
  let nowMs = 0;
  let accepted = 0;
  const step = (event: EdgeEvent): EdgeEffect[] => {
    const effects: EdgeEffect[] = [];
    stepEdge(edge, nowMs, event, out);
    out.drain((effect) => effects.push(effect));
    checkEdge(edge);
    return effects;
  };
  const run = {
    edge,
    step,
    accept: (peer = STRANGER): ConnectionId => {
      const connection = ++accepted as ConnectionId;
      step({ type: "connection_accepted", connection, peer });
      return connection;
    },
    /** The exchanges that the bytes open. */
    say: (connection: ConnectionId, text: string): ExchangeId[] =>
      opened(step({ type: "connection_bytes", connection, bytes: new TextEncoder().encode(text) })),
    answer: (exchange: ExchangeId, unserved: boolean) => {
      const order = { type: "respond", exchange, status: 401, headers: [], body: [], close: false } as const;
      const effects = step(unserved ? { ...order, unserved } : order);
      for (const effect of effects) {
        if (effect.type !== "connection_write") continue;
        let bytes = 0;
        for (const part of effect.parts) bytes += part.length;
        step({ type: "connection_flushed", connection: effect.connection, bytes });
      }
    },
    refuse: (connection: ConnectionId) => {
      for (const exchange of run.say(connection, REQUEST)) run.answer(exchange, true);
    },
    /** The exchanges that open with the one tick that comes so late. */
    wake: (ms: number): ExchangeId[] => {
      nowMs += ms;
      return opened(step({ type: "tick" }));
    },
    /** The exchanges that open when all is done that is due by then. */
    wait: (ms: number): ExchangeId[] => {
      const untilMs = nowMs + ms;
      const exchanges: ExchangeId[] = [];
      while (edgeDeadlineMs(edge) <= untilMs) {
        nowMs = Math.max(nowMs, edgeDeadlineMs(edge));
        exchanges.push(...opened(step({ type: "tick" })));
      }
      nowMs = untilMs;
      return exchanges;
    },
  };
  return run;
}

function opened(effects: readonly EdgeEffect[]): ExchangeId[] {
  return effects.flatMap((effect) => (effect.type === "exchange_opened" ? [effect.exchange] : []));
}

describe("an address that was refused as often as it may be", () => {
  test("gets on with one request each time one of its answers has leaked away", () => {
    const run = start();
    const connections = [run.accept(), run.accept(), run.accept(), run.accept()];
    for (const connection of connections.slice(0, 2)) run.refuse(connection);
    for (const connection of connections.slice(2)) expect(run.say(connection, REQUEST)).toEqual([]);
    expect(run.wait(9)).toEqual([]);
    const [third, ...others] = run.wait(1);
    expect(others).toEqual([]);
    run.answer(third as ExchangeId, true);
    expect(run.wait(10)).toHaveLength(1);
  });

  test("gets on with all that it may at once, one behind the other on one connection", () => {
    const run = start({ addressUnservedMax: 5 });
    const held = [run.accept(), run.accept()];
    for (let index = 0; index < 5; index++) run.refuse(held[0] as ConnectionId);
    for (const connection of held) run.say(connection, REQUEST.repeat(2));
    expect(run.wait(9)).toEqual([]);
    // The clock has stood still for the server meanwhile.
    expect(run.wake(1_000)).toHaveLength(4);
  });

  test("is not read on a connection that it opens then", () => {
    const run = start();
    const kept = run.accept();
    run.refuse(kept);
    run.refuse(kept);
    const connection = 9 as ConnectionId;
    const pause = { type: "connection_pause", connection, paused: true };
    expect(run.step({ type: "connection_accepted", connection, peer: STRANGER })).toEqual([pause]);
    run.wait(10);
    expect(run.edge.connections.get(connection)?.paused).toBe(false);
  });

  test("holds up no other address", () => {
    const run = start();
    const stranger = run.accept();
    run.refuse(stranger);
    run.refuse(stranger);
    expect(run.say(stranger, REQUEST)).toEqual([]);
    expect(run.say(run.accept(NEIGHBOUR), REQUEST)).toHaveLength(1);
  });

  test("is held until the head's time is over that it is not asked for", () => {
    const run = start({ addressUnservedMs: 60_000 });
    const stranger = run.accept();
    run.refuse(stranger);
    run.refuse(stranger);
    const held = run.accept();
    run.wait(edgeLimits.headMs + 1_000);
    expect(run.edge.connections.has(held)).toBe(true);
  });

  test("loses a connection on which it sends more ahead than one request", () => {
    const run = start({ headBytesMax: 100 });
    const stranger = run.accept();
    run.refuse(stranger);
    run.refuse(stranger);
    const connection = run.accept();
    const bytes = new TextEncoder().encode(REQUEST.repeat(10));
    const effects = run.step({ type: "connection_bytes", connection, bytes });
    expect(effects).toContainEqual({ type: "connection_fault", connection, fault: "limit_unserved" });
    expect(effects).toContainEqual({ type: "connection_close", connection });
  });

  test("that ends its side while it is held is let go", () => {
    const run = start();
    const stranger = run.accept();
    run.refuse(stranger);
    run.refuse(stranger);
    const connection = run.accept();
    const close = { type: "connection_close", connection };
    expect(run.step({ type: "connection_ended", connection })).toEqual([close]);
    run.step({ type: "connection_closed", connection, cause: null });
    expect(run.wait(1_000)).toEqual([]);
  });
});

test("answers of homes are not counted, however many", () => {
  const run = start();
  const visitor = run.accept();
  for (let index = 0; index < 100; index++) {
    const [exchange] = run.say(visitor, REQUEST);
    run.answer(exchange as ExchangeId, false);
  }
  expect(run.say(visitor, REQUEST)).toHaveLength(1);
});

test("what was counted beforehand is given back when a home answers", () => {
  const run = start();
  const visitor = run.accept();
  run.refuse(visitor);
  run.refuse(visitor);
  run.say(visitor, REQUEST);
  const [exchange] = run.wait(10);
  run.answer(exchange as ExchangeId, false);
  expect(run.say(visitor, REQUEST)).toHaveLength(1);
});

test("refused handshakes count as well", () => {
  const run = start();
  const handshake = [
    "GET /ws HTTP/1.1",
    "Host: x",
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
  ];
  for (let index = 0; index < 2; index++) {
    const connection = run.accept();
    run.say(connection, [...handshake, "", ""].join("\r\n"));
    run.step({ type: "connection_refused", connection });
    run.step({ type: "connection_closed", connection, cause: null });
  }
  expect(run.say(run.accept(), REQUEST)).toEqual([]);
});

test("requests that cannot be read count as well", () => {
  const run = start();
  run.say(run.accept(), "nonsense\r\n\r\n");
  run.say(run.accept(), "nonsense\r\n\r\n");
  expect(run.say(run.accept(), REQUEST)).toEqual([]);
});

test("a proxy that is trusted is never held", () => {
  const run = start({}, [STRANGER]);
  const proxy = run.accept();
  for (let index = 0; index < 10; index++) run.refuse(proxy);
  expect(run.say(proxy, REQUEST)).toHaveLength(1);
});

test("addresses that came to rest are forgotten", () => {
  const run = start();
  for (let index = 0; index < 1_000; index++) {
    const connection = run.accept(`198.51.${index >> 8}.${index & 255}`);
    run.refuse(connection);
    run.wait(10);
    run.step({ type: "connection_closed", connection, cause: null });
  }
  expect(run.edge.paces.size).toBeLessThanOrEqual(64);
});
