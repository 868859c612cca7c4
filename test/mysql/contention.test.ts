/** Many who want the same row, the same name or the same connections (D05, D06, D07, D08, D13). */
import { describe, expect, test } from "vitest";
import type { RegistryOperation } from "../../core/registry.ts";
import { callRegistry } from "../helpers/registry-contract.ts";
import { connectionsOf, createDatabase, openRegistry, setGlobal, until } from "./database.ts";
import {
  CURRENT,
  check,
  insert,
  lockRow,
  renew,
  someoneWaits,
  timed,
  UNAVAILABLE,
  UNKNOWN,
  upsert,
} from "./operations.ts";

describe("locks (D05)", () => {
  test("a deadlock's victim is unavailable, was undone, and may be repeated", async () => {
    const database = await createDatabase();
    const { registry } = await openRegistry(database);
    for (const id of ["a", "b"]) await callRegistry(registry, upsert(id));
    await database.query("CREATE TABLE weight (id INT AUTO_INCREMENT PRIMARY KEY)");
    const other = await lockRow(database, "b");
    // Of two that wait for each other, the one that changed less is the victim.
    await other.query(`INSERT INTO weight () VALUES ${"(),".repeat(99)}()`);
    const answer = callRegistry(registry, renew);
    await someoneWaits(database);
    await other.query("UPDATE connections SET created = NOW() WHERE client_id = 'a'");
    expect(await answer).toEqual(UNAVAILABLE);
    await other.query("COMMIT");
    expect(await callRegistry(registry, renew)).toMatchObject({ type: "leases_renewed" });
  });

  test("a lock that is not had in time is unavailable, and nothing was changed", async () => {
    await setGlobal("innodb_lock_wait_timeout", 1);
    const database = await createDatabase();
    const { registry } = await openRegistry(database, { queryMs: 5_000 });
    await callRegistry(registry, upsert("home"));
    const lock = await lockRow(database, "home");
    expect(await callRegistry(registry, upsert("home", "t2", 20))).toEqual(UNAVAILABLE);
    await lock.query("ROLLBACK");
    expect(await callRegistry(registry, renew)).toMatchObject({ rows: [{ tunnel: "t1" }] });
  });

  test("a statement that was given up and is carried out late does not win over a newer tunnel", async () => {
    const database = await createDatabase();
    const { registry } = await openRegistry(database, { queryMs: 300 });
    await callRegistry(registry, upsert("home", "t1", 10));
    const lock = await lockRow(database, "home");
    expect(await callRegistry(registry, upsert("home", "late", 20))).toEqual(UNKNOWN);
    await lock.query("UPDATE connections SET fence = 30, tunnel_ws_id = 'newer', leased_tunnel = 'newer'");
    await lock.query("COMMIT");
    await until(async () => (await callRegistry(registry, renew)).type === "leases_renewed");
    expect(await callRegistry(registry, renew)).toMatchObject({ rows: [{ tunnel: "newer" }] });
  });
});

describe("two nodes (D06, D07)", () => {
  test("that register one name at the same instant leave exactly one owner, and the other learns of it", async () => {
    const database = await createDatabase();
    const nodes = await Promise.all([openRegistry(database), openRegistry(database)]);
    for (let round = 0; round < 20; round++) {
      const clientId = `home-${round}`;
      const tunnels = await Promise.all(
        nodes.map(async ({ registry }, index) => {
          const checked = await callRegistry(registry, check("none", clientId));
          if (checked.type !== "token_checked") throw new Error("the check failed");
          return { registry, tunnel: `t${index}`, fence: 2 * checked.fence + index };
        }),
      );
      await Promise.all(
        tunnels.map(({ registry, tunnel, fence }) => callRegistry(registry, upsert(clientId, tunnel, fence))),
      );
      const newest = tunnels.toSorted((a, b) => b.fence - a.fence)[0];
      for (const { registry, tunnel, fence } of tunnels) {
        const again = await callRegistry(registry, upsert(clientId, tunnel, fence));
        expect(again).toEqual({ type: "connection_upserted", current: fence === newest?.fence });
      }
      const rows = await database.query(`SELECT * FROM connections WHERE client_id = '${clientId}'`);
      expect(rows).toMatchObject([{ tunnel_ws_id: newest?.tunnel }]);
    }
  });

  test("read what was written a moment ago, and a revoked token is refused from the next look on", async () => {
    const database = await createDatabase();
    const { registry: one } = await openRegistry(database);
    const { registry: two } = await openRegistry(database);
    for (let round = 0; round < 20; round++) {
      await callRegistry(one, insert(`a${round}`));
      expect(await callRegistry(two, check(`a${round}`))).toMatchObject({ valid: true });
      await database.query(`DELETE FROM client_access_tokens WHERE token_hash = 'a${round}'`);
      expect(await callRegistry(one, check(`a${round}`))).toMatchObject({ valid: false });
    }
  });
});

describe("a node that died (D13)", () => {
  test("leaves rows that their owners reclaim at once, and that others sweep when the lease has lapsed", async () => {
    const database = await createDatabase();
    const dead = await openRegistry(database);
    for (const clientId of ["returned", "gone"]) {
      await callRegistry(dead.registry, {
        ...upsert(clientId),
        node: "dead",
        leaseMs: 0,
      } as RegistryOperation);
    }
    await dead.registry.close();
    const { registry } = await openRegistry(database);
    expect(await callRegistry(registry, upsert("returned", "t2", 20))).toEqual(CURRENT);
    await callRegistry(registry, { type: "sweep", keptMs: 0 });
    expect(await database.query("SELECT client_id AS id, node FROM connections")).toMatchObject([
      { id: "returned", node: "node-a" },
    ]);
  });
});

describe("limits (D08)", () => {
  test("a server with no connection to spare is unavailable at once, and open ones go on", async () => {
    const database = await createDatabase();
    const { registry } = await openRegistry(database, { pool: 2 });
    await callRegistry(registry, upsert("home"));
    const lock = await lockRow(database, "home");
    const blocked = callRegistry(registry, upsert("home", "t2", 20));
    await someoneWaits(database);
    await setGlobal("max_connections", 1);
    const { outcome, ms } = await timed(registry, check("none"));
    expect(outcome).toEqual(UNAVAILABLE);
    expect(ms).toBeLessThan(1_000);
    await lock.query("ROLLBACK");
    expect(await blocked).toEqual(CURRENT);
    expect(await callRegistry(registry, check("none"))).toMatchObject({ valid: false });
  });

  test("calls that wait for a connection are given up by their deadline, with nothing sent", async () => {
    const database = await createDatabase();
    const { registry } = await openRegistry(database, { pool: 1, queryMs: 400 });
    await callRegistry(registry, upsert("home"));
    const lock = await lockRow(database, "home");
    const blocked = callRegistry(registry, upsert("home", "t2", 20));
    const waiting = ["a", "b", "c"].map((id) => callRegistry(registry, upsert(id)));
    expect(await blocked).toEqual(UNKNOWN);
    expect(await Promise.all(waiting)).toEqual([UNAVAILABLE, UNAVAILABLE, UNAVAILABLE]);
    await lock.query("ROLLBACK");
    expect(await callRegistry(registry, upsert("a"))).toEqual(CURRENT);
    expect(await database.query("SELECT client_id AS id FROM connections ORDER BY id")).toMatchObject([
      { id: "a" },
      { id: "home" },
    ]);
  });

  test("a thousand calls at once are answered over as many connections as it may have", async () => {
    const database = await createDatabase();
    const { registry } = await openRegistry(database, { pool: 3, queryMs: 20_000 });
    const outcomes = await Promise.all(
      Array.from({ length: 1_000 }, () => callRegistry(registry, check("none"))),
    );
    expect(outcomes.every(({ type }) => type === "token_checked")).toBe(true);
    expect(await connectionsOf(database)).toHaveLength(3);
  });
});
