/** What the core relies on in a registry about credentials, as tests for every implementation of the port. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Registry } from "../../adapters/registry/registry.ts";
import { type RegisterAgain, VISITOR_TOKENS_MAX } from "../../core/registry/credentials.ts";
import type { RegistryOperation, RegistryOutcome } from "../../core/registry.ts";
import { callRegistry } from "./registry-contract.ts";
import { hash } from "./token-contract.ts";

const HOUR_MS = 3_600_000;

type Calls = Pick<Registry, "call" | "close">;

/** Declares the suite; `make` gives a registry of its own, empty, to each test. */
export function credentialContract(name: string, make: () => Promise<Calls> | Calls): void {
  describe(`credential contract: ${name}`, () => {
    let registry: Calls;
    beforeEach(async () => {
      registry = await make();
    });
    afterEach(async () => {
      await registry.close();
    });

    async function call<Type extends RegistryOutcome["type"]>(
      type: Type,
      operation: RegistryOperation,
    ): Promise<Extract<RegistryOutcome, { readonly type: Type }>> {
      const outcome = await callRegistry(registry, operation);
      if (outcome.type !== type) throw new Error(`${operation.type} answered ${JSON.stringify(outcome)}`);
      return outcome as Extract<RegistryOutcome, { readonly type: Type }>;
    }
    const insert = (
      kind: "client_access" | "signature",
      token: string,
      lifetimeMs: number | null = null,
      clientId = "home",
    ) => call("token_inserted", { type: "insert_token", kind, tokenHash: hash(token), clientId, lifetimeMs });
    const agent = async (token: string, clientId = "home") =>
      (await call("token_checked", { type: "check_agent", tokenHash: hash(token), clientId })).valid;
    const visitorKind = async (token: string, clientId = "home") =>
      (await call("visitor_checked", { type: "check_visitor", tokenHash: hash(token), clientId })).kind;
    const visitor = async (token: string, clientId = "home") => (await visitorKind(token, clientId)) !== null;
    const use = async (use: "media" | "tunnel", token: string, clientId = "home") =>
      call("signature_used", { type: "use_signature", use, tokenHash: hash(token), clientId });
    const register = async (
      token: string,
      shown: string | null,
      again: RegisterAgain = "moosicbox",
      clientId = "home",
    ) => {
      const shownHash = shown === null ? null : hash(shown);
      const operation = {
        type: "register_client",
        clientId,
        tokenHash: hash(token),
        shownHash,
        again,
      } as const;
      return (await call("client_registered", operation)).result;
    };
    const invite = (token: string, lifetimeMs = HOUR_MS) =>
      call("invite_inserted", {
        type: "insert_invite",
        tokenHash: hash(token),
        clientId: "home",
        lifetimeMs,
      });
    const mintBy = async (
      by: string,
      token: string,
      name: string,
      { lifetimeMs = null, clientId = "home" }: { lifetimeMs?: number | null; clientId?: string } = {},
    ) => {
      const tokenHash = hash(token);
      const operation = { type: "insert_visitor_token", tokenHash, clientId, name, lifetimeMs } as const;
      return (await call("visitor_token_inserted", { ...operation, by: hash(by) })).result;
    };
    /** By a client token that is there. */
    const mint = async (token: string, name: string, lifetimeMs: number | null = null, clientId = "home") => {
      await insert("client_access", `maker of ${clientId}`, null, clientId);
      return mintBy(`maker of ${clientId}`, token, name, { lifetimeMs, clientId });
    };
    const list = async (clientId = "home") =>
      (await call("visitor_tokens_listed", { type: "list_visitor_tokens", clientId })).tokens;
    const revoke = async (name: string, clientId = "home") =>
      (await call("visitor_token_revoked", { type: "revoke_visitor_token", clientId, name })).found;

    describe("an agent", () => {
      test("comes with an unexpired client token of its client id, and with no other token", async () => {
        await insert("client_access", "c");
        await insert("client_access", "dead", 0);
        await insert("signature", "s");
        await mint("v", "phone");
        await invite("i");
        expect(await agent("c")).toBe(true);
        expect(await agent("c")).toBe(true);
        expect(await agent("c", "other")).toBe(false);
        for (const token of ["dead", "s", "v", "i", "none"]) expect(await agent(token)).toBe(false);
      });

      test("gets a higher fence than every check before it", async () => {
        await insert("client_access", "c");
        await insert("signature", "s");
        let last = 0;
        for (let round = 0; round < 50; round++) {
          const { fence } =
            round % 2 === 0
              ? await call("token_checked", { type: "check_agent", tokenHash: hash("c"), clientId: "home" })
              : await use("tunnel", "s");
          expect(fence).toBeGreaterThan(last);
          last = fence;
        }
      });
    });

    describe("a signature", () => {
      test("is of the use that it is put to first, for good", async () => {
        await insert("signature", "m", HOUR_MS);
        await insert("signature", "t", HOUR_MS);
        expect(await use("media", "m")).toMatchObject({ valid: true, hasCulvertAgent: false });
        expect((await use("tunnel", "m")).valid).toBe(false);
        expect((await use("media", "m")).valid).toBe(true);
        expect((await use("tunnel", "t")).valid).toBe(true);
        expect((await use("media", "t")).valid).toBe(false);
        expect((await use("tunnel", "t")).valid).toBe(true);
      });

      test("is of no use to another client id, nor when it has expired, nor where it is another token", async () => {
        await insert("signature", "s", HOUR_MS);
        await insert("signature", "dead", 0);
        await insert("client_access", "c");
        expect((await use("media", "s", "other")).valid).toBe(false);
        for (const token of ["dead", "c", "none"]) expect((await use("tunnel", token)).valid).toBe(false);
        expect((await use("tunnel", "s")).valid).toBe(true);
      });

      test("knows whether an agent of Culvert's own has come, and is not decided by a tunnel there", async () => {
        await insert("client_access", "c");
        await insert("signature", "s", HOUR_MS);
        await agent("wrong");
        await visitor("c");
        expect((await use("media", "none")).hasCulvertAgent).toBe(false);
        await agent("c");
        expect((await use("tunnel", "s")).hasCulvertAgent).toBe(true);
        expect(await use("media", "s")).toMatchObject({ valid: true, hasCulvertAgent: true });
        expect((await use("tunnel", "none", "other")).hasCulvertAgent).toBe(false);
      });
    });

    describe("a visitor token", () => {
      test("opens its home to visitors, as a client token does and nothing else", async () => {
        await insert("client_access", "c");
        await insert("signature", "s");
        await invite("i");
        expect(await mint("v", "phone")).toBe("inserted");
        expect(await mint("dead", "old", 0)).toBe("inserted");
        expect(await visitorKind("v")).toBe("visitor");
        expect(await visitorKind("c")).toBe("client_access");
        expect(await visitorKind("v", "other")).toBe(null);
        for (const token of ["dead", "s", "i", "none"]) expect(await visitorKind(token)).toBe(null);
      });

      test("is made once under a name, and again under the same one with the same hash", async () => {
        expect(await mint("v", "phone")).toBe("inserted");
        expect(await mint("v", "phone")).toBe("inserted");
        expect(await mint("w", "phone")).toBe("name_taken");
        expect(await mint("x", "PHONE")).toBe("inserted");
        expect(await mint("y", "phone", null, "other")).toBe("inserted");
        expect(await visitor("w")).toBe(false);
      });

      test("frees its name when it has expired", async () => {
        await mint("v", "phone", 0);
        expect(await mint("w", "phone")).toBe("inserted");
      });

      test("is listed with its times and revoked by its name, in its home", async () => {
        await mint("v", "phone", HOUR_MS);
        await mint("w", "laptop");
        await mint("dead", "old", 0);
        await mint("x", "phone", null, "other");
        const [laptop, phone, ...more] = await list();
        expect(more).toEqual([]);
        expect(laptop).toMatchObject({ name: "laptop", expiresMs: null });
        expect(phone?.name).toBe("phone");
        expect((phone?.expiresMs ?? 0) - (phone?.createdMs ?? 0)).toBeGreaterThanOrEqual(HOUR_MS - 1_000);
        expect(await revoke("phone")).toBe(true);
        expect(await revoke("phone")).toBe(false);
        expect(await visitor("v")).toBe(false);
        expect(await visitor("x", "other")).toBe(true);
      });

      test("is made by a good client token of its home, and by nothing else", async () => {
        await insert("client_access", "c");
        await insert("client_access", "dead", 0);
        await insert("signature", "s");
        expect(await mintBy("c", "v", "phone")).toBe("inserted");
        for (const by of ["dead", "s", "v", "none"])
          expect(await mintBy(by, `by ${by}`, `by ${by}`)).toBe("unauthorized");
        expect(await mintBy("c", "w", "phone", { clientId: "other" })).toBe("unauthorized");
        await call("tokens_revoked", {
          type: "revoke_token",
          kind: "client_access",
          tokenHash: hash("c"),
          clientId: "home",
        });
        expect(await mintBy("c", "v", "phone")).toBe("unauthorized");
        expect(await list()).toEqual([]);
      });

      test("in use is told of when it is gone or expired", async () => {
        await mint("good", "good", HOUR_MS);
        await mint("gone", "gone");
        await mint("dead", "dead", 0);
        await revoke("gone");
        const held = (token: string, clientId = "home") =>
          ({ kind: "visitor", tokenHash: hash(token), clientId }) as const;
        const tokens = [held("gone"), held("dead"), held("good"), held("good", "other")];
        expect(await call("tokens_checked", { type: "check_tokens", tokens })).toEqual({
          type: "tokens_checked",
          gone: [0, 3],
          expired: [1],
        });
      });

      test("is revoked by its hash, with the client tokens of its home, and with all of its home", async () => {
        const gone = async (operation: RegistryOperation) => (await call("tokens_revoked", operation)).tokens;
        const home = { tokenHash: hash("v"), clientId: "home" } as const;
        await mint("v", "phone");
        await mint("x", "phone", null, "other");
        await invite("i");
        expect(await gone({ type: "revoke_token", kind: "visitor", ...home, clientId: "other" })).toBe(0);
        expect(await visitor("v")).toBe(true);
        expect(await gone({ type: "revoke_token", kind: "visitor", ...home })).toBe(1);
        expect(await visitor("v")).toBe(false);
        await mint("v", "phone");
        await insert("client_access", "c");
        const client = { ...home, tokenHash: hash("c") };
        expect(await gone({ type: "revoke_token", kind: "client_access", ...client })).toBe(2);
        expect(await visitor("v")).toBe(false);
        await mint("v", "phone");
        // The maker's, its visitor's, and the invite.
        expect(await gone({ type: "revoke_client", clientId: "home" })).toBe(3);
        expect(await visitor("v")).toBe(false);
        expect(await register("t", "i")).toBe("unauthorized");
        expect(await visitor("x", "other")).toBe(true);
      });

      test("is one of so many at most", async () => {
        for (let index = 0; index < VISITOR_TOKENS_MAX; index++) await mint(`t${index}`, `n${index}`);
        expect(await mint("more", "more")).toBe("too_many");
        expect(await mint("t0", "n0")).toBe("inserted");
        await revoke("n0");
        expect(await mint("more", "more")).toBe("inserted");
      });
    });

    describe("registering", () => {
      test("with the operator's token makes a client token of a client id that is free, under any setting", async () => {
        for (const again of ["never", "moosicbox", "always"] as const) {
          expect(await register(`t ${again}`, null, again, again)).toBe("registered");
          // As after a lost answer.
          expect(await register(`t ${again}`, null, again, again)).toBe("registered");
          expect(await agent(`t ${again}`, again)).toBe(true);
        }
      });

      test("a client id again with the operator's token is up to the setting", async () => {
        await insert("client_access", "c");
        expect(await register("t1", null, "never")).toBe("known");
        expect(await register("t2", null, "moosicbox")).toBe("registered");
        expect(await register("t3", null, "always")).toBe("registered");
        await agent("c");
        expect(await register("t4", null, "never")).toBe("known");
        expect(await register("t5", null, "moosicbox")).toBe("known");
        expect(await register("t6", null, "always")).toBe("registered");
        for (const token of ["t1", "t4", "t5"]) expect(await visitor(token)).toBe(false);
        for (const token of ["t2", "t3", "t6"]) expect(await visitor(token)).toBe(true);
      });

      test("takes a client token of the same client id, and nothing that is neither that nor an invite", async () => {
        await insert("client_access", "c");
        await insert("client_access", "dead", 0);
        await insert("signature", "s");
        await mint("v", "phone");
        await agent("c");
        expect(await register("t", "c", "never")).toBe("registered");
        expect(await register("t", "c", "never", "other")).toBe("unauthorized");
        for (const shown of ["dead", "s", "v", "none"])
          expect(await register(`by ${shown}`, shown, "always")).toBe("unauthorized");
      });

      test("takes an invite once, for its client id, within its time", async () => {
        await invite("i");
        await invite("dead", 0);
        expect(await register("t", "dead")).toBe("unauthorized");
        expect(await register("t", "i", "moosicbox", "other")).toBe("unauthorized");
        expect(await register("t", "i")).toBe("registered");
        expect(await register("t", "i")).toBe("registered");
        expect(await register("u", "i")).toBe("unauthorized");
        expect(await agent("t")).toBe(true);
        expect(await agent("u")).toBe(false);
      });

      test("by one invite many times at the same instant makes one token", async () => {
        await invite("i");
        const tokens = Array.from({ length: 8 }, (_, index) => `t${index}`);
        const results = await Promise.all(tokens.map((token) => register(token, "i")));
        expect(results.filter((result) => result === "registered")).toHaveLength(1);
        const good = await Promise.all(tokens.map((token) => visitor(token)));
        expect(good).toEqual(results.map((result) => result === "registered"));
      });

      test("a free client id many times at the same instant makes one token, where it is never done again", async () => {
        const tokens = Array.from({ length: 8 }, (_, index) => `t${index}`);
        const results = await Promise.all(tokens.map((token) => register(token, null, "never")));
        expect(results.filter((result) => result === "registered")).toHaveLength(1);
        const good = await Promise.all(tokens.map((token) => visitor(token)));
        expect(good).toEqual(results.map((result) => result === "registered"));
      });
    });

    test("a sweep takes what has expired and leaves the rest", async () => {
      await mint("v", "phone", HOUR_MS);
      await mint("dead", "old", 0);
      await invite("i");
      await invite("dead", 0);
      const places = async () => {
        const tokens = [{ kind: "visitor", tokenHash: hash("dead"), clientId: "home" }] as const;
        return call("tokens_checked", { type: "check_tokens", tokens });
      };
      // Those that have expired are kept for a while.
      expect(await callRegistry(registry, { type: "sweep", keptMs: HOUR_MS })).toEqual({ type: "swept" });
      expect(await places()).toMatchObject({ gone: [], expired: [0] });
      expect(await callRegistry(registry, { type: "sweep", keptMs: 0 })).toEqual({ type: "swept" });
      expect(await places()).toMatchObject({ gone: [0], expired: [] });
      expect(await visitor("v")).toBe(true);
      expect(await register("t", "i")).toBe("registered");
    });

    test.each([
      ["a client id", { clientId: "x".repeat(65), name: "phone" }],
      ["a name", { clientId: "home", name: "x".repeat(65) }],
    ])("refuses %s that its column would cut", async (_what, names) => {
      const tokenHash = hash("v");
      const operation = {
        type: "insert_visitor_token",
        tokenHash,
        lifetimeMs: null,
        by: hash("c"),
      } as const;
      expect(await callRegistry(registry, { ...operation, ...names })).toEqual({
        type: "failed",
        fault: "refused",
      });
    });
  });
}
