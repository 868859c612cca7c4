/**
 * What a failed statement means to the core. Every statement here is a transaction of its own: where the server says that it
 * failed, it was rolled back. Only silence leaves open what has become of it.
 */
import type { RegistryFault } from "../../core/registry.ts";
import { causeOf } from "../error-cause.ts";
import { type RegistryProblem, type RegistryProblemReason, registryProblem } from "./problem.ts";

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
  if (REFUSED_CLASSES.has(state.slice(0, 2)) || mysqlTlsProblemOf(error) !== null) return "refused";
  return sent ? "unknown" : "unavailable";
}

/** What stays wrong with TLS until a person changes something, and what that is; null for everything else. */
export function mysqlTlsProblemOf(error: unknown): string | null {
  const code = mysqlCodeOf(error);
  if (code === "HANDSHAKE_NO_SSL_SUPPORT") {
    return "it does not speak TLS: give it a certificate, or leave ssl= out of the URL";
  }
  const cause = causeOf(error);
  if (code !== "HANDSHAKE_SSL_ERROR" || LEFT_IN_TLS.test(cause)) return null;
  return `TLS with it fails, ${cause}: name its authority with ca=FILE in the URL, and the host by the name in its certificate`;
}

/** A server that goes away may do so inside a handshake. mysql2 puts a code of its own over that of the error. */
const LEFT_IN_TLS = /ECONNRESET|EPIPE|ETIMEDOUT|disconnected before secure|closed/;

/** What a write fails of that an operator can do something about; null for the duplicate key that ends a probe well. */
export function mysqlProblemOf(error: unknown): RegistryProblem | null {
  const { number, state } = serverErrorOf(error);
  if (number === DUPLICATE_KEY) return null;
  const cause = error === null ? "no answer in time" : mysqlCodeOf(error);
  const known = PROBLEMS.get(number);
  if (known !== undefined) return registryProblem(known, cause);
  return registryProblem(
    REFUSED_CLASSES.has(state.slice(0, 2)) ? "registry_refused" : "registry_down",
    cause,
  );
}

const DUPLICATE_KEY = 1062;

/** Others are told by the class of their SQLSTATE. */
const PROBLEMS: ReadonlyMap<number, RegistryProblemReason> = new Map<number, RegistryProblemReason>([
  [1290, "registry_read_only"], // By an option, such as read_only.
  [1792, "registry_read_only"], // The transaction is read-only, as on a replica.
  [1836, "registry_read_only"], // The server or its schema is in read-only mode.
  [3989, "registry_read_only"], // The schema is.
  [1021, "registry_full"], // The disk.
  [1026, "registry_io"], // A file cannot be written to.
  [1114, "registry_full"], // The table, whose space cannot grow.
  [1205, "registry_busy"], // Lock wait timeout.
  [1213, "registry_busy"], // Deadlock.
  [3572, "registry_busy"], // A lock that is not to be waited for.
  // Of class 42, and nobody's right is missing.
  [1040, "registry_down"], // Too many connections.
  [1203, "registry_down"], // Too many connections of this user.
  [1226, "registry_down"], // The user's share of a resource is used up for now.
]);

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
