/**
 * `npm run test:older-lts`, on the older of Node's two LTS lines: the tests of each adapter, where Node is met, those of the core, and
 * the golden seeds, whose every step is the same on both.
 */
import { spawnSync } from "node:child_process";
import { nodeOf, OLDER_LTS } from "../../deploy/nodes.ts";

const PARTS = ["test/adapters/", "test/core/", "test/sim/run/golden.test.ts"];

const { status } = spawnSync(
  nodeOf(OLDER_LTS),
  ["node_modules/vitest/vitest.mjs", "run", ...PARTS, ...process.argv.slice(2)],
  { stdio: "inherit" },
);
process.exitCode = status ?? 1;
