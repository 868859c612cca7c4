import { describe, expect, test } from "vitest";
import {
  isUsableAfter,
  mysqlCodeOf,
  mysqlFaultOf,
  mysqlProblemOf,
} from "../../../adapters/registry/mysql-fault.ts";

function serverError(errno: number, sqlState: string): Error {
  return Object.assign(new Error("the server says so"), { code: "ER_SOMETHING", errno, sqlState });
}

describe("what a failed statement means", () => {
  test.each([
    ["a deadlock", 1213, "40001"],
    ["a lock wait timeout", 1205, "HY000"],
    ["too many connections", 1040, "08004"],
    ["too many connections before the handshake, where MySQL gives no state", 1040, ""],
    ["too many connections of the user, though its class is that of a missing grant", 1203, "42000"],
    ["a read-only server", 1290, "HY000"],
    ["a read-only transaction", 1792, "25006"],
    ["a read-only mode", 1836, "HY000"],
    ["a killed statement", 1317, "70100"],
    ["a server that hung up on an idle connection", 4031, "HY000"],
  ])("%s is unavailable, whether it was sent or not", (_name, errno, state) => {
    expect(mysqlFaultOf(serverError(errno, state), true)).toBe("unavailable");
    expect(mysqlFaultOf(serverError(errno, state), false)).toBe("unavailable");
  });

  test.each([
    ["a wrong password", 1045, "28000"],
    ["an unknown database", 1049, "42000"],
    ["a missing grant", 1142, "42000"],
    ["a missing table", 1146, "42S02"],
    ["a missing column", 1054, "42S22"],
    ["a text that is too long", 1406, "22001"],
    ["a value that must not be null", 1048, "23000"],
  ])("%s is refused", (_name, errno, state) => {
    expect(mysqlFaultOf(serverError(errno, state), true)).toBe("refused");
  });

  test.each([
    ["an error of Vitess, which may have come from anywhere", serverError(1105, "HY000")],
    ["an error during commit", serverError(1180, "HY000")],
    ["a connection that was lost", Object.assign(new Error("reset"), { code: "ECONNRESET", errno: -104 })],
    ["silence", null],
  ])("%s is unknown once the statement was sent, and unavailable before", (_name, error) => {
    expect(mysqlFaultOf(error, true)).toBe("unknown");
    expect(mysqlFaultOf(error, false)).toBe("unavailable");
  });
});

describe("what an operator is told of a failed write", () => {
  test.each([
    ["an option that forbids writing", serverError(1290, "HY000"), "registry_read_only"],
    ["a replica", serverError(1792, "25006"), "registry_read_only"],
    ["a read-only mode", serverError(1836, "HY000"), "registry_read_only"],
    ["a missing grant", serverError(1142, "42000"), "registry_refused"],
    ["a wrong password", serverError(1045, "28000"), "registry_refused"],
    ["a missing table", serverError(1146, "42S02"), "registry_refused"],
    ["a full disk", serverError(1021, "HY000"), "registry_full"],
    ["a table that cannot grow", serverError(1114, "HY000"), "registry_full"],
    ["a lock wait timeout", serverError(1205, "HY000"), "registry_busy"],
    ["too many connections of the user", serverError(1203, "42000"), "registry_down"],
    ["a server that is not there", Object.assign(new Error("x"), { code: "ECONNREFUSED" }), "registry_down"],
    ["silence", null, "registry_down"],
  ])("%s has a reason of its own", (_name, error, reason) => {
    expect(mysqlProblemOf(error)).toMatchObject({ reason });
  });

  test("is nothing where the write was taken back by its duplicate key", () => {
    expect(mysqlProblemOf(serverError(1062, "23000"))).toBeNull();
  });

  test("has the code of the error and none of its text", () => {
    expect(mysqlProblemOf(serverError(1290, "HY000"))?.detail).toMatch(/writable \(ER_SOMETHING\)$/);
    expect(mysqlProblemOf(new Error("a statement, perhaps"))?.detail).not.toContain("perhaps");
  });
});

describe("a connection", () => {
  test("is used again after what the server said no to, not on a read-only server, and not after a loss", () => {
    expect(isUsableAfter(serverError(1213, "40001"))).toBe(true);
    expect(isUsableAfter(serverError(1142, "42000"))).toBe(true);
    expect(isUsableAfter(serverError(1290, "HY000"))).toBe(false);
    expect(isUsableAfter(serverError(1053, "08S01"))).toBe(false);
    expect(isUsableAfter(new Error("reset"))).toBe(false);
    expect(isUsableAfter(null)).toBe(false);
  });
});

test("the code of an error is all that a log line shows of it", () => {
  expect(mysqlCodeOf(serverError(1213, "40001"))).toBe("ER_SOMETHING");
  expect(mysqlCodeOf(new Error("a statement, perhaps"))).toBe("UNKNOWN");
});
