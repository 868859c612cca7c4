import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Registry } from "../../../adapters/registry/registry.ts";
import { openSqliteRegistry } from "../../../adapters/registry/sqlite.ts";
import { migrate } from "../../../adapters/registry/sqlite-migrations.ts";
import { StartupError } from "../../../adapters/startup-error.ts";
import type { RegistryOperation } from "../../../core/registry.ts";
import { credentialContract } from "../../helpers/credential-contract.ts";
import { renewalOf } from "../../helpers/node-contract.ts";
import { callRegistry, registryContract } from "../../helpers/registry-contract.ts";

registryContract("SQLite in memory", () => openSqliteRegistry(":memory:"));
credentialContract("SQLite in memory", () => openSqliteRegistry(":memory:"));

describe("a registry in a file", () => {
  let folder: string;
  let path: string;
  const open: { close(): unknown }[] = [];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "culvert-registry-"));
    path = join(folder, "culvert.db");
  });
  afterEach(() => {
    for (const one of open.splice(0)) one.close();
    rmSync(folder, { recursive: true });
  });

  function openRegistry(): Registry {
    const registry = openSqliteRegistry(path);
    open.push(registry);
    return registry;
  }

  function openRaw(): DatabaseSync {
    const database = new DatabaseSync(path);
    open.push({ close: () => database.isOpen && database.close() });
    return database;
  }

  test("is readable and writable by its owner alone, its write-ahead log too", async () => {
    const registry = openRegistry();
    await callRegistry(registry, upsert("home", "t1", 10));
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(`${path}-wal`).mode & 0o777).toBe(0o600);
  });

  test("keeps what it was told over a restart", async () => {
    const first = openRegistry();
    await callRegistry(first, upsert("home", "t1", 10));
    await first.close();
    expect(existsSync(`${path}-wal`)).toBe(false);
    const outcome = await callRegistry(openRegistry(), renewalOf("node-a"));
    expect(outcome).toMatchObject({ type: "leases_renewed", rows: [{ clientId: "home", tunnel: "t1" }] });
  });

  test("gives a fence above that of the client's row after its clock was set back", async () => {
    const tomorrow = (Date.now() + 86_400_000) * 1000;
    await callRegistry(openRegistry(), upsert("home", "t1", tomorrow));
    const checked = await callRegistry(openRegistry(), checkToken("home"));
    expect(checked).toMatchObject({ type: "token_checked", fence: tomorrow + 1 });
  });

  test("takes its fences from the clock in microseconds", async () => {
    const beforeMs = Date.now();
    const checked = await callRegistry(openRegistry(), checkToken("home"));
    expect(checked.type === "token_checked" && checked.fence / 1000).toBeGreaterThanOrEqual(beforeMs - 1);
    expect(checked.type === "token_checked" && checked.fence / 1000).toBeLessThanOrEqual(Date.now() + 1);
  });

  test("serves two processes on one file", async () => {
    const one = openRegistry();
    const two = openRegistry();
    await callRegistry(one, upsert("home", "t1", 10));
    expect(await callRegistry(two, upsert("home", "t0", 5))).toEqual({
      type: "connection_upserted",
      current: false,
    });
  });

  test("answers unavailable while another process holds the write lock, and works again afterwards", async () => {
    const registry = openRegistry();
    const other = openRaw();
    other.exec("BEGIN IMMEDIATE");
    expect(await callRegistry(registry, upsert("home", "t1", 10))).toEqual({
      type: "failed",
      fault: "unavailable",
    });
    // Reading goes on meanwhile: live visitors are not hurt.
    expect(await callRegistry(registry, checkToken("home"))).toMatchObject({ type: "token_checked" });
    other.exec("ROLLBACK");
    expect(await callRegistry(registry, upsert("home", "t1", 10))).toMatchObject({ current: true });
  });

  test("answers unavailable after it was closed", async () => {
    const registry = openRegistry();
    await registry.close();
    expect(await callRegistry(registry, checkToken("home"))).toEqual({
      type: "failed",
      fault: "unavailable",
    });
  });

  test("answers refused when the database will not take the row", async () => {
    const registry = openRegistry();
    openRaw().exec("CREATE TRIGGER no BEFORE INSERT ON connections BEGIN SELECT RAISE(ABORT, 'no'); END");
    expect(await callRegistry(registry, upsert("home", "t1", 10))).toEqual({
      type: "failed",
      fault: "refused",
    });
  });

  test("refuses a file that a newer version wrote, in one line that says so (D09)", () => {
    openRegistry();
    openRaw().exec("PRAGMA user_version = 999");
    expect(() => openRegistry()).toThrow(StartupError);
    expect(() => openRegistry()).toThrow(/^cannot use the database .*schema version 999.*start the newer/);
  });

  test("refuses the database of another program and leaves it as it was", () => {
    const other = openRaw();
    other.exec("CREATE TABLE songs (id INTEGER)");
    expect(() => openRegistry()).toThrow(/belongs to another program/);
    expect(other.prepare("SELECT count(*) AS n FROM sqlite_schema").get()).toEqual({ n: 1 });
  });

  test.each([
    [
      "a file that is no database",
      () => writeFileSync(path, "no database, but long enough to be read".repeat(40)),
    ],
    ["a folder that does not exist", () => rmSync(folder, { recursive: true })],
  ])("refuses %s in one line", (_name, prepare) => {
    prepare();
    expect(() => openRegistry()).toThrow(StartupError);
    expect(() => openRegistry()).toThrow(/^cannot use the database [^\n]+$/);
    if (!existsSync(folder)) folder = mkdtempSync(join(tmpdir(), "culvert-registry-"));
  });

  test("keeps who may visit, as the newest tunnel says it", async () => {
    const registry = openRegistry();
    const accessOf = () => openRaw().prepare("SELECT access FROM connections").get();
    await callRegistry(registry, { ...upsert("home", "t1", 10), access: "public" });
    expect(accessOf()).toEqual({ access: "public" });
    await callRegistry(registry, { ...upsert("home", "t2", 20), access: `basic me:${"0".repeat(64)}` });
    await callRegistry(registry, { ...upsert("home", "t1", 10), access: "public" });
    expect(accessOf()).toEqual({ access: `basic me:${"0".repeat(64)}` });
  });

  test("brings a file of the first version up to date, whose rows keep asking for a token", async () => {
    const registry = openRegistry();
    await callRegistry(registry, { ...upsert("home", "t1", 10), access: "public" });
    await registry.close();
    const database = openRaw();
    database.exec(`
      ALTER TABLE connections DROP COLUMN access;
      ALTER TABLE signature_tokens DROP COLUMN kind;
      DROP INDEX culvert_client;
      DROP TABLE culvert_homes;
      DROP TABLE culvert_known_homes;
      DROP TABLE culvert_visitor_tokens;
      DROP TABLE culvert_invites;
      DROP INDEX culvert_node;
      DROP TABLE culvert_nodes;
      ALTER TABLE connections DROP COLUMN instance;
      DROP TABLE culvert_links;
      PRAGMA user_version = 1`);
    openRegistry();
    const again = openRegistry();
    expect(database.prepare("SELECT tunnel_ws_id, access FROM connections").get()).toEqual({
      tunnel_ws_id: "t1",
      access: "token",
    });
    expect(database.prepare("PRAGMA user_version").get()).toEqual({ user_version: 6 });
    expect(await callRegistry(again, { type: "recall_home", clientId: "home" })).toMatchObject({
      home: { access: "token" },
    });
  });

  test("undoes a migration that fails half-way, so that the next start can take it again (D09)", () => {
    const database = openRaw();
    const first = "CREATE TABLE a (x); PRAGMA application_id = 1129663574";
    expect(() => migrate(database, [first, "CREATE TABLE b (x); CREATE TABLE a (x)"])).toThrow();
    expect(database.prepare("PRAGMA user_version").get()).toEqual({ user_version: 1 });
    migrate(database, [first, "CREATE TABLE b (x)"]);
    expect(database.prepare("PRAGMA user_version").get()).toEqual({ user_version: 2 });
  });
});

function upsert(clientId: string, tunnel: string, fence: number) {
  return {
    type: "upsert_connection",
    clientId,
    tunnel,
    node: "node-a",
    fence,
    access: "token",
    leaseMs: 60_000,
  } as const;
}

function checkToken(clientId: string): RegistryOperation {
  return { type: "check_token", kind: "signature", tokenHash: "0".repeat(64), clientId };
}
