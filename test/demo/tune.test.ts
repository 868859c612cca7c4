import { beforeAll, describe, expect, it } from "vitest";
import { composeTune } from "./tune.ts";
import { outlineOf, secondsOf } from "./wav.ts";

describe("the tune", () => {
  let file: Buffer;
  beforeAll(() => {
    file = composeTune();
  });

  it("is a WAV file of 16 bit, stereo, 44,100 Hz whose lengths are right", () => {
    expect(file.toString("latin1", 0, 4)).toBe("RIFF");
    expect(file.readUInt32LE(4)).toBe(file.length - 8);
    expect(file.toString("latin1", 8, 16)).toBe("WAVEfmt ");
    expect(file.readUInt16LE(20)).toBe(1);
    expect(file.readUInt16LE(22)).toBe(2);
    expect(file.readUInt32LE(24)).toBe(44_100);
    expect(file.readUInt32LE(28)).toBe(176_400);
    expect(file.readUInt16LE(34)).toBe(16);
    expect(file.readUInt32LE(40)).toBe(file.length - 44);
  });

  it("has at least 30 MiB and lasts about three minutes", () => {
    expect(file.length).toBeGreaterThanOrEqual(30 * 1024 * 1024);
    expect(secondsOf(file)).toBeCloseTo(183, 5);
  });

  it("is the same at every run", () => {
    expect(composeTune().equals(file)).toBe(true);
  });

  it("is loud but never clipped, and ends in silence", () => {
    let peak = 0;
    for (let at = 44; at < file.length; at += 2) peak = Math.max(peak, Math.abs(file.readInt16LE(at)));
    expect(peak).toBeGreaterThan(25_000);
    expect(peak).toBeLessThan(32_000);
    expect(outlineOf(file, 120).at(-1)).toBeLessThan(5);
  });

  it("sounds its own pitches: the first eighth is the A below the arpeggio's D, an octave up", () => {
    // Correlates 0.2 s after the attack with a sine of each pitch; a noise or a wrong tuning spreads over all of them.
    const strengths = [415.3, 440, 466.16].map((frequency) => strengthAt(file, frequency, 2_000, 8_820));
    expect(strengths[1]).toBeGreaterThan(5 * Math.max(strengths[0] ?? 0, strengths[2] ?? 0));
  });
});

function strengthAt(file: Buffer, frequency: number, firstFrame: number, frames: number): number {
  let sine = 0;
  let cosine = 0;
  for (let i = 0; i < frames; i++) {
    const sample = file.readInt16LE(44 + 4 * (firstFrame + i));
    const angle = (2 * Math.PI * frequency * i) / 44_100;
    sine += sample * Math.sin(angle);
    cosine += sample * Math.cos(angle);
  }
  return Math.hypot(sine, cosine);
}
