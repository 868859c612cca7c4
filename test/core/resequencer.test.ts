import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  acceptPacket,
  createResequencer,
  dropParked,
  isComplete,
  type Resequencer,
  takeParked,
  type Verdict,
} from "../../core/resequencer.ts";
import type { Packet } from "../../core/wire/packet.ts";

const LIMITS = { parkedPacketsMax: 4, parkedBytesMax: 10 };
const ROOMY = { parkedPacketsMax: 10_000, parkedBytesMax: 10_000_000 };

function packet(packetId: number, body: string | Uint8Array = "", last = false, status = 200): Packet {
  return {
    type: "packet",
    requestId: 1,
    packetId,
    last,
    head: packetId === 1 ? { status, headers: [] } : null,
    body: new Uint8Array(Buffer.from(body)),
  };
}

/** Gives a packet in, and all that it makes contiguous out. */
function accept(order: Resequencer, given: Packet, limits = ROOMY): { verdict: Verdict; out: number[] } {
  const verdict = acceptPacket(order, given, limits);
  const out = verdict === "next" ? [given.packetId] : [];
  if (verdict === "next") {
    for (let next = takeParked(order); next !== undefined; next = takeParked(order)) out.push(next.packetId);
  }
  return { verdict, out };
}

describe("the resequencer", () => {
  it("delivers what is in order at once and parks nothing", () => {
    const order = createResequencer();
    for (const id of [1, 2, 3]) {
      expect(accept(order, packet(id, "x", id === 3))).toEqual({ verdict: "next", out: [id] });
      expect(order.parked.size).toBe(0);
    }
    expect(isComplete(order)).toBe(true);
  });

  it("is complete only when everything up to the last packet was delivered", () => {
    const order = createResequencer();
    expect(isComplete(order)).toBe(false);
    accept(order, packet(3, "c", true));
    accept(order, packet(1, "a"));
    expect(isComplete(order)).toBe(false);
    expect(accept(order, packet(2, "b")).out).toEqual([2, 3]);
    expect(isComplete(order)).toBe(true);
  });

  it("takes a packet however far ahead, for distance is no bound", () => {
    const order = createResequencer();
    expect(accept(order, packet(2 ** 32 - 1, "z", true), LIMITS).verdict).toBe("parked");
  });

  it("PB01 parks the packet that fills its place exactly, and not one more", () => {
    const byCount = createResequencer();
    for (const id of [2, 3, 4, 5]) expect(accept(byCount, packet(id), LIMITS).verdict).toBe("parked");
    expect(accept(byCount, packet(6), LIMITS).verdict).toBe("overflow");
    expect(accept(byCount, packet(1), LIMITS)).toEqual({ verdict: "next", out: [1, 2, 3, 4, 5] });

    const byBytes = createResequencer();
    expect(accept(byBytes, packet(2, "x".repeat(10)), LIMITS).verdict).toBe("parked");
    expect(accept(byBytes, packet(3, ""), LIMITS).verdict).toBe("parked");
    expect(accept(byBytes, packet(4, "x"), LIMITS).verdict).toBe("overflow");
  });

  it("delivers the next packet whatever its size and however full the parking is", () => {
    const order = createResequencer();
    for (const id of [2, 3, 4, 5]) accept(order, packet(id), LIMITS);
    expect(accept(order, packet(1, "x".repeat(1_000)), LIMITS).verdict).toBe("next");
  });

  it("PB12 counts the bytes of a packet that comes again once", () => {
    const order = createResequencer();
    for (let times = 0; times < 100; times++) accept(order, packet(3, "ccc"), LIMITS);
    expect(order.parkedBytes).toBe(3);
    accept(order, packet(1, "a"), LIMITS);
    accept(order, packet(2, "b"), LIMITS);
    expect(order.parkedBytes).toBe(0);
  });

  it.each<[string, Packet, Packet, Verdict]>([
    ["the same, parked", packet(2, "a"), packet(2, "a"), "duplicate"],
    ["another body, parked", packet(2, "a"), packet(2, "b"), "conflict"],
    ["a longer body, parked", packet(2, "a"), packet(2, "aa"), "conflict"],
    ["another last flag, parked", packet(2, "a", true), packet(2, "a"), "conflict"],
    ["the same, delivered", packet(1, "a"), packet(1, "a"), "duplicate"],
    ["another body, delivered", packet(1, "a"), packet(1, "b"), "conflict"],
    ["no body, delivered", packet(1, "a"), packet(1, ""), "conflict"],
    ["another last flag, delivered", packet(1, "a"), packet(1, "a", true), "conflict"],
    ["another status, delivered", packet(1, "a"), packet(1, "a", false, 404), "conflict"],
    ["behind the last one", packet(2, "a", true), packet(3, "b"), "beyond_last"],
    ["a second last one behind", packet(2, "a", true), packet(3, "b", true), "beyond_last"],
    ["a second last one before", packet(3, "a", true), packet(2, "b", true), "beyond_last"],
    ["a last one before another", packet(3, "a"), packet(2, "b", true), "beyond_last"],
  ])("tells a second packet that is %s", (_, first, second, verdict) => {
    const order = createResequencer();
    accept(order, first);
    expect(accept(order, second).verdict).toBe(verdict);
  });

  it("tells a conflict in a long delivered packet that differs widely", () => {
    const order = createResequencer();
    accept(order, packet(1));
    accept(order, packet(2, new Uint8Array(65_000).fill(1)));
    expect(accept(order, packet(2, new Uint8Array(65_000).fill(1))).verdict).toBe("duplicate");
    expect(accept(order, packet(2, new Uint8Array(65_000).fill(2))).verdict).toBe("conflict");
  });

  it("takes a packet that was delivered long ago for the same", () => {
    const order = createResequencer();
    for (let id = 1; id <= 66; id++) accept(order, packet(id, "a"));
    expect(accept(order, packet(2, "b")).verdict).toBe("duplicate");
    expect(accept(order, packet(3, "b")).verdict).toBe("conflict");
  });

  it("changes nothing by a packet that it refuses", () => {
    const order = createResequencer();
    accept(order, packet(3, "ccc"), LIMITS);
    for (const refused of [packet(2, "b", true), packet(4, "x".repeat(9)), packet(3, "c")]) {
      accept(order, refused, LIMITS);
    }
    expect(order).toMatchObject({ next: 1, last: 0, highest: 3, parkedBytes: 3 });
  });

  it("keeps no part of the buffer that a small packet came in", () => {
    const buffer = new Uint8Array(64 * 1024);
    const order = createResequencer();
    accept(order, { ...packet(2), body: buffer.subarray(0, 5) });
    expect(order.parked.get(2)?.body.buffer.byteLength).toBe(5);
  });

  it("PB06 has nothing left after it dropped what was parked", () => {
    const order = createResequencer();
    accept(order, packet(2, "b"));
    dropParked(order);
    expect(order).toMatchObject({ parkedBytes: 0 });
    expect(order.parked.size).toBe(0);
  });

  it("gives out every body byte once and in order, whatever the order and the repeats", () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 5 }), { minLength: 1, maxLength: 20 }).chain((bodies) =>
          fc.record({
            bodies: fc.constant(bodies),
            repeats: fc.array(fc.nat({ max: bodies.length - 1 }), { maxLength: 20 }),
            seeds: fc.array(fc.nat(), { minLength: bodies.length + 20, maxLength: bodies.length + 20 }),
          }),
        ),
        ({ bodies, repeats, seeds }) => {
          const sent = [...bodies.keys(), ...repeats]
            .map((index, place) => ({ index, at: seeds[place] ?? 0 }))
            .sort((a, b) => a.at - b.at);
          const order = createResequencer();
          const out: number[] = [];
          let repeated = 0;
          for (const { index } of sent) {
            const taken = accept(order, packet(index + 1, bodies[index], index === bodies.length - 1));
            if (taken.verdict === "duplicate") repeated++;
            out.push(...taken.out);
          }
          expect(out).toEqual(bodies.map((_, index) => index + 1));
          expect(repeated).toBe(repeats.length);
          expect(isComplete(order)).toBe(true);
          expect(order.parkedBytes).toBe(0);
        },
      ),
    );
  });
});
