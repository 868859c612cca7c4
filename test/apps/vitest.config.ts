/** `npm run test:apps`: real applications and their own clients, one after the other. `tools/` has how each is brought here. */
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

/** The first run installs an application before it is seen to work. */
const PATIENCE_MS = 1_200_000;

export default defineConfig({
  root: fileURLToPath(new URL("../..", import.meta.url)),
  test: {
    include: ["test/apps/*.test.ts"],
    fileParallelism: false,
    // Where Debian has nginx.
    env: { PATH: `${process.env.PATH}:/usr/sbin` },
    testTimeout: PATIENCE_MS,
    hookTimeout: PATIENCE_MS,
    expect: { poll: { timeout: 120_000, interval: 100 } },
  },
});
