import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseMysqlUrl } from "../../../adapters/settings/mysql-url.ts";
import { readServeConfig } from "../../../adapters/settings/settings.ts";
import { StartupError } from "../../../adapters/startup-error.ts";
import { serverLimits } from "../../../core/limits.ts";

const CANARY = "canary-secret-5d1f";
const FORM =
  "must be mysql://USER:PASSWORD@HOST:3306/NAME, with special characters of a part percent-encoded";

describe("a MySQL URL", () => {
  test("has defaults for everything but the account, the host and the database", () => {
    expect(parseMysqlUrl("mysql://culvert:secret@db.example.org/tunnels")).toEqual({
      type: "mysql",
      host: "db.example.org",
      port: 3306,
      user: "culvert",
      password: "secret",
      name: "tunnels",
      ssl: "disabled",
      caFile: null,
      pool: 10,
      connectMs: 1_500,
      queryMs: 1_800,
      startMs: 30_000,
    });
  });

  test("leaves the core the time to hear of a call that reached its deadline", () => {
    const settings = parseMysqlUrl("mysql://u:p@h/d");
    expect("queryMs" in settings && settings.queryMs).toBeLessThan(serverLimits.registryCallMs);
  });

  test("takes every parameter", () => {
    const parameters = "ssl=verify-identity&ca=/etc/db.pem&pool=3&connectMs=1&queryMs=60000&startMs=5";
    expect(parseMysqlUrl(`mysql://u:p@h:3307/d?${parameters}`)).toMatchObject({
      ...{ port: 3307, ssl: "verify-identity", caFile: "/etc/db.pem" },
      ...{ pool: 3, connectMs: 1, queryMs: 60_000, startMs: 5 },
    });
  });

  test("decodes what is percent-encoded, takes an empty password, and an IPv6 address without its brackets", () => {
    expect(parseMysqlUrl("mysql://u%40x:a%2Fb%3F%23%C3%A9@[::1]/d%20e")).toMatchObject({
      ...{ user: "u@x", password: "a/b?#é", host: "::1", name: "d e" },
    });
    expect(parseMysqlUrl("mysql://u@h/d")).toMatchObject({ password: "" });
  });

  test.each([
    ["mysql:", FORM],
    ["mysql://h/d", FORM],
    ["mysql://u:p@/d", FORM],
    ["mysql://u:p@h", FORM],
    ["mysql://u:p@h/", FORM],
    ["mysql://u:p@h:99999/d", FORM],
    ["mysql://u:%ff@h/d", FORM],
    [`mysql://u:p#${CANARY}@h/d`, FORM],
    [`mysql://u:12?${CANARY}@h/d`, FORM],
    ["mysql://u:p@h/d/e", "must name one database: mysql://USER:PASSWORD@HOST:3306/NAME"],
    ["mysql://u:p@h/d?sll=required", "has an unknown parameter sll; did you mean ssl?"],
    ["mysql://u:p@h/d?sslaccept=strict", "has an unknown parameter sslaccept"],
    [`mysql://u:p@h/d?${CANARY}@h/d`, "has an unknown parameter"],
    ["mysql://u:p@h/d?pool=1&pool=2", "has the parameter pool twice"],
    [
      "mysql://u:p@h/d?ssl=true",
      "has a parameter ssl that is not one of disabled, required, verify-ca, verify-identity",
    ],
    [
      "mysql://u:p@1.2.3.4/d?ssl=verify-identity",
      "has ssl=verify-identity, which needs a host name in place of an address",
    ],
    ["mysql://u:p@h/d?ca=x", "has a parameter ca, which needs ssl=verify-ca or ssl=verify-identity"],
    ["mysql://u:p@h/d?ssl=verify-ca&ca=", "has a parameter ca that names no file"],
    ["mysql://u:p@h/d?pool=0", "has a parameter pool that is not a whole number from 1 to 1000"],
    ["mysql://u:p@h/d?pool=1e1", "has a parameter pool that is not a whole number from 1 to 1000"],
    ["mysql://u:p@h/d?queryMs=60001", "has a parameter queryMs that is not a whole number from 1 to 60000"],
  ])("%s is refused in words that say why (A12)", (url, problem) => {
    expect(parseMysqlUrl(url)).toEqual({ problem });
    expect(() => readServeConfig([], { DATABASE_URL: url })).toThrow(
      new StartupError(`DATABASE_URL ${problem}`),
    );
  });

  test("that is refused never shows its password, however it was mistyped (A14)", () => {
    const part = fc.constantFrom("", "u", ":", "@", "/", "?", "#", "%", "&", "=", "h", "3306", "pool=0", " ");
    fc.assert(
      fc.property(fc.array(part, { maxLength: 6 }), fc.array(part, { maxLength: 6 }), (before, after) => {
        const parsed = parseMysqlUrl(`mysql://user:${before.join("")}${CANARY}${after.join("")}@host/name`);
        if ("problem" in parsed) expect(parsed.problem).not.toContain(CANARY);
      }),
      { numRuns: 2_000 },
    );
  });
});
