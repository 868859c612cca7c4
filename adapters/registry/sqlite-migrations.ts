/**
 * The schema of the SQLite registry and the way to it. Each step runs in a transaction of its own that also counts it in
 * `user_version`, so a step happens once, whole or not at all, whichever of two starting processes gets there first.
 */
import type { DatabaseSync } from "node:sqlite";
import { StartupError } from "../startup-error.ts";
import { SQLITE_CREDENTIALS } from "./sqlite-credentials.ts";
import { SQLITE_HOMES } from "./sqlite-homes.ts";
import { SQLITE_LINKS, SQLITE_NODES } from "./sqlite-nodes.ts";

/** "CULV": marks the file as ours, so that the database of another program is never written to. */
const APPLICATION_ID = 0x43554c56;

/**
 * Step N brings the schema from version N to N + 1. A step that was released is never edited.
 * The tables are those of protocol-moosicbox.md; `fence`, `node`, `lease_expires`, `access` and `instance` are ours. DATETIME is the text
 * `YYYY-MM-DD HH:MM:SS` in UTC, which sorts as time does. TEXT compares byte by byte (BINARY), as identity must.
 */
const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE connections (
    client_id TEXT NOT NULL PRIMARY KEY,
    tunnel_ws_id TEXT NOT NULL,
    created TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    fence INTEGER NOT NULL DEFAULT 0,
    node TEXT,
    lease_expires TEXT
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE signature_tokens (
    token_hash TEXT NOT NULL PRIMARY KEY,
    client_id TEXT NOT NULL,
    expires TEXT,
    created TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE client_access_tokens (
    token_hash TEXT NOT NULL PRIMARY KEY,
    client_id TEXT NOT NULL,
    expires TEXT,
    created TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE magic_tokens (
    magic_token_hash TEXT NOT NULL PRIMARY KEY,
    client_id TEXT NOT NULL,
    expires TEXT,
    created TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
  ) STRICT, WITHOUT ROWID;
  PRAGMA application_id = ${APPLICATION_ID};
  `,
  // Rows from before are of tunnels that could not say who may visit.
  "ALTER TABLE connections ADD COLUMN access TEXT NOT NULL DEFAULT 'token'",
  SQLITE_CREDENTIALS,
  SQLITE_HOMES,
  SQLITE_NODES,
  SQLITE_LINKS,
];

/** Brings the schema up to date. Throws `StartupError` for a file that is not ours or comes from a newer version. */
export function migrate(database: DatabaseSync, migrations: readonly string[] = MIGRATIONS): void {
  assertOurs(database);
  while (isBehind(database, migrations)) {
    database.exec("BEGIN IMMEDIATE");
    try {
      // Another process may have taken the step while this one waited for the lock.
      const step = migrations[numberOf(database, "PRAGMA user_version")];
      if (step !== undefined) advance(database, step);
      database.exec("COMMIT");
    } catch (error) {
      // SQLite rolls back by itself on some errors, such as a full disk.
      if (database.isTransaction) database.exec("ROLLBACK");
      throw error;
    }
  }
}

function assertOurs(database: DatabaseSync): void {
  const tables = numberOf(database, "SELECT count(*) FROM sqlite_schema");
  if (tables === 0 || numberOf(database, "PRAGMA application_id") === APPLICATION_ID) return;
  throw new StartupError("the database file belongs to another program; choose another file");
}

function isBehind(database: DatabaseSync, migrations: readonly string[]): boolean {
  const version = numberOf(database, "PRAGMA user_version");
  if (version > migrations.length) {
    throw new StartupError(
      `the database has schema version ${version}, this version of culvert knows ${migrations.length}; start the newer culvert`,
    );
  }
  return version < migrations.length;
}

function advance(database: DatabaseSync, step: string): void {
  const version = numberOf(database, "PRAGMA user_version");
  database.exec(step);
  database.exec(`PRAGMA user_version = ${version + 1}`);
}

function numberOf(database: DatabaseSync, query: string): number {
  return Number(Object.values(database.prepare(query).get() ?? {})[0]);
}
