/** What a registry remembers of homes past their tunnels, as tests of every implementation. */
import { describe, expect, test } from "vitest";
import type { RegistryOperation, RegistryOutcome } from "../../core/registry.ts";
import { AWKWARD_NAMES } from "./token-contract.ts";

const LEASE_MS = 60_000;

export function homeContract(call: (operation: RegistryOperation) => Promise<RegistryOutcome>): void {
  const upsert = (clientId: string, tunnel: string, fence: number, access = "public", leaseMs = LEASE_MS) =>
    call({ type: "upsert_connection", clientId, tunnel, node: "node-a", fence, leaseMs, access });
  const recall = async (clientId = "home") => {
    const outcome = await call({ type: "recall_home", clientId });
    if (outcome.type !== "home_recalled") throw new Error(`recall_home answered ${JSON.stringify(outcome)}`);
    if (outcome.home === null) return null;
    expect(Number.isSafeInteger(outcome.home.seenAgoMs)).toBe(true);
    expect(outcome.home.seenAgoMs).toBeGreaterThanOrEqual(0);
    // The tests are quicker than that, whatever the session's time zone.
    expect(outcome.home.seenAgoMs).toBeLessThan(60_000);
    return outcome.home.access;
  };

  describe("homes", () => {
    test("are remembered past their tunnel, and past a lease that has lapsed", async () => {
      await upsert("home", "t1", 10);
      expect(await recall()).toBe("public");
      await call({ type: "delete_connection", clientId: "home", tunnel: "t1" });
      expect(await recall()).toBe("public");
      await upsert("other", "t2", 10, "token", 0);
      await call({ type: "sweep", keptMs: 0 });
      expect(await recall("other")).toBe("token");
    });

    test("are unknown where no tunnel ever was", async () => {
      await call({
        type: "insert_token",
        ...{ kind: "client_access", tokenHash: "a1", clientId: "home", lifetimeMs: null },
      } as const);
      expect(await recall()).toBeNull();
      await upsert("home", "t1", 10);
      expect(await recall("Home")).toBeNull();
      expect(await recall("home ")).toBeNull();
    });

    test("are remembered with the mode of their newest tunnel", async () => {
      await upsert("home", "t1", 10, "public");
      await upsert("home", "t2", 20, `basic me:${"0".repeat(64)}`);
      await upsert("home", "t1", 10, "public");
      expect(await recall()).toBe(`basic me:${"0".repeat(64)}`);
      await call({ type: "delete_connection", clientId: "home", tunnel: "t2" });
      await upsert("home", "t3", 15, "public");
      expect(await recall()).toBe(`basic me:${"0".repeat(64)}`);
      await upsert("home", "t4", 30, "token");
      expect(await recall()).toBe("token");
    });

    test("are forgotten with all tokens of their client id, and with no single one", async () => {
      await upsert("home", "t1", 10);
      await upsert("other", "t2", 10);
      await call({ type: "revoke_token", kind: "client_access", tokenHash: "a1", clientId: "home" });
      expect(await recall()).toBe("public");
      expect(await call({ type: "revoke_client", clientId: "home" })).toEqual({
        type: "tokens_revoked",
        tokens: 0,
      });
      expect(await recall()).toBeNull();
      expect(await recall("other")).toBe("public");
    });

    test("are kept apart by names that differ in one byte", async () => {
      for (const [index, name] of AWKWARD_NAMES.entries()) {
        await upsert(name, `t${index}`, 10, `basic user${index}:${"0".repeat(64)}`);
      }
      for (const [index, name] of AWKWARD_NAMES.entries()) {
        expect(await recall(name), JSON.stringify(name)).toBe(`basic user${index}:${"0".repeat(64)}`);
      }
    });
  });
}
