/** `npm run coverage:sim`: how much of the core the simulator alone reaches. */
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

export default defineConfig({
  root: fileURLToPath(new URL("../../..", import.meta.url)),
  test: {
    include: ["test/sim/coverage/seeds.ts"],
    // A thousand seeds take a quarter of an hour on a quiet machine.
    testTimeout: 3_600_000,
    coverage: {
      enabled: true,
      provider: "v8",
      include: ["core/**/*.ts"],
      // It words what people mistype on command lines: no machine asks it anything.
      exclude: ["core/text/**"],
      reporter: [["text", { maxCols: 80 }], "json", fileURLToPath(new URL("worst.ts", import.meta.url))],
      thresholds: { branches: 95 },
    },
  },
});
