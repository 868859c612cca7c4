/**
 * The registry in a SQLite file, for one node. Calls are answered at once: each touches a handful of rows by their key,
 * tens of microseconds, far less than a thread's round trip.
 *
 * The clock is SQLite's, which counts milliseconds. A fence must grow with every check, so it is that clock in
 * microseconds, or one more than the last fence given, or one more than the fence of the client id's row, whichever is highest: the
 * last keeps a restart after the clock was set back from locking its clients out.
 */
import { closeSync, openSync } from "node:fs";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import type {
  HeldToken,
  RegistryFault,
  RegistryOperation,
  RegistryOutcome,
  TokenKind,
} from "../../core/registry.ts";
import { StartupError } from "../startup-error.ts";
import { isStorable, type Registry } from "./port.ts";
import { createSqliteCredentials } from "./sqlite-credentials.ts";
import { sqliteHomes } from "./sqlite-homes.ts";
import { migrate } from "./sqlite-migrations.ts";
import { OWNER_OF_LINK, sqliteLinks, sqliteNodes } from "./sqlite-nodes.ts";
import { createSqliteProbe } from "./sqlite-probe.ts";

/** Waiting blocks the event loop, so a call gives up soon: the core asks again. */
const BUSY_TIMEOUT_MS = 100;

/** At the start nothing else runs, and another process may be migrating. */
const OPEN_TIMEOUT_MS = 5_000;

/** Opens or makes the database at `path`, `:memory:` for none on disk. Throws `StartupError` with what to do. */
export function openSqliteRegistry(path: string): Registry {
  const database = openDatabase(path);
  const statements = prepareAll(database);
  const homes = sqliteHomes(database);
  const links = sqliteLinks(database);
  const nodes = sqliteNodes(database, links);
  let lastFence = 0;
  const runOnCredentials = createSqliteCredentials(database, fenceOf);

  function fenceOf(row: Record<string, unknown> | undefined): number {
    lastFence = Math.max(Number(row?.clock), Number(row?.held) + 1, lastFence + 1);
    return lastFence;
  }

  function run(operation: RegistryOperation): RegistryOutcome {
    switch (operation.type) {
      case "check_token": {
        const { tokenHash, clientId } = operation;
        const row = statements.check[operation.kind].get(tokenHash, clientId);
        return { type: "token_checked", valid: row?.valid === 1, fence: fenceOf(row) };
      }
      case "find_magic_token": {
        const clientId = statements.findMagic.get(operation.tokenHash)?.client_id;
        return { type: "magic_token_found", clientId: typeof clientId === "string" ? clientId : null };
      }
      case "insert_token": {
        const { kind, tokenHash, clientId, lifetimeMs, by = null } = operation;
        const seconds = lifetimeMs === null ? null : lifetimeMs / 1000;
        const { changes } = statements.insert[kind].run(tokenHash, clientId, seconds, by);
        // It may have been there before.
        const allowed =
          Number(changes) > 0 || by === null || statements.check.client_access.get(by, clientId)?.valid === 1;
        return { type: "token_inserted", allowed };
      }
      case "check_tokens":
        return checkTokens(operation.tokens);
      case "revoke_token": {
        const { kind, tokenHash, clientId } = operation;
        const { changes } = statements.revoke[kind].run(tokenHash, clientId);
        const made = kind === "client_access" ? revokeAll(MADE_BY_OTHERS, clientId) : 0;
        return { type: "tokens_revoked", tokens: Number(changes) + made };
      }
      case "revoke_client":
        homes.forget(operation.clientId);
        return { type: "tokens_revoked", tokens: revokeClient(operation.clientId) };
      case "upsert_connection": {
        const { clientId, tunnel, node, fence, leaseMs, access, instance = "" } = operation;
        const lease = leaseMs / 1000;
        const { changes } = statements.upsert.run(clientId, tunnel, node, fence, lease, access, instance);
        if (Number(changes) > 0) homes.remember(clientId, access, fence);
        const current = instance === "" ? Number(changes) > 0 : links.join({ ...operation, instance });
        return { type: "connection_upserted", current };
      }
      case "recall_home":
        return { type: "home_recalled", home: homes.recall(operation.clientId) };
      case "delete_connection":
        links.leave(operation.clientId, operation.tunnel);
        homes.leave(operation.clientId, operation.tunnel);
        statements.deleteConnection.run(operation.clientId, operation.tunnel);
        return { type: "connection_deleted" };
      case "find_connection":
        return { type: "connections_found", connections: nodes.find(operation.clientId) };
      case "renew_leases":
        return nodes.renew(operation);
      case "delete_node":
        nodes.remove(operation.node);
        return { type: "node_deleted" };
      case "sweep":
        links.sweep();
        homes.lapse();
        statements.sweepConnections.run();
        nodes.sweep();
        statements.sweepInvites.run(operation.keptMs / 1000);
        for (const kind of TOKEN_KINDS) statements.sweep[kind].run(operation.keptMs / 1000);
        return { type: "swept" };
      default:
        return runOnCredentials(operation);
    }
  }

  function checkTokens(tokens: readonly HeldToken[]): RegistryOutcome {
    const list = tokens.map(({ kind, tokenHash, clientId }) => [kind, tokenHash, clientId]);
    const rows = statements.checkAll.all(JSON.stringify(list));
    const places = (alive: number | null) =>
      rows.filter((row) => row.alive === alive).map((row) => Number(row.place));
    return { type: "tokens_checked", gone: places(null), expired: places(0) };
  }

  function revokeAll(kinds: readonly TokenKind[], clientId: string): number {
    let tokens = 0;
    for (const kind of kinds) tokens += Number(statements.revokeAll[kind].run(clientId).changes);
    return tokens;
  }

  function revokeClient(clientId: string): number {
    const invites = Number(statements.revokeInvites.run(clientId).changes);
    return invites + revokeAll(TOKEN_KINDS, clientId);
  }

  function outcomeOf(operation: RegistryOperation): RegistryOutcome {
    if (!database.isOpen) return { type: "failed", fault: "unavailable" };
    if (!isStorable(operation)) return { type: "failed", fault: "refused" };
    try {
      return run(operation);
    } catch (error) {
      return { type: "failed", fault: faultOf(error) };
    }
  }

  return {
    call: (operation, answer) => answer(outcomeOf(operation)),
    probe: createSqliteProbe(database, path, BUSY_TIMEOUT_MS),
    close: () => {
      if (database.isOpen) database.close();
    },
  };
}

function openDatabase(path: string): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    // SQLite would make the file readable for everybody; its -wal and -shm files take the mode of the file.
    if (path !== ":memory:") closeSync(openSync(path, "a", 0o600));
    database = new DatabaseSync(path, { timeout: OPEN_TIMEOUT_MS });
    migrate(database);
    // NORMAL may lose the last commits in a power cut, never consistency: agents register their connections again.
    // A log that gives back its room when it begins anew finds out by each write whether there is room on the disk.
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = 0");
    database.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
    return database;
  } catch (error) {
    database?.close();
    const cause = error instanceof Error ? error.message : String(error);
    throw new StartupError(`cannot use the database ${path}: ${cause}`, { cause: error });
  }
}

type Statements = {
  readonly check: { readonly [Kind in "client_access" | "signature"]: StatementSync };
  /** Those that are good no longer. */
  readonly checkAll: StatementSync;
  readonly insert: { readonly [Kind in Exclude<TokenKind, "visitor">]: StatementSync };
  readonly revoke: OfEachKind;
  readonly revokeAll: OfEachKind;
  readonly revokeInvites: StatementSync;
  readonly findMagic: StatementSync;
  readonly upsert: StatementSync;
  readonly deleteConnection: StatementSync;
  readonly sweepConnections: StatementSync;
  readonly sweepInvites: StatementSync;
  readonly sweep: OfEachKind;
};

type OfEachKind = { readonly [Kind in TokenKind]: StatementSync };

/** What makes others comes first, so that nothing is made behind its deletion. */
const TOKEN_KINDS: readonly TokenKind[] = ["client_access", "visitor", "signature", "magic"];
const MADE_BY_OTHERS: readonly TokenKind[] = ["visitor", "signature", "magic"];

function prepareAll(database: DatabaseSync): Statements {
  /** A null number of seconds makes a null time, which never comes. */
  const inSeconds = (parameter: string) => `datetime('now', '+' || ${parameter} || ' seconds')`;
  const alive = "(expires IS NULL OR expires > datetime('now'))";
  const check = (table: string) =>
    database.prepare(`
      SELECT
        EXISTS (SELECT 1 FROM ${table} WHERE token_hash = ?1 AND client_id = ?2 AND ${alive}) AS valid,
        CAST(round(unixepoch('subsec') * 1000) AS INTEGER) * 1000 AS clock,
        coalesce((SELECT fence FROM connections WHERE client_id = ?2), 0) AS held`);
  const ofEachKind = (text: (table: string, key: string) => string): OfEachKind => ({
    client_access: database.prepare(text("client_access_tokens", "token_hash")),
    visitor: database.prepare(text("culvert_visitor_tokens", "token_hash")),
    signature: database.prepare(text("signature_tokens", "token_hash")),
    magic: database.prepare(text("magic_tokens", "magic_token_hash")),
  });
  const revokeAll = (table: string) => `DELETE FROM ${table} WHERE client_id = ?1`;
  const sweep = (table: string) =>
    `DELETE FROM ${table} WHERE expires <= datetime('now', '-' || ?1 || ' seconds')`;
  /** Null where the token is not stored. */
  const isAlive = (table: string, key: string) => `
    (SELECT ${alive} FROM ${table} WHERE ${key} = value ->> 1 AND client_id = value ->> 2)`;
  return {
    check: { client_access: check("client_access_tokens"), signature: check("signature_tokens") },
    checkAll: database.prepare(`
      SELECT key AS place, CASE value ->> 0
        WHEN 'client_access' THEN ${isAlive("client_access_tokens", "token_hash")}
        WHEN 'visitor' THEN ${isAlive("culvert_visitor_tokens", "token_hash")}
        WHEN 'signature' THEN ${isAlive("signature_tokens", "token_hash")}
        WHEN 'magic' THEN ${isAlive("magic_tokens", "magic_token_hash")}
      END AS alive
      FROM json_each(?1) WHERE alive IS NOT 1`),
    insert: ofEachKind(
      (table, key) => `
      INSERT INTO ${table} (${key}, client_id, expires) SELECT ?1, ?2, ${inSeconds("?3")}
      WHERE ?4 IS NULL OR EXISTS (
        SELECT 1 FROM client_access_tokens WHERE token_hash = ?4 AND client_id = ?2 AND ${alive})
      ON CONFLICT (${key}) DO NOTHING`,
    ),
    revoke: ofEachKind((table, key) => `DELETE FROM ${table} WHERE ${key} = ?1 AND client_id = ?2`),
    revokeAll: ofEachKind(revokeAll),
    revokeInvites: database.prepare(revokeAll("culvert_invites")),
    findMagic: database.prepare(
      `SELECT client_id FROM magic_tokens WHERE magic_token_hash = ?1 AND ${alive}`,
    ),
    upsert: database.prepare(`
      INSERT INTO connections (client_id, tunnel_ws_id, node, fence, lease_expires, access, instance)
      VALUES (?1, ?2, ?3, ?4, ${inSeconds("?5")}, ?6, ?7)
      ON CONFLICT (client_id) DO UPDATE SET
        tunnel_ws_id = excluded.tunnel_ws_id,
        node = excluded.node,
        fence = excluded.fence,
        lease_expires = excluded.lease_expires,
        access = excluded.access,
        instance = excluded.instance,
        updated = CURRENT_TIMESTAMP
      WHERE excluded.fence >= connections.fence`),
    deleteConnection: database.prepare("DELETE FROM connections WHERE client_id = ?1 AND tunnel_ws_id = ?2"),
    sweepConnections: database.prepare(`
      DELETE FROM connections
      WHERE lease_expires <= datetime('now') AND NOT EXISTS (SELECT 1 FROM culvert_links WHERE ${OWNER_OF_LINK})`),
    sweepInvites: database.prepare(sweep("culvert_invites")),
    sweep: ofEachKind(sweep),
  };
}

/** Primary result codes of SQLite (sqlite.org/rescode.html); the low byte of the extended code. */
function faultOf(error: unknown): RegistryFault {
  const code = error instanceof Error && "errcode" in error ? Number(error.errcode) & 0xff : -1;
  switch (code) {
    case 5: // BUSY: another process writes. A statement of its own transaction has changed nothing.
    case 6: // LOCKED
    case 7: // NOMEM: the statement was undone.
    case 14: // CANTOPEN: no descriptor or folder for the write-ahead log.
    case 15: // PROTOCOL: processes raced for the log's locks for too long.
      return "unavailable";
    case 3: // PERM
    case 8: // READONLY
    case 11: // CORRUPT: the file is damaged, and asking again does not mend it.
    case 13: // FULL: a person must make room.
    case 18: // TOOBIG
    case 19: // CONSTRAINT
    case 20: // MISMATCH
    case 23: // AUTH
    case 26: // NOTADB
      return "refused";
    default: // IOERR and all others: a commit that failed half-way may be found in the log after a restart.
      return "unknown";
  }
}
