/** What a probe of a MySQL registry finds out, and that nothing is left of it. */
import { describe, expect, test } from "vitest";
import { startServerProgram } from "../helpers/program.ts";
import {
  ACCOUNT,
  createDatabase,
  type Database,
  openRegistry,
  openSession,
  setGlobal,
  until,
} from "./database.ts";
import { makeMoosicBoxTables } from "./moosicbox-database.ts";
import { Relay } from "./relay.ts";

describe("a probe of a MySQL registry", () => {
  test.each([
    ["its own tables", async () => {}],
    ["tables of MoosicBox", (database: Database) => makeMoosicBoxTables(database, "utf8mb4")],
  ])("leaves nothing in %s, however many nodes probe at once", async (_whose, prepare) => {
    const database = await createDatabase();
    await prepare(database);
    const nodes = [await openRegistry(database), await openRegistry(database)];
    const probes = nodes.flatMap(({ registry }) => Array.from({ length: 20 }, () => registry.probe()));
    expect(new Set(await Promise.all(probes))).toEqual(new Set([null]));
    expect(await database.query("SELECT * FROM connections")).toEqual([]);
    expect(nodes.flatMap(({ reports }) => reports)).toEqual([]);
  });

  test("tells of a server that may only be read, and is content afterwards", async () => {
    const { registry } = await openRegistry(await createDatabase());
    await setGlobal("read_only", 1);
    expect(await registry.probe()).toMatchObject({ reason: "registry_read_only" });
    await setGlobal("read_only", 0);
    expect(await registry.probe()).toBeNull();
  });

  test("tells of an account that may not write", async () => {
    const database = await createDatabase();
    await openRegistry(database);
    await database.query(`REVOKE INSERT ON ${database.name}.* FROM '${ACCOUNT.user}'@'%'`);
    const { registry } = await openRegistry(database);
    const problem = await registry.probe();
    expect(problem).toMatchObject({ reason: "registry_refused" });
    expect(problem?.detail).toContain("rights");
    expect(problem?.detail).not.toContain(database.name);
  });

  test("tells of a table that is gone", async () => {
    const database = await createDatabase();
    const { registry } = await openRegistry(database);
    await database.query("DROP TABLE connections");
    expect(await registry.probe()).toMatchObject({ reason: "registry_refused" });
  });

  test.each(["hang_up", "mute"] as const)("tells of a network that does this: %s", async (mode) => {
    const relay = await Relay.start();
    const { registry } = await openRegistry(await createDatabase(), { queryMs: 300 }, relay.port);
    expect(await registry.probe()).toBeNull();
    relay.mode = { type: mode };
    relay.cut();
    expect(await registry.probe()).toMatchObject({ reason: "registry_down" });
    relay.mode = { type: "pass" };
    relay.cut();
    await until(async () => (await registry.probe()) === null);
  });

  test("tells of a table that somebody keeps locked", async () => {
    const database = await createDatabase();
    const { registry } = await openRegistry(database, { queryMs: 300 });
    const other = await openSession(database.name);
    await other.query("LOCK TABLES connections WRITE");
    expect(await registry.probe()).toMatchObject({ reason: "registry_down" });
    await other.query("UNLOCK TABLES");
    await other.close();
    expect(await registry.probe()).toBeNull();
  });
});

test("a server whose MySQL says nothing any more exits 0 when it is told to stop", async () => {
  const relay = await Relay.start();
  const database = await createDatabase();
  const server = await startServerProgram({ database: database.url({}, relay.port) });
  relay.mode = { type: "mute" };
  server.signal("SIGTERM");
  expect(await server.ended).toBe(0);
});
