/** How long, how wide and how deep the way between two machines is. */
import type { PathSettings } from "../scenario/scenario.ts";
import type { Random } from "../tools/random.ts";

/** Now and then a native home's line is as slow as those of many houses, and its router has room for much. */
export function drawLine(random: Random, path: PathSettings, isNative: boolean): PathSettings {
  if (!isNative || !random.chance(1, 3)) return path;
  return { ...path, bytesPerMs: random.pick([60, 125, 250]), windowBytes: 1024 * 1024 };
}

/** `messageBytes` is the size of the largest message that is to get through. */
export function drawPath(random: Random, messageBytes: number): PathSettings {
  const latencyUs = random.skewed(100, LATENCY_US_MAX);
  return {
    latencyUs,
    jitterUs: random.chance(1, 3) ? 0 : random.below(latencyUs),
    bytesPerMs: random.pick([1_000, 5_000, 20_000, 100_000]),
    windowBytes: Math.max(
      random.pick([4_096, 16_384, 65_536, 262_144]),
      leastWindowBytes(latencyUs, messageBytes),
    ),
  };
}

/**
 * A long line has more under way than a short one. With less than this it carries so little that visits time out where
 * nothing is wrong, and a message that waits for an empty line starves behind smaller ones.
 */
function leastWindowBytes(latencyUs: number, messageBytes: number): number {
  return Math.ceil((latencyUs * (LEAST_UNDER_WAY_BYTES + messageBytes)) / LATENCY_US_MAX);
}

const LEAST_UNDER_WAY_BYTES = 16_384;
const LATENCY_US_MAX = 120_000;
