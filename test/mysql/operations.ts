/** Calls to a registry, what comes of them, and the locks that stand in their way. */
import { onTestFinished } from "vitest";
import type { Registry } from "../../adapters/registry/registry.ts";
import type { RegistryOperation, RegistryOutcome } from "../../core/registry.ts";
import { renewalOf } from "../helpers/node-contract.ts";
import { callRegistry } from "../helpers/registry-contract.ts";
import { asRoot, type Database, openSession, type Session, until } from "./database.ts";

const LEASE_MS = 60_000;
export const UNAVAILABLE: RegistryOutcome = { type: "failed", fault: "unavailable" };
export const UNKNOWN: RegistryOutcome = { type: "failed", fault: "unknown" };
export const REFUSED: RegistryOutcome = { type: "failed", fault: "refused" };
export const CURRENT: RegistryOutcome = { type: "connection_upserted", current: true };

export function upsert(clientId: string, tunnel = "t1", fence = 10): RegistryOperation {
  return {
    type: "upsert_connection",
    clientId,
    tunnel,
    node: "node-a",
    fence,
    access: "token",
    leaseMs: LEASE_MS,
  };
}

export function insert(tokenHash: string, lifetimeMs: number | null = null): RegistryOperation {
  return { type: "insert_token", kind: "client_access", tokenHash, clientId: "home", lifetimeMs };
}

export function check(tokenHash: string, clientId = "home"): RegistryOperation {
  return { type: "check_token", kind: "client_access", tokenHash, clientId };
}

export const renew: RegistryOperation = renewalOf("node-a");

/** The outcome and how long it took. */
export async function timed(registry: Registry, operation: RegistryOperation) {
  const startMs = performance.now();
  const outcome = await callRegistry(registry, operation);
  return { outcome, ms: performance.now() - startMs };
}

/** As the core does it: the server's goodbye may still be on its way when the first is sent. */
export async function repeatedOnce(
  registry: Registry,
  operation: RegistryOperation,
): Promise<RegistryOutcome> {
  const outcome = await callRegistry(registry, operation);
  return outcome.type === "failed" ? callRegistry(registry, operation) : outcome;
}

/** Holds the lock of a client id's row until the test is over or the session is closed. */
export async function lockRow(database: Database, clientId: string): Promise<Session> {
  const session = await openSession(database.name);
  onTestFinished(() => session.close());
  await session.query("START TRANSACTION");
  await session.query(`UPDATE connections SET created = NOW() WHERE client_id = '${clientId}'`);
  return session;
}

/**
 * Until a statement in that database waits for a lock. `INNODB_TRX` is no place to ask: InnoDB renews what it shows there only
 * after 0.1 s in which nobody has read it, so that whoever asks more often sees the first answer for ever.
 */
export async function someoneWaits(database: Database): Promise<void> {
  await until(async () => {
    const rows = await asRoot(`
      SELECT 1 FROM performance_schema.data_locks
      WHERE OBJECT_SCHEMA = '${database.name}' AND LOCK_STATUS = 'WAITING'`);
    return rows.length > 0;
  });
}
