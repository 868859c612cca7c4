/**
 * The registry in a MySQL database, which several nodes may share, and which MoosicBox's server may have made.
 * One statement, and so one round trip, for each call of a visitor; two where a tunnel comes or goes.
 */
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import type { ConnectionOptions, SslOptions } from "mysql2";
import type { ConnectionRow, HeldToken, RegistryOperation, RegistryOutcome } from "../../core/registry.ts";
import { causeOf } from "../error-cause.ts";
import type { MysqlSettings } from "../settings/settings.ts";
import { StartupError } from "../startup-error.ts";
import { CREDENTIAL_SWEEPS, callOnCredentials } from "./mysql-credentials.ts";
import { mysqlCodeOf, mysqlProblemOf } from "./mysql-fault.ts";
import { homeStatements, recalledHome } from "./mysql-homes.ts";
import { prepareSchema } from "./mysql-migrations.ts";
import { foundConnection, linkStatements, nodeStatements, otherNode, renewalValues } from "./mysql-nodes.ts";
import { MysqlPool, type Reply, type Row, type Values } from "./mysql-pool.ts";
import { checkTokens, statements, valuesOf } from "./mysql-statements.ts";
import { isStorable, type Registry, VALUE_CHARACTERS_MAX } from "./port.ts";
import { type RegistryProblem, registryProblem } from "./problem.ts";

/** What an operator should hear of; none of it holds a value from the database. */
export type MysqlReport =
  /** The database cannot be used yet; it is tried again. */
  | { readonly type: "waiting"; readonly cause: string }
  /** A statement failed, in another way than the one before it. */
  | { readonly type: "failed"; readonly code: string }
  /** Somebody else stored something that cannot be a row of ours. It is left alone. */
  | { readonly type: "row_skipped"; readonly table: string };

/**
 * Waits for the database, brings its schema up to date and opens the registry.
 * Rejects with `StartupError` for what no waiting would mend, and after `startMs`.
 */
export async function openMysqlRegistry(
  settings: MysqlSettings,
  report: (report: MysqlReport) => void,
): Promise<Registry> {
  const connection = connectionOptions(settings);
  const migrator = new MysqlPool({ connection, connectionsMax: 1, queryMs: MIGRATION_STATEMENT_MS });
  try {
    const onWaiting = (cause: string) => report({ type: "waiting", cause });
    await prepareSchema(migrator, { startMs: settings.startMs, onWaiting });
  } finally {
    migrator.close();
  }
  const { pool: connectionsMax, queryMs } = settings;
  return createRegistry(new MysqlPool({ connection, connectionsMax, queryMs }), report);
}

/** A change of a large table takes its time, and must not be taken for a server that hangs. */
const MIGRATION_STATEMENT_MS = 600_000;

/** How every connection is made. Without FOUND_ROWS a row that an upsert leaves alone does not count as affected. */
export function connectionOptions(settings: MysqlSettings): MysqlConnectionOptions {
  const { host, port, user, password, name: database, connectMs } = settings;
  return {
    host,
    port,
    user,
    password,
    database,
    connectTimeout: connectMs,
    namedPlaceholders: true,
    flags: ["-FOUND_ROWS", "-LOCAL_FILES"],
    ...tlsOptions(settings),
  };
}

export type MysqlConnectionOptions = ConnectionOptions & { readonly host: string; readonly port: number };

function tlsOptions({ ssl, caFile }: MysqlSettings): { ssl?: SslOptions } {
  if (ssl === "disabled") return {};
  if (ssl === "required") return { ssl: { rejectUnauthorized: false } };
  const options: SslOptions = { rejectUnauthorized: true, verifyIdentity: ssl === "verify-identity" };
  if (caFile === null) return { ssl: options };
  try {
    return { ssl: { ...options, ca: readFileSync(caFile) } };
  } catch (error) {
    throw new StartupError(`cannot read the file of parameter ca: ${causeOf(error)}`, { cause: error });
  }
}

type RenewLeases = Extract<RegistryOperation, { readonly type: "renew_leases" }>;
type UpsertConnection = Extract<RegistryOperation, { readonly type: "upsert_connection" }>;
type InsertToken = Extract<RegistryOperation, { readonly type: "insert_token" }>;

const LEAVE = [homeStatements.leave, statements.deleteConnection];
const SWEEPS = [
  linkStatements.sweep,
  homeStatements.lapse,
  ...statements.sweep,
  nodeStatements.sweep,
  ...CREDENTIAL_SWEEPS,
];

type Answer = (outcome: RegistryOutcome) => void;

function createRegistry(pool: MysqlPool, report: (report: MysqlReport) => void): Registry {
  let lastClockUs = 0;
  let lastCode: string | null = null;

  /** Goes on with what the statement gave; where it failed, that is the answer. */
  function run(sql: string, values: Values, answer: Answer, goOn: (done: Done) => void): void {
    pool.query(sql, values, (reply) => {
      if (reply.type === "done") {
        lastCode = null;
        return goOn(reply);
      }
      const code = reply.error === null ? "NO_ANSWER_IN_TIME" : mysqlCodeOf(reply.error);
      if (code !== lastCode) report({ type: "failed", code });
      lastCode = code;
      answer({ type: "failed", fault: reply.fault });
    });
  }

  /**
   * The database's clock, but never the same time twice, and above the fence of the client id's row: neither a clock that is
   * set back nor a failover to a server whose clock is behind locks a client out.
   */
  function fenceOf(row: Row | undefined): number {
    lastClockUs = Math.max(integerOf(row?.clock), lastClockUs + 1);
    return Math.max(lastClockUs, integerOf(row?.held) + 1);
  }

  function connectionsOf(rows: readonly Row[]): ConnectionRow[] {
    return rows.flatMap(({ clientId, tunnel }) => {
      if (isName(clientId) && isName(tunnel)) return [{ clientId, tunnel }];
      report({ type: "row_skipped", table: "connections" });
      return [];
    });
  }

  function ownerOf(row: Row | undefined): string | null {
    if (row === undefined) return null;
    if (isName(row.clientId)) return row.clientId;
    report({ type: "row_skipped", table: "magic_tokens" });
    return null;
  }

  /** One after the other. */
  function runAll(
    [first, ...rest]: readonly string[],
    values: Values,
    answer: Answer,
    goOn: (affectedRows: number) => void,
  ): void {
    if (first === undefined) return goOn(0);
    run(first, values, answer, ({ affectedRows }) => {
      runAll(rest, values, answer, (others) => goOn(affectedRows + others));
    });
  }

  function checkAll(tokens: readonly HeldToken[], answer: Answer): void {
    if (tokens.length === 0) return answer({ type: "tokens_checked", gone: [], expired: [] });
    run(checkTokens(tokens), null, answer, ({ rows }) => {
      const alive = new Map(rows.map((row) => [`${row.kind} ${row.tokenHash} ${row.clientId}`, row.alive]));
      const stateOf = ({ kind, tokenHash, clientId }: HeldToken) =>
        alive.get(`${kind} ${tokenHash} ${clientId}`);
      const places = [...tokens.keys()];
      const at = (place: number) => stateOf(tokens[place] as HeldToken);
      answer({
        type: "tokens_checked",
        gone: places.filter((place) => at(place) === undefined),
        expired: places.filter((place) => at(place) === 0),
      });
    });
  }

  function insertBy(by: string, operation: InsertToken, answer: Answer): void {
    const { kind, clientId } = operation;
    run(statements.insertBy[kind], valuesOf(operation), answer, ({ affectedRows }) => {
      if (affectedRows > 0) return answer({ type: "token_inserted", allowed: true });
      const values = { tokenHash: Buffer.from(by), clientId: Buffer.from(clientId) };
      run(statements.check.client_access, values, answer, ({ rows: [row] }) =>
        answer({ type: "token_inserted", allowed: row?.valid === 1 }),
      );
    });
  }

  function upsert(operation: UpsertConnection, answer: Answer): void {
    const { instance = "" } = operation;
    const values = valuesOf({ ...operation, instance });
    const join = (isOwner: boolean) => {
      if (instance === "") return answer({ type: "connection_upserted", current: isOwner });
      run(linkStatements.join, values, answer, ({ affectedRows }) =>
        answer({ type: "connection_upserted", current: affectedRows > 0 }),
      );
    };
    run(statements.upsert, values, answer, ({ affectedRows }) => {
      if (affectedRows === 0) return join(false);
      run(homeStatements.remember, values, answer, () => join(true));
    });
  }

  function renew(operation: RenewLeases, answer: Answer): void {
    const values = renewalValues(operation);
    if (operation.after !== null) return renewSlice(operation, values, answer);
    renewSlice(operation, values, (renewed) => {
      if (renewed.type !== "leases_renewed") return answer(renewed);
      run(nodeStatements.others, values, answer, ({ rows }) =>
        answer({ ...renewed, others: rows.map(otherNode) }),
      );
    });
  }

  function renewSlice(operation: RenewLeases, values: Values, answer: Answer): void {
    run(nodeStatements.keep, values, answer, () =>
      run(nodeStatements.slice, values, answer, ({ rows }) => {
        const last = rows.at(-1)?.clientId;
        const next = rows.length < operation.rowsMax || typeof last !== "string" ? null : last;
        const renewed = { type: "leases_renewed", rows: connectionsOf(rows), next } as const;
        if (typeof last !== "string") return answer(renewed);
        const inSlice = { ...values, last: Buffer.from(last) };
        const ofLinks = rows.some(({ linked }) => linked === 1) ? linkStatements.renew : [];
        runAll([nodeStatements.renew, ...ofLinks], inSlice, answer, () => answer(renewed));
      }),
    );
  }

  function call(operation: RegistryOperation, answer: Answer): void {
    if (operation.type === "check_tokens") return checkAll(operation.tokens, answer);
    const values = valuesOf(operation);
    switch (operation.type) {
      case "check_token":
        return run(statements.check[operation.kind], values, answer, ({ rows: [row] }) =>
          answer({ type: "token_checked", valid: row?.valid === 1, fence: fenceOf(row) }),
        );
      case "find_magic_token":
        return run(statements.findMagic, values, answer, ({ rows: [row] }) =>
          answer({ type: "magic_token_found", clientId: ownerOf(row) }),
        );
      case "insert_token":
        if (operation.by !== undefined) return insertBy(operation.by, operation, answer);
        return run(statements.insert[operation.kind], values, answer, () =>
          answer({ type: "token_inserted", allowed: true }),
        );
      case "revoke_token":
        return runAll(statements.revoke[operation.kind], values, answer, (tokens) =>
          answer({ type: "tokens_revoked", tokens }),
        );
      case "revoke_client":
        return runAll(statements.revokeClient, values, answer, (tokens) =>
          run(homeStatements.forget, values, answer, () => answer({ type: "tokens_revoked", tokens })),
        );
      case "upsert_connection":
        return upsert(operation, answer);
      case "recall_home":
        return run(homeStatements.recall, values, answer, ({ rows: [row] }) =>
          answer({ type: "home_recalled", home: recalledHome(row) }),
        );
      case "delete_connection":
        return runAll([...linkStatements.leave, ...LEAVE], values, answer, () =>
          answer({ type: "connection_deleted" }),
        );
      case "find_connection":
        return run(nodeStatements.find, values, answer, ({ rows }) =>
          answer({ type: "connections_found", connections: rows.map(foundConnection) }),
        );
      case "renew_leases":
        return renew(operation, answer);
      case "delete_node":
        return run(nodeStatements.remove, values, answer, () => answer({ type: "node_deleted" }));
      case "sweep":
        return runAll(SWEEPS, values, answer, () => answer({ type: "swept" }));
      default:
        return callOnCredentials(operation, {
          run: (sql, given, goOn) => run(sql, given, answer, goOn),
          fenceOf,
          answer,
        });
    }
  }

  function probe(): Promise<RegistryProblem | null> {
    const values = { probe: Buffer.from(`culvert probe ${randomUUID()}`) };
    return new Promise((resolve) => {
      pool.query(statements.probe, values, (reply) => {
        // Without its key the table would take the row twice.
        if (reply.type === "done") resolve(registryProblem("registry_refused", "connections has no key"));
        else resolve(mysqlProblemOf(reply.error));
      });
    });
  }

  return {
    probe,
    call: (operation, answer) => {
      if (isStorable(operation)) call(operation, answer);
      else answer({ type: "failed", fault: "refused" });
    },
    close: () => pool.close(),
  };
}

type Done = Extract<Reply, { type: "done" }>;

function isName(value: unknown): value is string {
  return typeof value === "string" && value !== "" && [...value].length <= VALUE_CHARACTERS_MAX;
}

/** 0 for what is no number, or one that arithmetic would round. */
function integerOf(value: unknown): number {
  return typeof value === "number" && Number.isSafeInteger(value) ? value : 0;
}
