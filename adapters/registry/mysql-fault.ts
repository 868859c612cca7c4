/**
 * What a failed statement means to the core. Every statement here is a transaction of its own: where the server says that it
 * failed, it was rolled back. Only silence leaves open what has become of it.
 */
import type { RegistryFault } from "../../core/registry.ts";

/** The numbers of dev.mysql.com/doc/mysql-errors: nothing was changed, and the same statement may succeed in a moment. */
const PASSING: ReadonlySet<number> = new Set([
  1040, // Too many connections.
  1053, // The server is shutting down.
  1129, // The host is blocked after many broken handshakes.
  1203, // Too many connections of this user.
  1205, // Lock wait timeout.
  1213, // Deadlock.
  1226, // The user's share of a resource is used up for now.
  // Read-only servers: the primary of a moment ago, or one to come. The next connection may reach a writable one.
  1290,
  1792,
  1836,
  1317, // Somebody killed the statement.
  3024, // It took longer than the server lets it.
  4031, // The server hung up on an idle connection before it read the statement.
]);

/**
 * Classes of SQLSTATE (ISO 9075-2 section 24.1) that ask for a person: data that does not fit, a constraint, an account, a
 * grant, a table, a column. Some of PASSING are in class 42, so those are looked up first.
 */
const REFUSED_CLASSES: ReadonlySet<string> = new Set(["22", "23", "28", "42"]);

/** The fault of a statement, or of the handshake of a connection, for which `sent` is false. */
export function mysqlFaultOf(error: unknown, sent: boolean): RegistryFault {
  const { number, state } = serverErrorOf(error);
  if (PASSING.has(number)) return "unavailable";
  if (REFUSED_CLASSES.has(state.slice(0, 2))) return "refused";
  return sent ? "unknown" : "unavailable";
}

/** Whether the connection is to take another statement. */
export function isUsableAfter(error: unknown): boolean {
  const { number, state } = serverErrorOf(error);
  return state !== "" && !LEFT.has(number);
}

/** The server hangs up; or it is read-only, and to stay would be to miss the failover. */
const LEFT: ReadonlySet<number> = new Set([1053, 4031, 1290, 1792, 1836]);

/** Such as `ER_LOCK_DEADLOCK` or `ECONNREFUSED`: says what is wrong and shows nothing of the statement. */
export function mysqlCodeOf(error: unknown): string {
  return isObject(error) && typeof error.code === "string" ? error.code : "UNKNOWN";
}

/** 0 and empty for what did not come from the server. */
export function serverErrorOf(error: unknown): { readonly number: number; readonly state: string } {
  if (!isObject(error) || typeof error.errno !== "number" || typeof error.sqlState !== "string") {
    return { number: 0, state: "" };
  }
  return { number: error.errno, state: error.sqlState };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
