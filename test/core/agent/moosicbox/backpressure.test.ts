import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ExchangeId } from "../../../../core/ids.ts";
import { agentLimits } from "../../../../core/limits.ts";
import { all, Harness, packets, reports } from "../harness.ts";

const { sendBytesHigh, sendBytesLow } = agentLimits;

/** A harness with so many exchanges whose origins answer. */
function answering(count: number): { harness: Harness; exchanges: ExchangeId[] } {
  const harness = new Harness();
  harness.connect();
  const exchanges = Array.from({ length: count }, (_, index) => harness.request(index + 1));
  for (const exchange of exchanges) harness.head(exchange);
  return { harness, exchanges };
}

/** The n-th exchange. */
function at(exchanges: readonly ExchangeId[], index: number): ExchangeId {
  return exchanges[index] ?? expect.fail(`there is no exchange ${index}`);
}

function flushTo(harness: Harness, leftBytes: number) {
  const bytes = harness.unsentBytes - leftBytes;
  harness.unsentBytes = leftBytes;
  return harness.step({ type: "socket_flushed", socket: harness.socket, bytes });
}

describe("backpressure", () => {
  it("pauses every origin that answers as soon as more than the high mark is unsent", () => {
    const { harness, exchanges } = answering(3);
    const effects = harness.body(at(exchanges, 0), sendBytesHigh + 100_000);
    expect(all(effects, "origin_pause")).toEqual(
      exchanges.map((exchange) => ({ type: "origin_pause", exchange, paused: true })),
    );
  });

  it("resumes all at the low mark, and not a byte before", () => {
    const { harness, exchanges } = answering(2);
    harness.body(at(exchanges, 0), sendBytesHigh + 100_000);
    expect(flushTo(harness, sendBytesLow + 1)).toEqual([]);
    expect(flushTo(harness, sendBytesLow)).toEqual(
      exchanges.map((exchange) => ({ type: "origin_pause", exchange, paused: false })),
    );
  });

  it("resumes another exchange first each time, so that none starves", () => {
    const { harness, exchanges } = answering(3);
    const firsts = Array.from({ length: 7 }, () => {
      harness.body(at(exchanges, 0), sendBytesHigh + 100_000);
      return all(harness.flush(), "origin_pause")[0]?.exchange;
    });
    const [a, b, c] = exchanges;
    expect(firsts).toEqual([a, b, c, a, b, c, a]);
  });

  it("pauses an origin that begins to answer while the tunnel is full", () => {
    const { harness, exchanges } = answering(1);
    const late = harness.request(50);
    harness.body(at(exchanges, 0), sendBytesHigh + 100_000);
    expect(harness.head(late)).toEqual([{ type: "origin_pause", exchange: late, paused: true }]);
    expect(all(harness.flush(), "origin_pause")).toHaveLength(2);
  });

  it("does not let a paused origin time out, and gives it its whole time afterwards", () => {
    const { harness, exchanges } = answering(1);
    harness.body(at(exchanges, 0), sendBytesHigh + 100_000);
    harness.advanceAlive(3.5 * agentLimits.originIdleMs);
    harness.flush();
    harness.advanceAlive(agentLimits.originIdleMs - 1);
    expect(all(harness.effects, "origin_abort")).toEqual([]);
    expect(all(harness.advance(1), "origin_abort")).toHaveLength(1);
  });

  it("never pauses an origin that has ended", () => {
    const harness = new Harness({ limits: { ...agentLimits, sendBytesHigh: 100, sendBytesLow: 10 } });
    harness.connect();
    const exchange = harness.request(1);
    harness.head(exchange);
    harness.body(exchange, 1_000);
    expect(all(harness.end(exchange), "origin_pause")).toEqual([]);
    expect(harness.flush()).toEqual([]);
  });

  it("begins anew on a new tunnel, whatever the old one still held", () => {
    const { harness, exchanges } = answering(1);
    harness.body(at(exchanges, 0), sendBytesHigh + 100_000);
    harness.lose();
    harness.connect();
    const exchange = harness.request(1);
    expect(all(harness.head(exchange), "origin_pause")).toEqual([]);
  });

  it("does not fill the memory for a server that asks and never reads", () => {
    const limits = { ...agentLimits, exchangesMax: 0, sendBytesHigh: 10_000, sendBytesLow: 1_000 };
    const harness = new Harness({ limits });
    harness.connect();
    for (let request = 1; request <= 1_000; request++) {
      harness.frame(request);
      harness.text(`{"type":"WS","conn_id":1,"request_id":${request},"body":1,"profile":null}`);
    }
    expect(harness.unsentBytes).toBeLessThan(2 * 10_000 + 1_000);
    expect(reports(harness.frame(5_000))).toEqual(["server_protocol_error"]);
    harness.flush();
    expect(packets(harness.frame(5_001))).toHaveLength(1);
  });

  it("keeps the unsent bytes within the high mark and what was read before the pause, and sends all", () => {
    const action = fc.oneof(
      fc.record({ exchange: fc.nat(4), bytes: fc.integer({ min: 1, max: 100_000 }) }),
      fc.record({ flush: fc.integer({ min: 0, max: 400_000 }) }),
    );
    const limits = { ...agentLimits, sendBytesHigh: 200_000, sendBytesLow: 50_000 };
    const property = (actions: ({ exchange: number; bytes: number } | { flush: number })[]) => {
      const harness = new Harness({ limits });
      harness.connect();
      const exchanges = [1, 2, 3, 4, 5].map((wireId) => harness.request(wireId));
      for (const exchange of exchanges) harness.head(exchange);
      let given = 0;
      for (const action of actions) {
        if ("flush" in action) {
          flushTo(harness, Math.max(0, harness.unsentBytes - action.flush));
        } else if (!harness.origins.get(at(exchanges, action.exchange))?.paused) {
          harness.body(at(exchanges, action.exchange), action.bytes);
          given += action.bytes;
        }
        expect(harness.unsentBytes).toBeLessThanOrEqual(200_000 + 100_000 + 6 * limits.packetBytesMax);
      }
      harness.flush();
      expect([...harness.origins.values()].every((origin) => !origin.paused)).toBe(true);
      for (const exchange of exchanges) harness.end(exchange);
      expect(harness.state.counters.bytesSent).toBe(given);
    };
    fc.assert(fc.property(fc.array(action, { maxLength: 40 }), property), { numRuns: 100 });
  });
});
