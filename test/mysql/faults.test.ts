/** What the registry makes of a MySQL that hangs, is lost, or says no. Every fault is a real one (D02, D03, D04). */
import { describe, expect, test } from "vitest";
import type { RegistryOperation } from "../../core/registry.ts";
import { callRegistry } from "../helpers/registry-contract.ts";
import {
  asRoot,
  connectionsOf,
  createDatabase,
  isOurs,
  killServer,
  openRegistry,
  pauseServer,
  setGlobal,
  startServer,
  unpauseServer,
  until,
} from "./database.ts";
import {
  CURRENT,
  check,
  insert,
  lockRow,
  REFUSED,
  repeatedOnce,
  someoneWaits,
  timed,
  UNAVAILABLE,
  UNKNOWN,
  upsert,
} from "./operations.ts";
import { Relay } from "./relay.ts";

describe("a server that hangs (D03)", () => {
  test.runIf(isOurs)(
    "fails every call by its deadline, and is used again as soon as it answers",
    async () => {
      const database = await createDatabase();
      const { registry } = await openRegistry(database, { pool: 2, queryMs: 300 });
      await callRegistry(registry, upsert("home"));
      await pauseServer();
      const results = await Promise.all(["a", "b", "c", "d", "e"].map((id) => timed(registry, upsert(id))));
      const faults = results.map(({ outcome }) => outcome);
      // One was sent on the open connection; the others never got one.
      expect(faults).toEqual([UNKNOWN, UNAVAILABLE, UNAVAILABLE, UNAVAILABLE, UNAVAILABLE]);
      for (const { ms } of results) expect(ms).toBeLessThan(800);
      await unpauseServer();
      await until(async () => (await callRegistry(registry, upsert("home"))).type === "connection_upserted");
      expect(await callRegistry(registry, check("none"))).toMatchObject({ valid: false });
    },
  );

  test("that takes a connection and says nothing fails the call by its deadline", async () => {
    const database = await createDatabase();
    const relay = await Relay.start();
    const { registry } = await openRegistry(database, { queryMs: 2_000, connectMs: 200 }, relay.port);
    relay.mode = { type: "mute" };
    const { outcome, ms } = await timed(registry, upsert("home"));
    expect(outcome).toEqual(UNAVAILABLE);
    expect(ms).toBeLessThan(1_000);
    relay.mode = { type: "pass" };
    expect(await callRegistry(registry, upsert("home"))).toEqual(CURRENT);
  });

  test("that forgot its connections costs one call, not one for each of them", async () => {
    const database = await createDatabase();
    const relay = await Relay.start();
    const { registry } = await openRegistry(database, { queryMs: 400 }, relay.port);
    relay.mode = { type: "slow", delayMs: 50 };
    await Promise.all(["a", "b", "c", "d"].map((id) => callRegistry(registry, upsert(id))));
    relay.mode = { type: "mute" };
    expect(await callRegistry(registry, upsert("home"))).toEqual(UNKNOWN);
    relay.mode = { type: "pass" };
    expect(await callRegistry(registry, upsert("home"))).toEqual(CURRENT);
  });
});

describe("a connection that is lost (D04)", () => {
  test("for want of use is replaced, at the cost of one repetition at most", async () => {
    await setGlobal("wait_timeout", 1);
    const database = await createDatabase();
    const { registry } = await openRegistry(database);
    expect(await callRegistry(registry, upsert("home"))).toEqual(CURRENT);
    await until(async () => (await connectionsOf(database)).length === 0);
    expect(await repeatedOnce(registry, upsert("home"))).toEqual(CURRENT);
  });

  test("by KILL while it is idle is replaced, at the cost of one repetition at most", async () => {
    const database = await createDatabase();
    const { registry } = await openRegistry(database);
    await callRegistry(registry, upsert("home"));
    for (const { id } of await connectionsOf(database)) await asRoot(`KILL ${id}`);
    await until(async () => (await connectionsOf(database)).length === 0);
    expect(await repeatedOnce(registry, upsert("home"))).toEqual(CURRENT);
  });

  test("by KILL while a statement runs fails it, and the next one is carried out", async () => {
    const database = await createDatabase();
    const { registry } = await openRegistry(database);
    await callRegistry(registry, upsert("home"));
    const lock = await lockRow(database, "home");
    const answer = callRegistry(registry, upsert("home", "t2", 20));
    await someoneWaits(database);
    for (const { id } of await connectionsOf(database)) await asRoot(`KILL ${id}`);
    expect(await answer).toMatchObject({
      type: "failed",
      fault: expect.stringMatching(/unavailable|unknown/),
    });
    await lock.query("ROLLBACK");
    expect(await callRegistry(registry, upsert("home", "t2", 20))).toEqual(CURRENT);
  });

  test("before the statement arrived is unknown, nothing was changed, and it may be repeated", async () => {
    const database = await createDatabase();
    const relay = await Relay.start();
    const { registry } = await openRegistry(database, {}, relay.port);
    await callRegistry(registry, check("none"));
    relay.mode = { type: "cut_statement" };
    expect(await callRegistry(registry, upsert("home"))).toEqual(UNKNOWN);
    expect(await database.query("SELECT * FROM connections")).toEqual([]);
    expect(await callRegistry(registry, upsert("home"))).toEqual(CURRENT);
  });

  test("after the commit is unknown, and the repetition finds its own work done", async () => {
    const database = await createDatabase();
    const relay = await Relay.start();
    const { registry } = await openRegistry(database, {}, relay.port);
    await callRegistry(registry, check("none"));
    relay.mode = { type: "cut_answer" };
    expect(await callRegistry(registry, upsert("home"))).toEqual(UNKNOWN);
    expect(await database.query("SELECT tunnel_ws_id AS tunnel FROM connections")).toMatchObject([
      { tunnel: "t1" },
    ]);
    expect(await callRegistry(registry, upsert("home"))).toEqual(CURRENT);

    relay.mode = { type: "cut_answer" };
    expect(await callRegistry(registry, insert("a1"))).toEqual(UNKNOWN);
    expect(await callRegistry(registry, insert("a1"))).toEqual({ type: "token_inserted", allowed: true });
    expect(await callRegistry(registry, check("a1"))).toMatchObject({ valid: true });

    relay.mode = { type: "cut_answer" };
    const remove: RegistryOperation = { type: "delete_connection", clientId: "home", tunnel: "t1" };
    expect(await callRegistry(registry, remove)).toEqual(UNKNOWN);
    expect(await callRegistry(registry, remove)).toEqual({ type: "connection_deleted" });
  });

  test("after the commit does not let the repetition win over a newer tunnel", async () => {
    const database = await createDatabase();
    const relay = await Relay.start();
    const older = await openRegistry(database, {}, relay.port);
    const newer = await openRegistry(database);
    await callRegistry(older.registry, check("none"));
    relay.mode = { type: "cut_answer" };
    expect(await callRegistry(older.registry, upsert("home", "older", 10))).toEqual(UNKNOWN);
    expect(await callRegistry(newer.registry, upsert("home", "newer", 20))).toEqual(CURRENT);
    expect(await callRegistry(older.registry, upsert("home", "older", 10))).toEqual({
      type: "connection_upserted",
      current: false,
    });
  });

  test.runIf(isOurs)(
    "with its server is unavailable at once, and all is well when that is back",
    async () => {
      const database = await createDatabase();
      const { registry } = await openRegistry(database);
      await callRegistry(registry, insert("a1"));
      await killServer();
      // The first may still find the connection that died.
      await callRegistry(registry, check("a1"));
      const { outcome, ms } = await timed(registry, check("a1"));
      expect(outcome).toEqual(UNAVAILABLE);
      expect(ms).toBeLessThan(1_000);
      await startServer();
      expect(await callRegistry(registry, check("a1"))).toMatchObject({ valid: true });
    },
  );
});

describe("a server that may only be read (D02)", () => {
  test("is unavailable for writes, answers reads, and is left so that a failover is found", async () => {
    const database = await createDatabase();
    const { registry } = await openRegistry(database);
    await callRegistry(registry, insert("a1"));
    await setGlobal("read_only", 1);
    const [before] = await connectionsOf(database);
    expect(await callRegistry(registry, upsert("home"))).toEqual(UNAVAILABLE);
    expect(await callRegistry(registry, check("a1"))).toMatchObject({ valid: true });
    // The server notices a moment later that a connection was left.
    await until(async () => !(await connectionsOf(database)).some(({ id }) => id === before?.id));
    await asRoot("SET GLOBAL read_only = 0");
    expect(await callRegistry(registry, upsert("home"))).toEqual(CURRENT);
  });
});

describe("what asks for a person", () => {
  test.each([
    [
      "a missing grant",
      (name: string) => `REVOKE UPDATE ON ${name}.* FROM 'culvert_test'@'%'`,
      upsert("home"),
    ],
    ["a missing table", () => "DROP TABLE connections", upsert("home")],
    [
      "a column that is too narrow",
      () => "ALTER TABLE connections MODIFY client_id VARCHAR(2) NOT NULL",
      upsert("home"),
    ],
  ])("%s is refused, and the log's word for it shows no value", async (_name, sabotage, operation) => {
    const database = await createDatabase();
    const { registry, reports } = await openRegistry(database);
    await database.query(sabotage(database.name));
    expect(await callRegistry(registry, operation)).toEqual(REFUSED);
    expect(reports).toEqual([{ type: "failed", code: expect.stringMatching(/^ER_[A-Z_]+$/) }]);
  });
});

describe("closing", () => {
  test("fails what runs and what waits, and says goodbye to the server", async () => {
    const database = await createDatabase();
    const { registry } = await openRegistry(database, { pool: 1, queryMs: 20_000 });
    await callRegistry(registry, upsert("home"));
    await lockRow(database, "home");
    const running = callRegistry(registry, upsert("home", "t2", 20));
    const waiting = callRegistry(registry, check("none"));
    await someoneWaits(database);
    const startMs = performance.now();
    await registry.close();
    expect(await running).toEqual(UNKNOWN);
    expect(await waiting).toEqual(UNAVAILABLE);
    expect(await callRegistry(registry, check("none"))).toEqual(UNAVAILABLE);
    expect(performance.now() - startMs).toBeLessThan(1_000);
  });
});
