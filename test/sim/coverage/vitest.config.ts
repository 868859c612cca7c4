/** `npm run coverage:sim`: how much of the core the simulator alone reaches. */
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

export default defineConfig({
  root: fileURLToPath(new URL("../../..", import.meta.url)),
  test: {
    include: ["test/sim/coverage/seeds.ts"],
    testTimeout: 600_000,
    coverage: {
      enabled: true,
      provider: "v8",
      include: ["core/**/*.ts"],
      reporter: ["text", "json"],
      thresholds: { branches: 95 },
    },
  },
});
