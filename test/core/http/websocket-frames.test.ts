import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  closeFrame,
  createFrameTracker,
  isBetweenFrames,
  trackFrames,
} from "../../../core/http/websocket-frames.ts";

/** One frame, as RFC 6455 section 5.2 has it. */
function frame(opcode: number, length: number, masked: boolean): Uint8Array {
  const mask = masked ? 0x80 : 0;
  const head = [0x80 | opcode];
  if (length < 126) head.push(mask | length);
  else if (length < 65_536) head.push(mask | 126, length >> 8, length & 0xff);
  else head.push(mask | 127, 0, 0, 0, 0, 0, length >> 16, (length >> 8) & 0xff, length & 0xff);
  return new Uint8Array(head.length + (masked ? 4 : 0) + length)
    .fill(0xff)
    .map((byte, at) => head[at] ?? byte);
}

const frames = fc.array(
  fc.record({
    opcode: fc.constantFrom(0, 1, 2, 9, 10),
    length: fc.constantFrom(0, 1, 2, 125, 126, 127, 300, 65_535, 65_536),
    masked: fc.boolean(),
  }),
  { minLength: 1, maxLength: 4 },
);

describe("a tracker of WebSocket frames", () => {
  it("knows every border between frames, however the bytes are split", () => {
    fc.assert(
      fc.property(frames, fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1 }), (specs, sizes) => {
        const whole = specs.map((spec) => frame(spec.opcode, spec.length, spec.masked));
        const borders = new Set<number>([0]);
        let sum = 0;
        for (const each of whole) {
          sum += each.length;
          borders.add(sum);
        }
        const bytes = Buffer.concat(whole);
        const tracker = createFrameTracker();
        for (let at = 0, turn = 0; at < bytes.length; turn++) {
          expect(isBetweenFrames(tracker)).toBe(borders.has(at));
          const next = Math.min(bytes.length, at + (sizes[turn % sizes.length] ?? 1));
          trackFrames(tracker, bytes.subarray(at, next));
          at = next;
        }
        expect(isBetweenFrames(tracker)).toBe(true);
        expect(tracker.isClosed).toBe(false);
      }),
    );
  });

  it("sees a close frame, and makes one that it can read", () => {
    const tracker = createFrameTracker();
    const close = closeFrame(1012, "bye");
    expect([...close]).toEqual([0x88, 5, 0x03, 0xf4, 0x62, 0x79, 0x65]);
    trackFrames(tracker, close);
    expect(tracker.isClosed).toBe(true);
    expect(isBetweenFrames(tracker)).toBe(true);
  });
});
