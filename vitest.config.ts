import { defineConfig } from "vitest/config";
import { FRONTS_LEFT_OUT, hasFronts } from "./test/fronts/programs.ts";
import { hasMysqlTests, LEFT_OUT } from "./test/mysql/engine.ts";

/**
 * How long anything is waited for; tests have no deadlines of their own. It matters where something failed, and on a machine
 * that is busy with other things, where the longest tests take several times their usual half a minute.
 */
const patience = { testTimeout: 180_000, hookTimeout: 180_000, expect: { poll: { timeout: 60_000 } } };

const UNITS = ["test/{core,adapters,helpers}/**/*.test.ts", "test/{architecture,purity}.test.ts"];

const withMysql = await hasMysqlTests();
if (!withMysql) console.warn(LEFT_OUT);
const withFronts = hasFronts();
if (!withFronts) console.warn(FRONTS_LEFT_OUT);

export default defineConfig({
  test: {
    // Two cores: more workers only make the tests over real sockets wait for each other.
    maxWorkers: 2,
    projects: [
      // Most of `npm run test:quick`: the core by itself, and adapters over sockets of their own.
      { test: { name: "units", include: UNITS, ...patience } },
      {
        test: {
          name: "systems",
          include: ["test/**/*.test.ts"],
          exclude: [...UNITS, "test/mysql/**", "test/fronts/**", "test/deploy/**", "test/apps/**"],
          ...patience,
        },
      },
      // What passes from a visitor to a home and back passes as well where he has come to another node than the home's.
      {
        test: {
          name: "hop",
          include: ["test/e2e/native-*.test.ts", "test/e2e/hosts.test.ts", "test/e2e/sign-in.test.ts"],
          env: { TEST_HOP: "1" },
          ...patience,
        },
      },
      // Caddy, nginx and HAProxy around the server, by the configurations of the documents.
      ...(withFronts ? [{ test: { name: "fronts", include: ["test/fronts/*.test.ts"], ...patience } }] : []),
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
