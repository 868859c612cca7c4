import { defineConfig } from "vitest/config";
import { hasMysqlTests, LEFT_OUT } from "./test/mysql/engine.ts";

const patience = { testTimeout: 30_000, hookTimeout: 30_000 };

const withMysql = await hasMysqlTests();
if (!withMysql) console.warn(LEFT_OUT);

export default defineConfig({
  test: {
    // Two cores: more workers only make the tests over real sockets wait for each other.
    maxWorkers: 2,
    projects: [
      {
        test: { name: "culvert", include: ["test/**/*.test.ts"], exclude: ["test/mysql/**"], ...patience },
      },
      // One server for all files, which they pause, kill and lock: one file at a time, when the others are done.
      ...(withMysql
        ? [
            {
              test: {
                name: "mysql",
                include: ["test/mysql/*.test.ts"],
                globalSetup: "test/mysql/setup.ts",
                maxWorkers: 1,
                sequence: { groupOrder: 1 },
                ...patience,
              },
            },
          ]
        : []),
    ],
  },
});
