/** `npm run test:older-lts`: the tests of each adapter, where Node is met, on the older of its two LTS lines. */
import { spawnSync } from "node:child_process";
import { nodeOf, OLDER_LTS } from "../../deploy/nodes.ts";

const { status } = spawnSync(
  nodeOf(OLDER_LTS),
  ["node_modules/vitest/vitest.mjs", "run", "test/adapters/", ...process.argv.slice(2)],
  { stdio: "inherit" },
);
process.exitCode = status ?? 1;
