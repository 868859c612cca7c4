/** What the SQLite registry knows of credentials beyond the tables of MoosicBox. */
import type { DatabaseSync } from "node:sqlite";
import {
  type CredentialOperation,
  type CredentialOutcome,
  type Registration,
  VISITOR_TOKENS_MAX,
} from "../../core/registry/credentials.ts";
import type { RegistryOutcome } from "../../core/registry.ts";

type Row = Record<string, unknown> | undefined;
type Of<Type extends CredentialOperation["type"]> = Extract<CredentialOperation, { readonly type: Type }>;

/**
 * Carries out the operations on credentials, each as a whole or not at all. `fenceOf` gives the fence of a row with `clock` and
 * `held`. Throws what SQLite throws.
 */
export function createSqliteCredentials(
  database: DatabaseSync,
  fenceOf: (row: Row) => number,
): (operation: CredentialOperation) => RegistryOutcome {
  const statements = prepareAll(database);

  function signatureUsed({ tokenHash, clientId, use }: Of<"use_signature">): CredentialOutcome {
    let row = statements.signature.get(tokenHash, clientId);
    const isNew = row?.valid === 1 && row.kind === null;
    if (isNew && !(use === "tunnel" && row?.own === 1)) {
      statements.decide.run(tokenHash, clientId, use);
      // Another process may have been faster.
      row = statements.signature.get(tokenHash, clientId);
    }
    const hasCulvertAgent = row?.own === 1;
    const valid = row?.valid === 1 && (row.kind ?? use) === use;
    return { type: "signature_used", valid, hasCulvertAgent, fence: fenceOf(row) };
  }

  function registered(operation: Of<"register_client">): Registration {
    const { clientId, tokenHash, shownHash, again } = operation;
    if (shownHash === null) {
      const isFree = statements.isFree.get(clientId, tokenHash)?.free === 1;
      const isForeign = statements.hasAgent.get(clientId) === undefined;
      const mayAgain = again === "always" || (again === "moosicbox" && isForeign);
      if (!isFree && !mayAgain) return "known";
    } else {
      const isInvited = Number(statements.useInvite.run(shownHash, clientId, tokenHash).changes) > 0;
      if (!isInvited && statements.client.get(shownHash, clientId)?.valid !== 1) return "unauthorized";
    }
    statements.insertClient.run(tokenHash, clientId);
    return "registered";
  }

  function visitorTokenInserted(
    operation: Of<"insert_visitor_token">,
  ): "inserted" | "name_taken" | "too_many" | "unauthorized" {
    const { tokenHash, clientId, name, lifetimeMs, by } = operation;
    if (statements.client.get(by, clientId)?.valid !== 1) return "unauthorized";
    statements.dropExpired.run(clientId);
    const holder = statements.nameHolder.get(clientId, name)?.token_hash;
    if (holder !== undefined) return holder === tokenHash ? "inserted" : "name_taken";
    if (Number(statements.countVisitors.get(clientId)?.count) >= VISITOR_TOKENS_MAX) return "too_many";
    statements.insertVisitor.run(tokenHash, clientId, name, lifetimeMs === null ? null : lifetimeMs / 1000);
    return "inserted";
  }

  function run(operation: CredentialOperation): RegistryOutcome {
    switch (operation.type) {
      case "check_agent": {
        const { tokenHash, clientId } = operation;
        // First, so that whoever gets a higher fence knows of it.
        statements.markAgent.run(tokenHash, clientId);
        const row = statements.client.get(tokenHash, clientId);
        return { type: "token_checked", valid: row?.valid === 1, fence: fenceOf(row) };
      }
      case "check_visitor":
        return { type: "visitor_checked", kind: visitorKind(operation) };
      case "use_signature":
        return signatureUsed(operation);
      case "register_client":
        return { type: "client_registered", result: registered(operation) };
      case "insert_invite": {
        const { tokenHash, clientId, lifetimeMs } = operation;
        statements.insertInvite.run(tokenHash, clientId, lifetimeMs / 1000);
        return { type: "invite_inserted" };
      }
      case "insert_visitor_token":
        return { type: "visitor_token_inserted", result: visitorTokenInserted(operation) };
      case "list_visitor_tokens":
        return {
          type: "visitor_tokens_listed",
          tokens: statements.listVisitors.all(operation.clientId).map(({ name, created, expires }) => ({
            name: String(name),
            createdMs: Number(created) * 1000,
            expiresMs: expires === null ? null : Number(expires) * 1000,
          })),
        };
      case "revoke_visitor_token": {
        const { changes } = statements.revokeVisitor.run(operation.clientId, operation.name);
        return { type: "visitor_token_revoked", found: Number(changes) > 0 };
      }
    }
  }

  function visitorKind({ tokenHash, clientId }: Of<"check_visitor">): "client_access" | "visitor" | null {
    const row = statements.visitor.get(tokenHash, clientId);
    if (row?.isClient === 1) return "client_access";
    return row?.isVisitor === 1 ? "visitor" : null;
  }

  return (operation) => {
    if (!WRITES_SEVERAL.has(operation.type)) return run(operation);
    database.exec("BEGIN IMMEDIATE");
    try {
      const outcome = run(operation);
      database.exec("COMMIT");
      return outcome;
    } catch (error) {
      // SQLite rolls back by itself on some errors, such as a full disk.
      if (database.isTransaction) database.exec("ROLLBACK");
      throw error;
    }
  };
}

/** All others have one statement that writes at most. */
const WRITES_SEVERAL: ReadonlySet<CredentialOperation["type"]> = new Set([
  "register_client",
  "insert_visitor_token",
]);

function prepareAll(database: DatabaseSync) {
  const inSeconds = (parameter: string) => `datetime('now', '+' || ${parameter} || ' seconds')`;
  const alive = "(expires IS NULL OR expires > datetime('now'))";
  const fence = `
    CAST(round(unixepoch('subsec') * 1000) AS INTEGER) * 1000 AS clock,
    coalesce((SELECT fence FROM connections WHERE client_id = ?2), 0) AS held`;
  const own = "(token_hash = ?1 AND client_id = ?2)";
  const client = `EXISTS (SELECT 1 FROM client_access_tokens WHERE ${own} AND ${alive})`;
  const visitor = `EXISTS (SELECT 1 FROM culvert_visitor_tokens WHERE ${own} AND ${alive})`;
  return {
    client: database.prepare(`SELECT ${client} AS valid, ${fence}`),
    visitor: database.prepare(`SELECT ${client} AS isClient, ${visitor} AS isVisitor`),
    markAgent: database.prepare(`
      INSERT INTO culvert_homes (client_id, agent_since) SELECT ?2, CURRENT_TIMESTAMP WHERE ${client}
      ON CONFLICT (client_id) DO NOTHING`),
    hasAgent: database.prepare("SELECT 1 FROM culvert_homes WHERE client_id = ?1"),
    signature: database.prepare(`
      SELECT count(*) AS valid, max(kind) AS kind, ${fence},
        EXISTS (SELECT 1 FROM culvert_homes WHERE client_id = ?2) AS own
      FROM signature_tokens WHERE ${own} AND ${alive}`),
    decide: database.prepare(`UPDATE signature_tokens SET kind = ?3 WHERE ${own} AND kind IS NULL`),
    isFree: database.prepare(`
      SELECT NOT EXISTS (SELECT 1 FROM client_access_tokens WHERE client_id = ?1 AND token_hash <> ?2)
        AND NOT EXISTS (SELECT 1 FROM culvert_homes WHERE client_id = ?1) AS free`),
    insertClient: database.prepare(`
      INSERT INTO client_access_tokens (token_hash, client_id) VALUES (?1, ?2)
      ON CONFLICT (token_hash) DO NOTHING`),
    insertInvite: database.prepare(`
      INSERT INTO culvert_invites (invite_hash, client_id, expires) VALUES (?1, ?2, ${inSeconds("?3")})
      ON CONFLICT (invite_hash) DO NOTHING`),
    useInvite: database.prepare(`
      UPDATE culvert_invites SET used_by = ?3
      WHERE invite_hash = ?1 AND client_id = ?2 AND ${alive} AND coalesce(used_by, ?3) = ?3`),
    dropExpired: database.prepare(
      "DELETE FROM culvert_visitor_tokens WHERE client_id = ?1 AND expires <= datetime('now')",
    ),
    nameHolder: database.prepare(
      "SELECT token_hash FROM culvert_visitor_tokens WHERE client_id = ?1 AND name = ?2",
    ),
    countVisitors: database.prepare(
      "SELECT count(*) AS count FROM culvert_visitor_tokens WHERE client_id = ?1",
    ),
    insertVisitor: database.prepare(`
      INSERT INTO culvert_visitor_tokens (token_hash, client_id, name, expires)
      VALUES (?1, ?2, ?3, ${inSeconds("?4")})`),
    listVisitors: database.prepare(`
      SELECT name, unixepoch(created) AS created, unixepoch(expires) AS expires FROM culvert_visitor_tokens
      WHERE client_id = ?1 AND ${alive} ORDER BY name`),
    revokeVisitor: database.prepare("DELETE FROM culvert_visitor_tokens WHERE client_id = ?1 AND name = ?2"),
  };
}

/** The step of the schema that makes the tables. `kind` is null until a signature is used. */
export const SQLITE_CREDENTIALS = `
  ALTER TABLE signature_tokens ADD COLUMN kind TEXT;
  CREATE INDEX culvert_client ON client_access_tokens (client_id);
  CREATE TABLE culvert_homes (
    client_id TEXT NOT NULL PRIMARY KEY,
    agent_since TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE culvert_visitor_tokens (
    token_hash TEXT NOT NULL PRIMARY KEY,
    client_id TEXT NOT NULL,
    name TEXT NOT NULL,
    expires TEXT,
    created TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    UNIQUE (client_id, name)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE culvert_invites (
    invite_hash TEXT NOT NULL PRIMARY KEY,
    client_id TEXT NOT NULL,
    used_by TEXT,
    expires TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  `;
