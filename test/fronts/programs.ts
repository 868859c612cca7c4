/** The proxies that the documents put in front of a server, and whether they are here. */
import { spawnSync } from "node:child_process";

const PROGRAMS = { caddy: ["version"], nginx: ["-v"], haproxy: ["-v"] } as const;

/** The one line for whoever runs the tests without them. */
export const FRONTS_LEFT_OUT =
  "The tests of proxies in front are left out: caddy, nginx and haproxy are not all in the path (Debian has them).";

/** CI must have them, and fails without. */
export function hasFronts(environment: NodeJS.ProcessEnv = process.env): boolean {
  if (environment.CI) return true;
  return Object.entries(PROGRAMS).every(([program, flags]) => spawnSync(program, flags).status === 0);
}

/** Debian has none, and building it takes as long as all other tests: it is looked at where somebody has it. */
export function hasTraefik(): boolean {
  return spawnSync("traefik", ["version"]).status === 0;
}
