/** A path to make connections over: empty, and with nothing wrong with it. */
import { Path } from "../../../sim/network/path.ts";
import type { PathSettings } from "../../../sim/scenario/scenario.ts";
import { World } from "../../../sim/world/world.ts";

export const PATH: PathSettings = { latencyUs: 1_000, jitterUs: 0, bytesPerMs: 1_000, windowBytes: 4_000 };

export function makePath(settings: Partial<PathSettings> = {}, low = 1) {
  const world = new World({ seed: { high: 0, low } });
  return { world, path: new Path(world, "path", { ...PATH, ...settings }) };
}
