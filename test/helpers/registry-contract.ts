/**
 * What the core relies on in a registry, as tests. They run on every implementation of the port, and they never wait: a
 * lifetime of 0 has passed already.
 */
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Registry } from "../../adapters/registry/registry.ts";
import {
  ACCESS_LENGTH_MAX,
  type ConnectionRow,
  type RegistryOperation,
  type RegistryOutcome,
} from "../../core/registry.ts";
import { homeContract } from "./home-contract.ts";
import { linkContract } from "./link-contract.ts";
import { nodeContract, renewalOf } from "./node-contract.ts";
import { AWKWARD_NAMES, hash, tokenContract } from "./token-contract.ts";

const LEASE_MS = 60_000;

/** What the core needs of a registry. */
type Calls = Pick<Registry, "call" | "close">;

/** Declares the suite; `make` gives a registry of its own, empty, to each test. */
export function registryContract(name: string, make: () => Promise<Calls> | Calls): void {
  describe(`registry contract: ${name}`, () => {
    let registry: Calls;
    beforeEach(async () => {
      registry = await make();
    });
    afterEach(async () => {
      await registry.close();
    });

    const call = (operation: RegistryOperation) => callRegistry(registry, operation);
    const upsert = (clientId: string, tunnel: string, fence: number, node = "node-a", leaseMs = LEASE_MS) =>
      call({ type: "upsert_connection", clientId, tunnel, node, fence, leaseMs, access: "token" });
    const insert = (
      kind: "client_access" | "signature" | "magic",
      token: string,
      clientId: string,
      lifetimeMs: number | null,
    ) => call({ type: "insert_token", kind, tokenHash: hash(token), clientId, lifetimeMs });
    const check = async (kind: "client_access" | "signature", token: string, clientId: string) => {
      const outcome = await call({ type: "check_token", kind, tokenHash: hash(token), clientId });
      if (outcome.type !== "token_checked")
        throw new Error(`check_token answered ${JSON.stringify(outcome)}`);
      return outcome;
    };
    const findMagic = (token: string) => call({ type: "find_magic_token", tokenHash: hash(token) });
    const rowsOf = async (node = "node-a"): Promise<readonly ConnectionRow[]> => {
      const outcome = await call(renewalOf(node));
      if (outcome.type !== "leases_renewed")
        throw new Error(`renew_leases answered ${JSON.stringify(outcome)}`);
      return outcome.rows.toSorted((a, b) => (a.clientId < b.clientId ? -1 : 1));
    };

    describe("tokens", () => {
      test.each(["client_access", "signature"] as const)(
        "accepts a stored %s token for its own client id only",
        async (kind) => {
          expect(await insert(kind, "t", "home", 3_600_000)).toEqual({
            type: "token_inserted",
            allowed: true,
          });
          expect((await check(kind, "t", "home")).valid).toBe(true);
          expect((await check(kind, "t", "other")).valid).toBe(false);
          expect((await check(kind, "u", "home")).valid).toBe(false);
        },
      );

      test("keeps the kinds of token apart", async () => {
        await insert("signature", "s", "home", null);
        await insert("client_access", "c", "home", null);
        await insert("magic", "m", "home", null);
        expect((await check("client_access", "s", "home")).valid).toBe(false);
        expect((await check("signature", "c", "home")).valid).toBe(false);
        expect((await check("signature", "m", "home")).valid).toBe(false);
        expect(await findMagic("s")).toEqual({ type: "magic_token_found", clientId: null });
      });

      test("refuses a token whose lifetime is over", async () => {
        await insert("signature", "dead", "home", 0);
        await insert("magic", "dead", "home", 0);
        expect((await check("signature", "dead", "home")).valid).toBe(false);
        expect(await findMagic("dead")).toEqual({ type: "magic_token_found", clientId: null });
      });

      test("finds whose magic token it is", async () => {
        await insert("magic", "m", "home", null);
        expect(await findMagic("m")).toEqual({ type: "magic_token_found", clientId: "home" });
      });

      test("leaves a token that is there already as it is", async () => {
        await insert("client_access", "t", "home", null);
        expect(await insert("client_access", "t", "thief", 0)).toEqual({
          type: "token_inserted",
          allowed: true,
        });
        expect((await check("client_access", "t", "home")).valid).toBe(true);
        expect((await check("client_access", "t", "thief")).valid).toBe(false);
      });
    });

    tokenContract(call);

    describe("fences", () => {
      test("gives each check a higher fence than the one before, valid or not", async () => {
        await insert("signature", "t", "home", null);
        let last = 0;
        for (let round = 0; round < 200; round++) {
          const { fence } = await check("signature", round % 2 === 0 ? "t" : "wrong", "home");
          expect(fence).toBeGreaterThan(last);
          expect(Number.isSafeInteger(fence)).toBe(true);
          last = fence;
        }
      });
    });

    describe("connections", () => {
      test("lets the higher fence own the row, whichever comes first", async () => {
        expect(await upsert("home", "t1", 10)).toEqual({ type: "connection_upserted", current: true });
        expect(await upsert("home", "t2", 20)).toEqual({ type: "connection_upserted", current: true });
        expect(await upsert("home", "t1", 10)).toEqual({ type: "connection_upserted", current: false });
        expect(await rowsOf()).toEqual([{ clientId: "home", tunnel: "t2" }]);
      });

      test("answers a repeated upsert as it answered the first", async () => {
        await upsert("home", "t1", 10);
        expect(await upsert("home", "t1", 10)).toEqual({ type: "connection_upserted", current: true });
        expect(await rowsOf()).toEqual([{ clientId: "home", tunnel: "t1" }]);
      });

      test("lets the later write win between equal fences", async () => {
        await upsert("home", "t1", 10);
        expect(await upsert("home", "t2", 10)).toEqual({ type: "connection_upserted", current: true });
        expect(await rowsOf()).toEqual([{ clientId: "home", tunnel: "t2" }]);
      });

      test("moves a row to the node of its newest tunnel", async () => {
        await upsert("home", "t1", 10, "node-a");
        await upsert("home", "t2", 20, "node-b");
        expect(await rowsOf("node-a")).toEqual([]);
        expect(await rowsOf("node-b")).toEqual([{ clientId: "home", tunnel: "t2" }]);
      });

      test("deletes a row by its tunnel, never by its client id alone", async () => {
        await upsert("home", "t2", 20);
        expect(await call({ type: "delete_connection", clientId: "home", tunnel: "t1" })).toEqual({
          type: "connection_deleted",
        });
        expect(await rowsOf()).toEqual([{ clientId: "home", tunnel: "t2" }]);
        await call({ type: "delete_connection", clientId: "home", tunnel: "t2" });
        expect(await rowsOf()).toEqual([]);
      });

      test("sweeps lapsed leases and expired tokens and nothing else", async () => {
        await upsert("lapsed", "t1", 10, "node-a", 0);
        await upsert("alive", "t2", 10, "node-a");
        await insert("signature", "dead", "home", 0);
        await insert("signature", "alive", "home", 3_600_000);
        await insert("client_access", "forever", "home", null);
        expect(await call({ type: "sweep", keptMs: 0 })).toEqual({ type: "swept" });
        expect(await rowsOf()).toEqual([{ clientId: "alive", tunnel: "t2" }]);
        expect((await check("signature", "alive", "home")).valid).toBe(true);
        expect((await check("client_access", "forever", "home")).valid).toBe(true);
        // The swept token is really gone: the same one can be stored again, for somebody else.
        await insert("signature", "dead", "other", 3_600_000);
        expect((await check("signature", "dead", "other")).valid).toBe(true);
      });

      test("sweeps no expired token that is to be kept for a while", async () => {
        await insert("signature", "dead", "home", 0);
        await call({ type: "sweep", keptMs: 3_600_000 });
        const tokens = [{ kind: "signature", tokenHash: hash("dead"), clientId: "home" }] as const;
        expect(await call({ type: "check_tokens", tokens })).toEqual({
          type: "tokens_checked",
          gone: [],
          expired: [0],
        });
        await call({ type: "sweep", keptMs: 0 });
        expect(await call({ type: "check_tokens", tokens })).toMatchObject({ gone: [0], expired: [] });
      });

      test("takes any text of who may visit that fits, and refuses a longer one", async () => {
        const claim = (access: string) => {
          const row = { clientId: "home", tunnel: "t1", node: "node-a", fence: 10, leaseMs: LEASE_MS };
          return call({ type: "upsert_connection", ...row, access });
        };
        const current = { type: "connection_upserted", current: true };
        expect(await claim("public")).toEqual(current);
        expect(await claim(`basic it's "me"\\%_:${"0".repeat(64)}`)).toEqual(current);
        expect(await claim("x".repeat(ACCESS_LENGTH_MAX))).toEqual(current);
        expect(await claim("x".repeat(ACCESS_LENGTH_MAX + 1))).toEqual({ type: "failed", fault: "refused" });
        expect(await rowsOf()).toEqual([{ clientId: "home", tunnel: "t1" }]);
      });
    });

    homeContract(call);
    nodeContract(call);
    linkContract(call);

    describe("identity (D11)", () => {
      test("keeps names apart that differ in one byte, and gives them back unchanged", async () => {
        for (const [index, clientId] of AWKWARD_NAMES.entries()) {
          expect(await upsert(clientId, `t${index}`, 10)).toEqual({
            type: "connection_upserted",
            current: true,
          });
          await insert("client_access", `token of ${clientId}`, clientId, null);
        }
        const expected = AWKWARD_NAMES.map((clientId, index) => ({ clientId, tunnel: `t${index}` }));
        expect(await rowsOf()).toEqual(expected.toSorted((a, b) => (a.clientId < b.clientId ? -1 : 1)));
        for (const owner of AWKWARD_NAMES) {
          for (const asker of AWKWARD_NAMES) {
            const { valid } = await check("client_access", `token of ${owner}`, asker);
            expect(valid, `${asker} with the token of ${owner}`).toBe(owner === asker);
          }
        }
      });

      test("keeps any two different names apart", async () => {
        const nameOf = fc.string({ unit: "binary", minLength: 1, maxLength: 32 });
        let token = 0;
        await fc.assert(
          fc.asyncProperty(nameOf, nameOf, async (owner, asker) => {
            const text = `random ${token++}`;
            await insert("client_access", text, owner, null);
            expect((await check("client_access", text, owner)).valid).toBe(true);
            expect((await check("client_access", text, asker)).valid).toBe(owner === asker);
          }),
          { numRuns: 100 },
        );
      });

      test("refuses what would not be stored unchanged", async () => {
        const refused = { type: "failed", fault: "refused" };
        expect(await upsert("x".repeat(65), "t1", 10)).toEqual(refused);
        expect(await upsert("\u{1f3e0}".repeat(65), "t1", 10)).toEqual(refused);
        expect(await upsert("home", "t".repeat(65), 10)).toEqual(refused);
        expect(await upsert("home", "t1", 10, "n".repeat(65))).toEqual(refused);
        expect(await upsert("half \ud83c", "t1", 10)).toEqual(refused);
        expect(await insert("magic", "t", "x".repeat(10_000_000), null)).toEqual(refused);
        expect(await rowsOf()).toEqual([]);
      });
    });
  });
}

/** One call to the registry as a promise. */
export function callRegistry(registry: Calls, operation: RegistryOperation): Promise<RegistryOutcome> {
  return new Promise((resolve) => registry.call(operation, resolve));
}
