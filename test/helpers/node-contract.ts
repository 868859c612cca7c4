/** What a registry knows of nodes, of where homes are, and of how long that holds, as tests of every implementation. */
import { describe, expect, test } from "vitest";
import {
  type ConnectionRow,
  type RegistryOperation,
  type RegistryOutcome,
  URL_LENGTH_MAX,
} from "../../core/registry.ts";
import { AWKWARD_NAMES } from "./token-contract.ts";

const LEASE_MS = 60_000;

type Renewal = Extract<RegistryOperation, { readonly type: "renew_leases" }>;

/** Of a node that nobody reaches; of all its rows. */
export function renewalOf(node: string, changes: Partial<Renewal> = {}): Renewal {
  const nowhere = { peerUrl: null, publicUrl: null };
  return {
    type: "renew_leases",
    node,
    ...nowhere,
    leaseMs: LEASE_MS,
    after: null,
    rowsMax: 10_000,
    ...changes,
  };
}

export function nodeContract(call: (operation: RegistryOperation) => Promise<RegistryOutcome>): void {
  const upsert = (clientId: string, tunnel: string, fence: number, node = "node-a", leaseMs = LEASE_MS) =>
    call({ type: "upsert_connection", clientId, tunnel, node, fence, leaseMs, access: "token" });
  const renew = async (node: string, changes: Partial<Renewal> = {}) => {
    const outcome = await call(renewalOf(node, changes));
    if (outcome.type !== "leases_renewed")
      throw new Error(`renew_leases answered ${JSON.stringify(outcome)}`);
    return outcome;
  };
  const findAll = async (clientId: string) => {
    const outcome = await call({ type: "find_connection", clientId });
    if (outcome.type !== "connections_found")
      throw new Error(`find_connection answered ${JSON.stringify(outcome)}`);
    return outcome.connections;
  };
  const find = async (clientId: string) => {
    const [first = null, ...others] = await findAll(clientId);
    expect(others).toEqual([]);
    return first;
  };
  const sweep = () => call({ type: "sweep", keptMs: 0 });

  describe("where a home is", () => {
    test("is the node of its newest tunnel, and where others reach that node", async () => {
      await renew("node-a", { peerUrl: "http://10.0.0.1:8889" });
      await renew("node-b", { peerUrl: "http://10.0.0.2:8889", publicUrl: "https://b.example" });
      await upsert("home", "t1", 10, "node-a");
      expect(await find("home")).toEqual({ node: "node-a", tunnel: "t1", peerUrl: "http://10.0.0.1:8889" });
      await upsert("home", "t2", 20, "node-b");
      expect(await find("home")).toEqual({ node: "node-b", tunnel: "t2", peerUrl: "http://10.0.0.2:8889" });
    });

    test("is told of a node that others do not reach, too", async () => {
      await renew("node-a");
      await upsert("home", "t1", 10);
      expect(await find("home")).toEqual({ node: "node-a", tunnel: "t1", peerUrl: null });
    });

    test("is nowhere before its first tunnel and after its last", async () => {
      await renew("node-a", { peerUrl: "http://10.0.0.1:8889" });
      expect(await find("home")).toBeNull();
      await upsert("home", "t1", 10);
      await call({ type: "delete_connection", clientId: "home", tunnel: "t1" });
      expect(await find("home")).toBeNull();
    });

    test("is nowhere once its lease or that of its node has lapsed, swept or not", async () => {
      await renew("node-a");
      await upsert("home", "t1", 10, "node-a", 0);
      expect(await find("home")).toBeNull();
      await upsert("home", "t2", 20);
      expect(await find("home")).not.toBeNull();
      await renew("node-a", { leaseMs: 0, after: "home" });
      expect(await find("home")).toBeNull();
      await sweep();
      expect(await find("home")).toBeNull();
      await renew("node-a");
      expect(await find("home")).toMatchObject({ tunnel: "t2" });
    });

    test("is nowhere while its node has no row: before the first renewal, and after the node has left", async () => {
      await upsert("home", "t1", 10);
      expect(await find("home")).toBeNull();
      await renew("node-a");
      expect(await find("home")).not.toBeNull();
      expect(await call({ type: "delete_node", node: "node-a" })).toEqual({ type: "node_deleted" });
      expect(await call({ type: "delete_node", node: "node-a" })).toEqual({ type: "node_deleted" });
      expect(await find("home")).toBeNull();
    });

    test("follows a node that is reached elsewhere from then on, or no longer", async () => {
      await upsert("home", "t1", 10);
      for (const peerUrl of ["http://10.0.0.1:8889", "https://[fd00::1]:8889", null]) {
        await renew("node-a", { peerUrl });
        expect(await find("home")).toMatchObject({ peerUrl });
      }
    });

    test("is kept apart from that of homes and nodes whose names differ in one byte", async () => {
      for (const [index, name] of AWKWARD_NAMES.entries()) {
        await renew(name, { peerUrl: `http://10.0.0.${index}` });
        await upsert(name, `t${index}`, 10, name);
      }
      for (const [index, name] of AWKWARD_NAMES.entries()) {
        expect(await find(name)).toEqual({
          node: name,
          tunnel: `t${index}`,
          peerUrl: `http://10.0.0.${index}`,
        });
      }
    });

    test("takes any URL that fits, and refuses a longer one", async () => {
      const longest = `http://${"a".repeat(URL_LENGTH_MAX - 7)}`;
      await upsert("home", "t1", 10);
      await renew("node-a", { peerUrl: longest, publicUrl: longest });
      expect(await find("home")).toMatchObject({ peerUrl: longest });
      const refused = { type: "failed", fault: "refused" };
      expect(await call(renewalOf("node-a", { peerUrl: `${longest}a` }))).toEqual(refused);
      expect(await call(renewalOf("node-a", { publicUrl: `${longest}a` }))).toEqual(refused);
    });
  });

  describe("a renewal of leases", () => {
    test("takes a node's rows slice by slice, each once, in whatever order the registry has", async () => {
      for (const [index, clientId] of AWKWARD_NAMES.entries()) await upsert(clientId, `t${index}`, 10);
      await upsert("elsewhere", "t", 10, "node-b");
      for (const rowsMax of [1, 2, 3, AWKWARD_NAMES.length, AWKWARD_NAMES.length + 1]) {
        const rows: ConnectionRow[] = [];
        let after: string | null = null;
        do {
          const slice: Awaited<ReturnType<typeof renew>> = await renew("node-a", { after, rowsMax });
          expect(slice.rows.length).toBeLessThanOrEqual(rowsMax);
          rows.push(...slice.rows);
          after = slice.next;
        } while (after !== null);
        const expected = AWKWARD_NAMES.map((clientId, index) => ({ clientId, tunnel: `t${index}` }));
        const sorted = (list: readonly ConnectionRow[]) => list.map((row) => JSON.stringify(row)).sort();
        expect(sorted(rows)).toEqual(sorted(expected));
      }
    });

    test("tells in the first slice which other nodes live that take requests from others", async () => {
      expect((await renew("node-a", { peerUrl: "http://10.0.0.1:8889" })).others).toEqual([]);
      await renew("node-c", { peerUrl: "http://10.0.0.3:8889", publicUrl: "https://c.example" });
      await renew("node-b", { peerUrl: "http://10.0.0.2:8889" });
      await renew("alone");
      const others = [
        { node: "node-b", publicUrl: null },
        { node: "node-c", publicUrl: "https://c.example" },
      ];
      expect((await renew("node-a")).others).toEqual(others);
      expect((await renew("node-a", { after: "home" })).others).toBeUndefined();
      await call({ type: "delete_node", node: "node-b" });
      expect((await renew("node-a")).others).toEqual(others.slice(1));
    });

    test("tells of no node whose lease has lapsed", async () => {
      await renew("node-b", { peerUrl: "http://10.0.0.2:8889", leaseMs: 0 });
      expect((await renew("node-a")).others).toEqual([]);
    });

    test("says with a slice that is not full that it was the last", async () => {
      expect(await renew("node-a", { rowsMax: 1 })).toMatchObject({ rows: [], next: null });
      await upsert("a", "t1", 10);
      await upsert("b", "t2", 10);
      const rows = [
        { clientId: "a", tunnel: "t1" },
        { clientId: "b", tunnel: "t2" },
      ];
      expect(await renew("node-a", { rowsMax: 3 })).toMatchObject({ rows, next: null });
      expect(await renew("node-a", { rowsMax: 2 })).toMatchObject({ rows, next: "b" });
      expect(await renew("node-a", { rowsMax: 2, after: "b" })).toMatchObject({ rows: [], next: null });
    });

    test("extends the leases of its slice and of nothing else", async () => {
      await renew("node-a");
      await renew("node-b");
      for (const clientId of ["a", "b", "c"]) await upsert(clientId, `tunnel of ${clientId}`, 10);
      await upsert("b2", "t", 10, "node-b");
      // A lease of no time has lapsed: what it was given to is gone.
      await renew("node-a", { leaseMs: 0, after: "a", rowsMax: 1 });
      await renew("node-a");
      expect(await find("a")).not.toBeNull();
      expect(await find("b")).toBeNull();
      expect(await find("b2")).not.toBeNull();
      expect(await find("c")).not.toBeNull();
    });

    test("leaves what has lapsed as it is, and only a fence gets it back", async () => {
      await upsert("home", "t1", 10, "node-a", 0);
      expect((await renew("node-a")).rows).toEqual([]);
      expect(await find("home")).toBeNull();
      expect(await upsert("home", "t0", 9)).toEqual({ type: "connection_upserted", current: false });
      expect(await upsert("home", "t1", 10)).toEqual({ type: "connection_upserted", current: true });
      expect(await find("home")).toMatchObject({ tunnel: "t1" });
    });
  });
}
