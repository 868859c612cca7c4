/** The way to the schema: from nothing, from MoosicBox's tables, together, half-way, and not from the future (D01, D09). */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { connectionOptions, openMysqlRegistry } from "../../adapters/registry/mysql.ts";
import { prepareSchema } from "../../adapters/registry/mysql-migrations.ts";
import { MysqlPool } from "../../adapters/registry/mysql-pool.ts";
import { StartupError } from "../../adapters/startup-error.ts";
import type { RegistryOperation } from "../../core/registry.ts";
import { renewalOf } from "../helpers/node-contract.ts";
import { callRegistry } from "../helpers/registry-contract.ts";
import { ACCOUNT, createDatabase, type Database, isOurs, openRegistry, readServerFile } from "./database.ts";
import { CULVERT_TABLES, MoosicBoxServer, makeMoosicBoxTables, TABLES } from "./moosicbox-database.ts";
import { Relay } from "./relay.ts";

const HOUR_MS = 3_600_000;
const noReport = () => {};

function checkToken(
  kind: "signature" | "client_access",
  tokenHash: string,
  clientId: string,
): RegistryOperation {
  return { type: "check_token", kind, tokenHash, clientId };
}

function upsert(clientId: string, tunnel: string, fence: number, leaseMs = 60_000) {
  return {
    type: "upsert_connection",
    clientId,
    tunnel,
    node: "node-a",
    fence,
    access: "token",
    leaseMs,
  } as const;
}

const renew: RegistryOperation = renewalOf("node-a");

/** Every column and index that the schema has. */
async function schemaOf(database: Database): Promise<string[]> {
  const columns = await database.query(`
    SELECT CONCAT_WS(' ', TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, COLLATION_NAME) AS text
    FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = '${database.name}'`);
  const indexes = await database.query(`
    SELECT CONCAT_WS(' ', TABLE_NAME, INDEX_NAME, COLUMN_NAME) AS text
    FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = '${database.name}'`);
  return [...columns, ...indexes].map(({ text }) => String(text)).sort();
}

function migrator(database: Database): MysqlPool {
  const connection = connectionOptions(database.settings());
  const pool = new MysqlPool({ connection, connectionsMax: 1, queryMs: 20_000 });
  onTestFinished(() => pool.close());
  return pool;
}

describe("a database of MoosicBox", () => {
  test.each([
    "latin1",
    "utf8mb3",
    "utf8mb4 COLLATE utf8mb4_0900_ai_ci",
    "utf8mb4 COLLATE utf8mb4_unicode_ci",
  ])("in %s is taken over in place, and its rows stay valid for both servers", async (characterSet) => {
    const database = await createDatabase();
    await makeMoosicBoxTables(database, characterSet);
    const moosicBox = new MoosicBoxServer(database);
    await moosicBox.upsertConnection("théâtre", "18446744073709551615");
    await moosicBox.insertSignature("a1", "théâtre");
    await moosicBox.insertToken("client_access_tokens", "b2", "théâtre");
    await moosicBox.insertToken("magic_tokens", "c3", "théâtre");

    const { registry, reports } = await openRegistry(database);
    const ask = (operation: RegistryOperation) => callRegistry(registry, operation);
    expect(await ask(checkToken("signature", "a1", "théâtre"))).toMatchObject({ valid: true });
    expect(await ask(checkToken("client_access", "b2", "théâtre"))).toMatchObject({ valid: true });
    expect(await ask(checkToken("client_access", "b2", "Théâtre"))).toMatchObject({ valid: false });
    expect(await ask({ type: "find_magic_token", tokenHash: "c3" })).toMatchObject({ clientId: "théâtre" });
    expect(await ask({ type: "sweep", keptMs: 0 })).toEqual({ type: "swept" });

    expect(await moosicBox.tunnelOf("théâtre")).toBe("18446744073709551615");
    expect(await moosicBox.isValidSignature("a1", "théâtre")).toBe(true);
    expect(await moosicBox.isValidClientAccess("b2", "théâtre")).toBe(true);
    expect(await moosicBox.ownerOfMagicToken("c3")).toBe("théâtre");
    expect(reports).toEqual([]);
  });

  test("goes back to MoosicBox's server with everything that Culvert wrote", async () => {
    const database = await createDatabase();
    await makeMoosicBoxTables(database, "utf8mb4");
    const moosicBox = new MoosicBoxServer(database);
    const { registry } = await openRegistry(database);
    const insert = (kind: "client_access" | "signature" | "magic", lifetimeMs: number | null) =>
      callRegistry(registry, { type: "insert_token", kind, tokenHash: "a1", clientId: "home", lifetimeMs });
    await insert("signature", HOUR_MS);
    await insert("client_access", null);
    await insert("magic", null);
    await callRegistry(registry, upsert("home", "7", 10));

    expect(await moosicBox.isValidSignature("a1", "home")).toBe(true);
    expect(await moosicBox.isValidClientAccess("a1", "home")).toBe(true);
    expect(await moosicBox.ownerOfMagicToken("a1")).toBe("home");
    expect(await moosicBox.tunnelOf("home")).toBe("7");
    await moosicBox.upsertConnection("home", "8");
    await moosicBox.deleteConnection("8");
    expect(await moosicBox.tunnelOf("home")).toBeUndefined();
  });

  test("may be used by both at once: a row that MoosicBox's server took is not renewed, listed or swept", async () => {
    const database = await createDatabase();
    await makeMoosicBoxTables(database, "utf8mb4");
    const moosicBox = new MoosicBoxServer(database);
    const { registry } = await openRegistry(database);
    await callRegistry(registry, upsert("home", "7", 10, 0));
    await moosicBox.upsertConnection("home", "8");
    const before = await database.query("SELECT * FROM connections");

    expect(await callRegistry(registry, renew)).toMatchObject({ type: "leases_renewed", rows: [] });
    expect(await database.query("SELECT * FROM connections")).toEqual(before);
    await callRegistry(registry, { type: "delete_connection", clientId: "home", tunnel: "7" });
    await callRegistry(registry, { type: "sweep", keptMs: 0 });
    expect(await moosicBox.tunnelOf("home")).toBe("8");

    expect(await callRegistry(registry, upsert("home", "9", 11))).toMatchObject({ current: true });
    await moosicBox.deleteConnection("8");
    expect(await callRegistry(registry, renew)).toMatchObject({ rows: [{ clientId: "home", tunnel: "9" }] });
  });
});

describe("the schema", () => {
  test("is the same on MoosicBox's tables as on none", async () => {
    const fresh = await createDatabase();
    const takenOver = await createDatabase();
    await makeMoosicBoxTables(takenOver, "latin1");
    await openRegistry(fresh);
    await openRegistry(takenOver);
    expect(await schemaOf(takenOver)).toEqual(await schemaOf(fresh));
  });

  test("has no foreign keys, which Vitess forbids", async () => {
    const database = await createDatabase();
    await openRegistry(database);
    const keys = await database.query(
      `SELECT * FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = '${database.name}'`,
    );
    expect(keys).toEqual([]);
  });

  test("is made once by nodes that start together (D09)", async () => {
    const database = await createDatabase();
    await makeMoosicBoxTables(database, "utf8mb4");
    await database.query("CREATE TABLE runs (id INT AUTO_INCREMENT PRIMARY KEY)");
    const steps = [["INSERT INTO runs () VALUES ()"], ["INSERT INTO runs () VALUES ()"]];
    const pools = Array.from({ length: 4 }, () => migrator(database));
    await Promise.all(
      pools.map((pool) => prepareSchema(pool, { startMs: 10_000, onWaiting: noReport, migrations: steps })),
    );
    expect(await database.query("SELECT COUNT(*) AS runs FROM runs")).toMatchObject([{ runs: 2 }]);
    expect(await database.query("SELECT version FROM culvert_schema")).toMatchObject([{ version: 2 }]);
  });

  test("is made by nodes that start together on MoosicBox's tables, whoever is first (D09)", async () => {
    const database = await createDatabase();
    await makeMoosicBoxTables(database, "utf8mb4");
    const opened = await Promise.all([1, 2, 3].map(() => openRegistry(database)));
    for (const { registry } of opened) {
      expect(await callRegistry(registry, renew)).toMatchObject({ type: "leases_renewed", rows: [] });
    }
  });

  test("is completed by the next start, wherever the one before it died (D09)", async () => {
    const complete = await createDatabase();
    await openRegistry(complete);
    const expected = await schemaOf(complete);
    const statements = await statementsOfMigration();
    expect(statements.length).toBeGreaterThan(10);
    for (let done = 0; done < statements.length; done++) {
      const database = await createDatabase();
      for (const statement of statements.slice(0, done)) await database.query(statement);
      await openRegistry(database);
      expect(await schemaOf(database), `after ${done} statements`).toEqual(expected);
    }
  });

  test("of the first version is brought up to date in place, and its rows keep asking for a token (D09)", async () => {
    const database = await createDatabase();
    const { registry } = await openRegistry(database);
    await callRegistry(registry, { ...upsert("home", "7", 10), access: "public" });
    await registry.close();
    const expected = await schemaOf(database);
    await database.query("ALTER TABLE connections DROP COLUMN access");
    await database.query("ALTER TABLE signature_tokens DROP COLUMN kind");
    await database.query("ALTER TABLE client_access_tokens DROP INDEX culvert_client");
    for (const table of CULVERT_TABLES) await database.query(`DROP TABLE ${table}`);
    await database.query("UPDATE culvert_schema SET version = 1");
    const { registry: again } = await openRegistry(database);
    expect(await schemaOf(database)).toEqual(expected);
    expect(await callRegistry(again, { type: "recall_home", clientId: "home" })).toMatchObject({
      home: { access: "token" },
    });
    expect(await database.query("SELECT tunnel_ws_id, access FROM connections")).toMatchObject([
      { tunnel_ws_id: "7", access: "token" },
    ]);
  });

  test("waits for a node that died with the lease, for no longer than the lease (D09)", async () => {
    const database = await createDatabase();
    await openRegistry(database);
    await database.query(`
      UPDATE culvert_schema SET version = 0, holder = 'dead',
      lease_expires = UTC_TIMESTAMP(6) + INTERVAL 1 SECOND`);
    const { reports } = await openRegistry(database);
    expect(reports).toContainEqual({ type: "waiting", cause: "another node brings its schema up to date" });
    expect(await database.query("SELECT version, holder FROM culvert_schema")).toMatchObject([
      { version: 6, holder: null },
    ]);
  });

  test("that is up to date needs no right to change tables", async () => {
    const database = await createDatabase();
    await openRegistry(database);
    await database.query(`REVOKE ALL ON ${database.name}.* FROM '${ACCOUNT.user}'@'%'`);
    await database.query(
      `GRANT SELECT, INSERT, UPDATE, DELETE ON ${database.name}.* TO '${ACCOUNT.user}'@'%'`,
    );
    const { registry } = await openRegistry(database);
    expect(await callRegistry(registry, upsert("home", "7", 10))).toMatchObject({ current: true });
  });

  test("of a newer version is refused in one line that says what to do (D01, D09)", async () => {
    const database = await createDatabase();
    await openRegistry(database);
    await database.query("UPDATE culvert_schema SET version = 999");
    await expect(openMysqlRegistry(database.settings(), noReport)).rejects.toThrow(
      new StartupError(
        "the database has schema version 999, this version of culvert knows 6; start the newer culvert",
      ),
    );
  });

  test("leaves the tables of other programs alone", async () => {
    const database = await createDatabase();
    await database.query("CREATE TABLE songs (id INT PRIMARY KEY, title VARCHAR(20)) CHARACTER SET latin1");
    const before = (await database.query("SHOW CREATE TABLE songs"))[0];
    await openRegistry(database);
    expect((await database.query("SHOW CREATE TABLE songs"))[0]).toEqual(before);
    const tables = (await database.query("SHOW TABLES")).map((row) => Object.values(row)[0]);
    expect(tables.sort()).toEqual([...TABLES, ...CULVERT_TABLES, "culvert_schema", "songs"].sort());
  });
});

describe("a start (D01)", () => {
  test("waits for a database that is not there yet, and says so", async () => {
    const database = await createDatabase();
    const relay = await Relay.start();
    relay.mode = { type: "hang_up" };
    const causes: string[] = [];
    const opening = openMysqlRegistry(database.settings({ startMs: 1_200 }, relay.port), (report) => {
      if (report.type === "waiting") causes.push(report.cause);
    });
    await expect(opening).rejects.toThrow(
      new StartupError("cannot use the database: the server closed the connection"),
    );
    expect(causes.length).toBeGreaterThan(0);
  });

  test.each([
    ["a wrong password", "REPLACE", /Access denied/],
    ["a database that is not there", "/missing_", /Access denied|Unknown database/],
  ])("with %s ends at once, in one line without the password", async (_name, change, cause) => {
    const database = await createDatabase();
    const settings = database.settings();
    const wrong = change === "REPLACE" ? { password: "canary-wrong" } : { name: "missing_5d1f" };
    const startMs = performance.now();
    const opening = openMysqlRegistry({ ...settings, ...wrong }, noReport);
    const error: unknown = await opening.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(StartupError);
    expect(String(error)).toMatch(cause);
    expect(String(error)).not.toMatch(/canary|\n/);
    expect(performance.now() - startMs).toBeLessThan(5_000);
  });

  test("with TLS refuses a server that nobody vouches for, unless it is told not to ask", async () => {
    const database = await createDatabase();
    await openRegistry(database, { ssl: "required" });
    const opening = openMysqlRegistry(database.settings({ ssl: "verify-ca", startMs: 1 }), noReport);
    await expect(opening).rejects.toThrow(/^cannot use the database: .*certificate/);
    const unread = openMysqlRegistry(database.settings({ ssl: "verify-ca", ca: "/nowhere" }), noReport);
    await expect(unread).rejects.toThrow(/^cannot read the file of parameter ca/);
  });

  test.runIf(isOurs)("with TLS takes a server of the given authority, under its own name only", async () => {
    const database = await createDatabase();
    const folder = mkdtempSync(join(tmpdir(), "culvert-ca-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const ca = join(folder, "ca.pem");
    writeFileSync(ca, await readServerFile("/var/lib/mysql/ca.pem"));
    await openRegistry(database, { ssl: "verify-ca", ca });
    const settings = database.settings({ ssl: "verify-ca", ca, startMs: 1 });
    const opening = openMysqlRegistry({ ...settings, host: "localhost", ssl: "verify-identity" }, noReport);
    await expect(opening).rejects.toThrow(/^cannot use the database: .*altnames/);
  });
});

/** The statements that change tables, in the order in which a start sends them. */
async function statementsOfMigration(): Promise<string[]> {
  const database = await createDatabase();
  const pool = migrator(database);
  const statements: string[] = [];
  const query = pool.query.bind(pool);
  pool.query = (sql, values, answer) => {
    if (/^\s*(CREATE|ALTER)/.test(sql)) statements.push(sql);
    query(sql, values, answer);
  };
  await prepareSchema(pool, { startMs: 1_000, onWaiting: noReport });
  return statements;
}
