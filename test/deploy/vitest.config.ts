/**
 * `npm run test:package` and its like: what people install, made and used as they do. These tests need the npm registry, and some
 * of them root and a Docker engine, so they are none of `npm test`.
 */
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

export default defineConfig({
  root: fileURLToPath(new URL("../..", import.meta.url)),
  test: {
    include: ["test/deploy/*.test.ts"],
    testTimeout: 600_000,
    hookTimeout: 600_000,
    // They build, pack and install: two at a time would take as long, and a pack changes `package.json` while it lasts.
    fileParallelism: false,
    reporters: ["verbose"],
  },
});
