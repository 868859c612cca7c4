/**
 * The schema of the MySQL registry and the way to it. MySQL commits each change of a table by itself, so a step can end
 * half-way. Each statement of a step may therefore be carried out again, and the step is counted when all of them are done.
 *
 * One node at a time works, under a lease in the row that counts: a lock of the session, as GET_LOCK takes it, is not to be had
 * on every Vitess. Should a statement outlast the lease, a second node does what has been done once more, which is harmless.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { ACCESS_LENGTH_MAX, type RegistryFault } from "../../core/registry.ts";
import { isToldAloud } from "../../core/report.ts";
import { causeOf } from "../error-cause.ts";
import { StartupError } from "../startup-error.ts";
import { mysqlCredentials } from "./mysql-credentials.ts";
import { mysqlTlsProblemOf, serverErrorOf } from "./mysql-fault.ts";
import { mysqlHomes } from "./mysql-homes.ts";
import { mysqlLinks, mysqlNodes } from "./mysql-nodes.ts";
import type { MysqlPool, Reply, Values } from "./mysql-pool.ts";

/** With no padding: trailing spaces count. There since MySQL 8.0.17. */
const BYTE_WISE = "CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin";

/** As MoosicBox's migrations make it, but byte-wise from the start. */
const tokenTable = (table: string, key: string) => `
  CREATE TABLE IF NOT EXISTS ${table} (
    ${key} VARCHAR(64) NOT NULL PRIMARY KEY,
    client_id VARCHAR(64) NOT NULL,
    expires DATETIME NULL,
    created DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP
  ) ${BYTE_WISE}`;

/**
 * Step N brings the schema from version N to N + 1. A step that was released is never edited. What is there is never made
 * narrower, and what is added has a default or takes NULL, so that MoosicBox's server can go on with the tables.
 */
const MIGRATIONS: readonly (readonly string[])[] = [
  [
    `CREATE TABLE IF NOT EXISTS connections (
      client_id VARCHAR(64) NOT NULL PRIMARY KEY,
      tunnel_ws_id VARCHAR(64) NOT NULL,
      created DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
      updated DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP
    ) ${BYTE_WISE}`,
    tokenTable("signature_tokens", "token_hash"),
    tokenTable("client_access_tokens", "token_hash"),
    tokenTable("magic_tokens", "magic_token_hash"),
    // Names that a collation took for one another could not have been stored both, so no two rows become one.
    ...["connections", "signature_tokens", "client_access_tokens", "magic_tokens"].map(
      (table) => `ALTER TABLE ${table} CONVERT TO ${BYTE_WISE}`,
    ),
    "ALTER TABLE connections ADD COLUMN fence BIGINT NOT NULL DEFAULT 0",
    `ALTER TABLE connections ADD COLUMN node VARCHAR(64) ${BYTE_WISE} NULL`,
    `ALTER TABLE connections ADD COLUMN leased_tunnel VARCHAR(64) ${BYTE_WISE} NULL`,
    "ALTER TABLE connections ADD COLUMN lease_expires DATETIME(6) NULL",
    "ALTER TABLE connections ADD INDEX culvert_node (node)",
    // A sweep reads what has expired and locks nothing else.
    ...["signature_tokens", "client_access_tokens", "magic_tokens"].map(
      (table) => `ALTER TABLE ${table} ADD INDEX culvert_expires (expires)`,
    ),
  ],
  // Rows from before are of tunnels that could not say who may visit, and so are those of MoosicBox's server.
  [
    `ALTER TABLE connections ADD COLUMN access VARCHAR(${ACCESS_LENGTH_MAX}) ${BYTE_WISE} NOT NULL DEFAULT 'token'`,
  ],
  mysqlCredentials(BYTE_WISE),
  mysqlHomes(BYTE_WISE),
  mysqlNodes(BYTE_WISE),
  mysqlLinks(BYTE_WISE),
];

/** Duplicate column and duplicate key name: the statement was carried out before. */
const DONE_BEFORE: ReadonlySet<number> = new Set([1060, 1061]);

const NO_SUCH_TABLE = 1146;

/** A node that died half-way keeps the others waiting for no longer. */
const LEASE_SECONDS = 15;
const POLL_MS = 200;
const RETRY_MS = 500;

export type SchemaOptions = {
  /** How long to wait for a database that cannot be reached. */
  readonly startMs: number;
  /** Told before the first wait, and whenever it has waited twice as often. */
  readonly onWaiting: (cause: string) => void;
  /** Other steps than the real ones, for tests. */
  readonly migrations?: readonly (readonly string[])[];
};

/** Brings the schema up to date. Rejects with `StartupError` where no waiting would help, and where it took too long. */
export async function prepareSchema(pool: MysqlPool, options: SchemaOptions): Promise<void> {
  const giveUpMs = performance.now() + options.startMs;
  let count = 0;
  for (;;) {
    try {
      return await migrate(pool, options);
    } catch (error) {
      if (!(error instanceof QueryFailed)) throw error;
      if (error.fault === "refused" || performance.now() + RETRY_MS > giveUpMs) {
        throw new StartupError(`cannot use the database: ${error.message}`, { cause: error });
      }
      if (isToldAloud(++count)) options.onWaiting(error.message);
      await sleep(RETRY_MS);
    }
  }
}

async function migrate(pool: MysqlPool, options: SchemaOptions): Promise<void> {
  const steps = options.migrations ?? MIGRATIONS;
  const holder = Buffer.from(randomUUID());
  for (;;) {
    const version = await readVersion(pool);
    if (version > steps.length) {
      throw new StartupError(
        `the database has schema version ${version}, this version of culvert knows ${steps.length}; start the newer culvert`,
      );
    }
    const step = steps[version];
    if (step === undefined) return;
    if (await takeLease(pool, holder, version)) {
      await advance(pool, holder, step).finally(() => endLease(pool, holder));
    } else {
      options.onWaiting("another node brings its schema up to date");
      await sleep(POLL_MS);
    }
  }
}

/** One read where all is well: a node without the right to change tables can start then. */
async function readVersion(pool: MysqlPool): Promise<number> {
  try {
    const { rows } = await query(pool, "SELECT version FROM culvert_schema WHERE id = 1");
    if (rows[0] !== undefined) return Number(rows[0].version);
  } catch (error) {
    if (!(error instanceof QueryFailed) || error.number !== NO_SUCH_TABLE) throw error;
    await query(
      pool,
      `CREATE TABLE IF NOT EXISTS culvert_schema (
        id TINYINT NOT NULL PRIMARY KEY,
        version INT NOT NULL,
        holder VARCHAR(64) NULL,
        lease_expires DATETIME(6) NULL
      )`,
    );
  }
  await query(pool, "INSERT INTO culvert_schema (id, version) VALUES (1, 0) ON DUPLICATE KEY UPDATE id = id");
  return readVersion(pool);
}

/** False while another node holds it, and where the version is not what it was any more. */
async function takeLease(pool: MysqlPool, holder: Buffer, version: number): Promise<boolean> {
  const { affectedRows } = await query(
    pool,
    `UPDATE culvert_schema
    SET holder = _utf8mb4 :holder, lease_expires = UTC_TIMESTAMP(6) + INTERVAL ${LEASE_SECONDS} SECOND
    WHERE id = 1 AND version = :version
      AND (holder IS NULL OR holder = _utf8mb4 :holder OR lease_expires <= UTC_TIMESTAMP(6))`,
    { holder, version },
  );
  return affectedRows > 0;
}

/** Carries out a step and counts it. */
async function advance(pool: MysqlPool, holder: Buffer, step: readonly string[]): Promise<void> {
  for (const statement of step) {
    await query(
      pool,
      `UPDATE culvert_schema SET lease_expires = UTC_TIMESTAMP(6) + INTERVAL ${LEASE_SECONDS} SECOND
      WHERE id = 1 AND holder = _utf8mb4 :holder`,
      { holder },
    );
    try {
      await query(pool, statement);
    } catch (error) {
      if (!(error instanceof QueryFailed) || !DONE_BEFORE.has(error.number)) throw error;
    }
  }
  await query(
    pool,
    "UPDATE culvert_schema SET version = version + 1 WHERE id = 1 AND holder = _utf8mb4 :holder",
    { holder },
  );
}

/** Where it cannot be ended, it lapses. */
async function endLease(pool: MysqlPool, holder: Buffer): Promise<void> {
  const statement = "UPDATE culvert_schema SET holder = NULL WHERE id = 1 AND holder = _utf8mb4 :holder";
  await query(pool, statement, { holder }).catch(() => {});
}

class QueryFailed extends Error {
  readonly fault: RegistryFault;
  /** MySQL's number of the error, 0 where the server sent none. */
  readonly number: number;

  constructor({ fault, error }: Extract<Reply, { type: "failed" }>) {
    const cause = error === null ? "it does not answer in time" : causeOf(error);
    super(mysqlTlsProblemOf(error) ?? cause, { cause: error });
    this.fault = fault;
    this.number = serverErrorOf(error).number;
  }
}

function query(pool: MysqlPool, sql: string, values: Values = {}): Promise<Extract<Reply, { type: "done" }>> {
  return new Promise((resolve, reject) => {
    pool.query(sql, values, (reply) => {
      if (reply.type === "done") resolve(reply);
      else reject(new QueryFailed(reply));
    });
  });
}
