import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AgentEffect } from "../../../../core/effects.ts";
import { agentLimits } from "../../../../core/limits.ts";
import type { Packet } from "../../../../core/wire/packet.ts";
import { all, Harness, packets, sizeOf } from "../harness.ts";

const { packetBytesMax, packetFillMs } = agentLimits;
const CHUNK = 64 * 1024;

function streaming(headers: readonly string[] = []) {
  const harness = new Harness();
  harness.connect();
  const exchange = harness.request(1);
  const effects = [...harness.head(exchange, headers)];
  return { harness, exchange, effects };
}

function bodyOf(sent: readonly Packet[]): Uint8Array {
  return Buffer.concat(sent.map((packet) => packet.body));
}

describe("a small response", () => {
  it("is one packet with the last flag when its length is declared", () => {
    const { harness, exchange } = streaming(["content-length", "64"]);
    expect(harness.body(exchange, 64)).toEqual([]);
    const sent = packets(harness.end(exchange));
    expect(sent).toHaveLength(1);
    expect(sent[0]).toMatchObject({ packetId: 1, last: true });
    expect(sent[0]?.body).toHaveLength(64);
  });

  it("is one packet when its length is not declared", () => {
    const { harness, exchange } = streaming();
    harness.body(exchange, 10);
    harness.body(exchange, 20);
    const sent = packets(harness.end(exchange));
    expect(sent).toHaveLength(1);
    expect(sent[0]?.body).toHaveLength(30);
  });

  it("is one packet when it has no body", () => {
    const { harness, exchange } = streaming();
    expect(packets(harness.end(exchange))).toMatchObject([{ packetId: 1, last: true }]);
  });

  it("is one packet when it fills the packet to the last byte", () => {
    const { harness, exchange } = streaming();
    const room = packetBytesMax - 13 - 6 - 2;
    expect(harness.body(exchange, room)).toEqual([]);
    const effects = harness.end(exchange);
    expect(all(effects, "socket_send_packet").map(sizeOf)).toEqual([packetBytesMax]);
  });
});

describe("a head", () => {
  it("waits for a body no longer than a packet may wait to be filled", () => {
    const { harness, effects } = streaming();
    effects.push(...harness.advance(packetFillMs - 1));
    expect(packets(effects)).toEqual([]);
    expect(packets(harness.advance(1))).toMatchObject([{ packetId: 1, last: false }]);
  });
});

describe("an event stream", () => {
  it("H25 goes out event by event, none waits for another", () => {
    const { harness, exchange } = streaming(["content-type", "text/event-stream"]);
    harness.advance(packetFillMs);
    for (let event = 0; event < 20; event++) {
      const sent = packets(harness.body(exchange, 40));
      expect(sent).toHaveLength(1);
      expect(sent[0]).toMatchObject({ packetId: event + 2, last: false });
    }
  });

  it("H25 has its first event out together with the head, after the filling time at the latest", () => {
    const { harness, exchange } = streaming(["content-type", "text/event-stream"]);
    harness.body(exchange, 40);
    const sent = packets(harness.advance(packetFillMs));
    expect(sent).toHaveLength(1);
    expect(sent[0]?.body).toHaveLength(40);
  });
});

describe("a bulk body", () => {
  it("fills its packets: no tiny one follows each chunk", () => {
    const { harness, exchange, effects } = streaming();
    for (let chunk = 0; chunk < 100; chunk++) {
      effects.push(...harness.body(exchange, CHUNK));
      effects.push(...harness.flush());
    }
    effects.push(...harness.end(exchange));
    const sizes = all(effects, "socket_send_packet").map(sizeOf);
    expect(sizes.slice(0, -1).every((size) => size === packetBytesMax)).toBe(true);
    expect(sizes).toHaveLength(101);
  });

  it("has its remainder sent when no further chunk comes in time", () => {
    const { harness, exchange, effects } = streaming();
    effects.push(...harness.body(exchange, 2 * CHUNK));
    expect(packets(effects)).toHaveLength(2);
    effects.push(...harness.advance(packetFillMs));
    expect(bodyOf(packets(effects))).toHaveLength(2 * CHUNK);
  });

  it("counts the waiting from its newest remainder", () => {
    const { harness, exchange } = streaming();
    harness.body(exchange, CHUNK);
    harness.advance(packetFillMs - 1);
    harness.body(exchange, CHUNK);
    expect(packets(harness.advance(packetFillMs - 1))).toEqual([]);
    expect(packets(harness.advance(1))).toHaveLength(1);
  });

  it("has the last flag on its last bytes when its length is declared", () => {
    const { harness, exchange, effects } = streaming(["content-length", String(CHUNK + 100)]);
    effects.push(...harness.body(exchange, CHUNK), ...harness.advance(packetFillMs));
    effects.push(...harness.body(exchange, 100), ...harness.end(exchange));
    const sent = packets(effects);
    expect(sent.at(-1)).toMatchObject({ last: true });
    expect(sent.at(-1)?.body).toHaveLength(100);
  });

  it("is handed on without a copy", () => {
    const { harness, exchange } = streaming();
    const chunk = new Uint8Array(200_000);
    for (const effect of all(harness.body(exchange, chunk), "socket_send_packet")) {
      for (const part of effect.body) expect(part.buffer).toBe(chunk.buffer);
    }
  });
});

describe("any body in any chunks at any pace", () => {
  const chunk = fc.record({
    bytes: fc.oneof(fc.integer({ min: 0, max: 3_000 }), fc.integer({ min: 0, max: 200_000 })),
    waitMs: fc.constantFrom(0, 0, 0, 1, 2, 10),
  });
  const pattern = new Uint8Array(12 * 200_000).map((_, index) => (index * 31) ^ (index >> 8));
  const limit = fc.constantFrom(1_024, 1_500, 16_384, 65_536);

  it("arrives byte for byte in contiguous packets below the limit, with one last flag at the end", () => {
    const property = (chunks: { bytes: number; waitMs: number }[], limitBytes: number, declared: boolean) => {
      const total = chunks.reduce((sum, { bytes }) => sum + bytes, 0);
      const body = pattern.subarray(0, total);
      const harness = new Harness({ limits: { ...agentLimits, packetBytesMax: limitBytes } });
      harness.connect();
      const exchange = harness.request(1);
      const headers = declared ? ["content-length", String(total)] : [];
      const effects: AgentEffect[] = [...harness.head(exchange, headers)];
      let at = 0;
      for (const { bytes, waitMs } of chunks) {
        effects.push(...harness.body(exchange, body.slice(at, at + bytes)));
        effects.push(...harness.advance(waitMs));
        at += bytes;
      }
      effects.push(...harness.end(exchange));

      const sent = packets(effects);
      expect(sent.map((packet) => packet.packetId)).toEqual(sent.map((_, index) => index + 1));
      expect(sent.map((packet) => packet.last)).toEqual(sent.map((_, index) => index === sent.length - 1));
      for (const effect of all(effects, "socket_send_packet")) {
        expect(sizeOf(effect)).toBeLessThanOrEqual(limitBytes);
      }
      expect(Buffer.compare(bodyOf(sent), body)).toBe(0);
      expect(harness.state.counters.bytesSent).toBe(total);
    };
    fc.assert(fc.property(fc.array(chunk, { maxLength: 12 }), limit, fc.boolean(), property), {
      numRuns: 150,
    });
  });
});
