/** What a registry knows of an agent that has tunnels at several nodes, as tests of every implementation. */
import { beforeEach, describe, expect, test } from "vitest";
import { INSTANCE_LENGTH_MAX, type RegistryOperation, type RegistryOutcome } from "../../core/registry.ts";
import { renewalOf } from "./node-contract.ts";

const LEASE_MS = 60_000;

export function linkContract(call: (operation: RegistryOperation) => Promise<RegistryOutcome>): void {
  const link = async (
    tunnel: string,
    node: string,
    fence: number,
    instance: string | null = "one",
    leaseMs = LEASE_MS,
  ) => {
    const row = { clientId: "home", tunnel, node, fence, leaseMs, access: "token" };
    const of = instance === null ? {} : { instance };
    const outcome = await call({ type: "upsert_connection", ...row, ...of });
    if (outcome.type !== "connection_upserted") throw new Error(`it answered ${JSON.stringify(outcome)}`);
    return outcome.current;
  };
  const leave = (tunnel: string) => call({ type: "delete_connection", clientId: "home", tunnel });
  /** The tunnels, the newest first. */
  const found = async () => {
    const outcome = await call({ type: "find_connection", clientId: "home" });
    if (outcome.type !== "connections_found") throw new Error(`it answered ${JSON.stringify(outcome)}`);
    return outcome.connections.map(({ node, tunnel }) => `${tunnel} at ${node}`);
  };
  const renew = async (node: string, changes = {}) => {
    const outcome = await call(renewalOf(node, changes));
    if (outcome.type !== "leases_renewed") throw new Error(`it answered ${JSON.stringify(outcome)}`);
    return outcome.rows.map(({ tunnel }) => tunnel);
  };
  const seenAgoMs = async () => {
    const outcome = await call({ type: "recall_home", clientId: "home" });
    return outcome.type === "home_recalled" ? (outcome.home?.seenAgoMs ?? null) : null;
  };

  describe("a process of an agent", () => {
    beforeEach(async () => {
      for (const node of ["a", "b", "c"]) await renew(node, { peerUrl: `http://${node}` });
    });

    test("has a link at each of several nodes, in whichever order they were claimed", async () => {
      expect(await link("t2", "b", 20)).toBe(true);
      expect(await link("t1", "a", 10)).toBe(true);
      expect(await link("t3", "c", 30)).toBe(true);
      expect(await found()).toEqual(["t3 at c", "t2 at b", "t1 at a"]);
      expect([await renew("a"), await renew("b"), await renew("c")]).toEqual([["t1"], ["t2"], ["t3"]]);
      expect(await link("t1", "a", 10)).toBe(true);
    });

    test("has one link at a node: the newest", async () => {
      await link("t1", "a", 10);
      await link("t2", "a", 20);
      expect(await link("t1", "a", 10)).toBe(false);
      expect(await found()).toEqual(["t2 at a"]);
      await leave("t1");
      expect(await found()).toEqual(["t2 at a"]);
    });

    test("loses all links to a newer one, at every node, and gets none back", async () => {
      await link("t1", "a", 10);
      await link("t2", "b", 20);
      expect(await link("t3", "c", 30, "two")).toBe(true);
      expect(await found()).toEqual(["t3 at c"]);
      expect([await renew("a"), await renew("b"), await renew("c")]).toEqual([[], [], ["t3"]]);
      expect([await link("t1", "a", 10), await link("t2", "b", 20)]).toEqual([false, false]);
      for (const tunnel of ["t1", "t2"]) await leave(tunnel);
      expect(await found()).toEqual(["t3 at c"]);
    });

    test("loses them to an agent that does not say which process it is, too, and takes them from one", async () => {
      await link("t1", "a", 10);
      await link("t2", "b", 20, null);
      expect(await found()).toEqual(["t2 at b"]);
      expect([await renew("a"), await renew("b")]).toEqual([[], ["t2"]]);
      expect(await link("t1", "a", 10)).toBe(false);
      await link("t3", "a", 30);
      expect(await found()).toEqual(["t3 at a"]);
      expect([await renew("a"), await renew("b")]).toEqual([["t3"], []]);
    });

    test("keeps the other links when one goes, the newest or not, and the home when the last one does not", async () => {
      for (const order of [
        ["t1", "t2", "t3"],
        ["t3", "t2", "t1"],
        ["t2", "t3", "t1"],
      ]) {
        await link("t1", "a", 10);
        await link("t2", "b", 20);
        await link("t3", "c", 30);
        for (const [index, tunnel] of order.entries()) {
          await leave(tunnel);
          expect(await found()).toHaveLength(2 - index);
          // Nobody with an older fence gets in as long as one is left.
          if (index < 2) expect(await link("t0", "a", 5, "zero")).toBe(false);
        }
      }
      expect(await link("t0", "a", 5, "zero")).toBe(true);
      expect(await seenAgoMs()).toBeLessThan(30_000);
    });

    test("keeps the links whose node lives, whatever becomes of the one that is newest", async () => {
      await link("t1", "a", 10);
      await link("t2", "b", 20, "one", 0);
      expect(await found()).toEqual(["t1 at a"]);
      await call({ type: "sweep", keptMs: 0 });
      expect(await found()).toEqual(["t1 at a"]);
      expect(await link("t0", "c", 5, "zero")).toBe(false);
      expect(await renew("a")).toEqual(["t1"]);
      await call({ type: "sweep", keptMs: 0 });
      await leave("t1");
      expect(await found()).toEqual([]);
      expect(await link("t0", "c", 5, "zero")).toBe(true);
    });

    test("keeps the other links when a node has left", async () => {
      await link("t1", "a", 10);
      await link("t2", "b", 20);
      await call({ type: "delete_node", node: "b" });
      expect(await found()).toEqual(["t1 at a"]);
    });

    test("gets a link that has lapsed back by its fence, and not by a renewal", async () => {
      await link("t1", "a", 10, "one", 0);
      await link("t2", "b", 20);
      expect(await renew("a")).toEqual([]);
      expect(await found()).toEqual(["t2 at b"]);
      expect(await link("t1", "a", 10)).toBe(true);
      expect(await found()).toEqual(["t2 at b", "t1 at a"]);
    });

    test("is told from others by every character of its name", async () => {
      const longest = "f".repeat(INSTANCE_LENGTH_MAX);
      expect(await link("t1", "a", 10, longest)).toBe(true);
      expect(await link("t2", "b", 20, `${longest.slice(1)}e`)).toBe(true);
      expect(await found()).toEqual(["t2 at b"]);
      const row = {
        clientId: "home",
        tunnel: "t3",
        node: "a",
        fence: 30,
        leaseMs: LEASE_MS,
        access: "token",
      };
      const tooLong = { type: "upsert_connection", ...row, instance: `${longest}f` } as const;
      expect(await call(tooLong)).toEqual({ type: "failed", fault: "refused" });
    });
  });

  test("slices of links and of other tunnels are one list", async () => {
    const row = { node: "a", fence: 1, leaseMs: LEASE_MS, access: "token" };
    for (const [index, clientId] of ["h1", "h2", "h3", "h4", "h5"].entries()) {
      const of = index % 2 === 0 ? { instance: "one" } : {};
      await call({ type: "upsert_connection", clientId, tunnel: `t${index + 1}`, ...row, ...of });
    }
    expect(await renew("a", { rowsMax: 3 })).toEqual(["t1", "t2", "t3"]);
    expect(await renew("a", { rowsMax: 3, after: "h3" })).toEqual(["t4", "t5"]);
    expect(await renew("a", { rowsMax: 6 })).toEqual(["t1", "t2", "t3", "t4", "t5"]);
  });
}
