import { describe, expect, it } from "vitest";
import {
  arrive,
  createPace,
  give,
  mark,
  mayGive,
  starve,
  underWayBytes,
} from "../../../core/session/pace.ts";
import { ModelLink } from "./model-link.ts";

/** Bytes a millisecond, and milliseconds each way: from a telephone in a tunnel to a machine room. */
const LINKS = [
  { bytesPerMs: 250, delayMs: 40 },
  { bytesPerMs: 2_500, delayMs: 15 },
  { bytesPerMs: 2_500, delayMs: 200 },
  { bytesPerMs: 12_500, delayMs: 1 },
  { bytesPerMs: 25_000, delayMs: 50 },
];

/** How long the best of a hundred pieces waits, the worst five left out. */
function wait95({ waits }: ModelLink): number {
  const sorted = [...waits].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length * 0.95)] ?? 0;
}

/** What may wait in the queue of a link that is known: the slack, a piece, and what the clock rounds. */
function waitMax({ delayMs }: { readonly delayMs: number }): number {
  return Math.max(15, delayMs) * 1.3 + 10;
}

describe("a link that is known", () => {
  it.each(LINKS)("is kept busy, and its queue short: $bytesPerMs bytes/ms, $delayMs ms", (settings) => {
    const link = new ModelLink(settings.bytesPerMs, settings.delayMs);
    link.run(6_000);
    expect(link.run(6_000)).toBeGreaterThan(0.95);
    expect(wait95(link)).toBeLessThan(waitMax(settings));
  });

  it("is known soon after its first byte", () => {
    const link = new ModelLink(2_500, 15);
    expect(link.run(1_000)).toBeGreaterThan(0.9);
    link.run(500);
    expect(link.run(500)).toBeGreaterThan(0.95);
    expect(wait95(link)).toBeLessThan(waitMax({ delayMs: 15 }));
  });

  it("is not taken for a slow one because there was little to send", () => {
    const link = new ModelLink(2_500, 15);
    link.run(3_000);
    link.supplyBytes = 5;
    link.run(5_000);
    link.supplyBytes = Number.POSITIVE_INFINITY;
    expect(link.run(300)).toBeGreaterThan(0.85);
  });

  it("is not taken for a fast one because little went out for long before it was asked", () => {
    const pace = createPace();
    for (let nowMs = 0; nowMs < 2_000; nowMs++) {
      give(pace, 1_000, nowMs);
      starve(pace);
    }
    give(pace, 1_000, 2_000);
    mark(pace, 1, 2_000);
    arrive(pace, 1, 2_001);
    expect(pace.rate.now).toBe(1_000);
  });

  it("lets a little more go than the link carries, never the whole of what waits", () => {
    const link = new ModelLink(250, 40);
    link.run(3_000);
    expect(link.underWayBytes).toBeLessThan(250 * (2 * 40 + 20) * 1.5);
  });
});

describe("a fast link", () => {
  it("is not held back, and is as soon as it is slow", () => {
    const link = new ModelLink(200_000, 0);
    link.supplyBytes = 200_000;
    expect(link.run(1_000)).toBeGreaterThan(0.95);
    expect(link.pace.limitBytes).toBe(Number.POSITIVE_INFINITY);
    link.supplyBytes = 3_000;
    link.bytesPerMs = 2_500;
    link.delayMs = 15;
    link.run(8_000);
    link.supplyBytes = Number.POSITIVE_INFINITY;
    link.run(3_000);
    expect(link.run(3_000)).toBeGreaterThan(0.95);
    expect(wait95(link)).toBeLessThan(waitMax({ delayMs: 15 }));
  });
});

describe("a link that changes", () => {
  it("that becomes ten times slower has a short queue again when the old one is gone", () => {
    const link = new ModelLink(2_500, 15);
    link.run(3_000);
    link.bytesPerMs = 250;
    link.run(3_000);
    expect(link.run(3_000)).toBeGreaterThan(0.95);
    expect(wait95(link)).toBeLessThan(waitMax({ delayMs: 15 }));
  });

  it("that becomes ten times faster is filled again", () => {
    const link = new ModelLink(250, 40);
    link.run(3_000);
    link.bytesPerMs = 2_500;
    link.run(4_000);
    expect(link.run(3_000)).toBeGreaterThan(0.95);
  });

  it("that becomes ten times longer is filled again", () => {
    const link = new ModelLink(2_500, 15);
    link.run(3_000);
    link.delayMs = 150;
    link.run(8_000);
    expect(link.run(3_000)).toBeGreaterThan(0.95);
  });

  it("that becomes ten times shorter loses the queue that the long one needed", () => {
    const link = new ModelLink(2_500, 150);
    link.run(5_000);
    link.delayMs = 15;
    link.run(5_000);
    expect(link.run(3_000)).toBeGreaterThan(0.95);
    expect(wait95(link)).toBeLessThan(waitMax({ delayMs: 15 }));
  });

  it("keeps its share where others fill the queue, and a short queue when they have left", () => {
    const link = new ModelLink(2_500, 15);
    link.run(3_000);
    link.others = { partMs: 2, queueMs: 100 };
    link.run(5_000);
    // Of what others leave: their queue stands and takes what this sender does not.
    expect(link.run(3_000)).toBeGreaterThan(0.3);
    link.others = null;
    link.run(10_000);
    expect(link.run(3_000)).toBeGreaterThan(0.95);
    expect(wait95(link)).toBeLessThan(waitMax({ delayMs: 15 }));
  });

  it("goes on where it was when nothing arrived for a while", () => {
    const link = new ModelLink(2_500, 15);
    link.run(3_000);
    link.heldUntilMs = link.nowMs + 4_000;
    link.run(4_000);
    link.run(3_000);
    expect(link.run(3_000)).toBeGreaterThan(0.95);
    expect(wait95(link)).toBeLessThan(waitMax({ delayMs: 15 }));
  });

  it("is another one for who was silent for long", () => {
    const pace = createPace();
    pace.limitBytes = 1e9;
    give(pace, 10, 1);
    mark(pace, 1, 1);
    arrive(pace, 1, 2);
    give(pace, 10, 20_000);
    expect(pace.limitBytes).toBe(64 * 1024);
  });
});

describe("marks", () => {
  it("count once", () => {
    const pace = createPace();
    give(pace, 1_000, 1);
    mark(pace, 5, 1);
    arrive(pace, 4, 2);
    expect(underWayBytes(pace)).toBe(1_000);
    arrive(pace, 5, 2);
    expect(underWayBytes(pace)).toBe(0);
    give(pace, 500, 3);
    arrive(pace, 5, 4);
    expect(underWayBytes(pace)).toBe(500);
  });

  it("answer for those before them", () => {
    const pace = createPace();
    for (const number of [1, 2, 3]) {
      give(pace, 1_000, number);
      mark(pace, number, number);
    }
    arrive(pace, 3, 30);
    expect(underWayBytes(pace)).toBe(0);
  });

  it("stop what goes out until one of them has come back", () => {
    const pace = createPace();
    while (mayGive(pace)) give(pace, 1_000, 1);
    mark(pace, 1, 1);
    expect(underWayBytes(pace)).toBeLessThan(70_000);
    arrive(pace, 1, 30);
    starve(pace);
    expect(mayGive(pace)).toBe(true);
  });
});
