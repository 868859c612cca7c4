/** What the core relies on in a registry where tokens in use are checked again and where they are revoked, as tests. */
import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { HeldToken, RegistryOperation, RegistryOutcome, TokenKind } from "../../core/registry.ts";

/** Names that a careless database would take for one another, break on, or shorten. */
export const AWKWARD_NAMES = [
  "home",
  "HOME",
  "home ",
  " home",
  "home\t",
  "hom\u00e9",
  "home\u0301",
  "hom\u{1f3e0}",
  "'; DROP TABLE connections; --",
  'ho"me',
  "ho`me",
  "ho\\me",
  "ho\\'me",
  "%",
  "h_me",
  "\u5bb6",
  "\u00df",
  "ss",
  "0",
  "00",
  "1e3",
  "1000",
  "null",
  "x".repeat(64),
  "\u{1f3e0}".repeat(64),
];

/** Part of a suite that gives each test an empty registry. */
export function tokenContract(call: (operation: RegistryOperation) => Promise<RegistryOutcome>): void {
  const insert = (
    kind: Exclude<TokenKind, "visitor">,
    token: string,
    clientId: string,
    lifetimeMs: number | null,
  ) => call({ type: "insert_token", kind, tokenHash: hash(token), clientId, lifetimeMs });
  const findMagic = (token: string) => call({ type: "find_magic_token", tokenHash: hash(token) });
  const isThere = async (kind: "client_access" | "signature", token: string, clientId = "home") => {
    const outcome = await call({ type: "check_token", kind, tokenHash: hash(token), clientId });
    return outcome.type === "token_checked" && outcome.valid;
  };

  describe("tokens in use", () => {
    const held = (kind: TokenKind, token: string, clientId = "home"): HeldToken => ({
      kind,
      tokenHash: hash(token),
      clientId,
    });
    const checkAll = (tokens: readonly HeldToken[]) => call({ type: "check_tokens", tokens });

    test("are told by their places when they are gone or expired, and not told when they are good", async () => {
      for (const kind of ["client_access", "signature", "magic"] as const) {
        await insert(kind, `good ${kind}`, "home", null);
        await insert(kind, `lasting ${kind}`, "home", 3_600_000);
        await insert(kind, `dead ${kind}`, "home", 0);
      }
      const tokens = (["client_access", "signature", "magic"] as const).flatMap((kind) => [
        held(kind, `good ${kind}`),
        held(kind, `lasting ${kind}`),
        held(kind, `dead ${kind}`),
        held(kind, `none ${kind}`),
        // Another client id's, and another kind's.
        held(kind, `good ${kind}`, "other"),
        held(kind === "magic" ? "signature" : "magic", `good ${kind}`),
      ]);
      expect(await checkAll(tokens)).toEqual({
        type: "tokens_checked",
        gone: [3, 4, 5, 9, 10, 11, 15, 16, 17],
        expired: [2, 8, 14],
      });
    });

    test("may be none, one twice, and thousands at once", async () => {
      expect(await checkAll([])).toEqual({ type: "tokens_checked", gone: [], expired: [] });
      await insert("signature", "good", "home", null);
      const twice = [held("signature", "good"), held("signature", "none"), held("signature", "none")];
      expect(await checkAll(twice)).toEqual({ type: "tokens_checked", gone: [1, 2], expired: [] });
      const many = Array.from({ length: 20_000 }, (_, index) => held("signature", `none ${index}`));
      many[7_777] = held("signature", "good");
      const outcome = await checkAll(many);
      if (outcome.type !== "tokens_checked") throw new Error(`it answered ${JSON.stringify(outcome)}`);
      expect(outcome.gone).toHaveLength(19_999);
      expect(outcome.gone).not.toContain(7_777);
    });

    test("are those of their very client id (D11)", async () => {
      for (const clientId of AWKWARD_NAMES) await insert("signature", `of ${clientId}`, clientId, null);
      const tokens = AWKWARD_NAMES.flatMap((owner) =>
        AWKWARD_NAMES.map((asker) => held("signature", `of ${owner}`, asker)),
      );
      const gone = tokens.flatMap(({ tokenHash, clientId }, place) =>
        tokenHash === hash(`of ${clientId}`) ? [] : [place],
      );
      expect(await checkAll(tokens)).toEqual({ type: "tokens_checked", gone, expired: [] });
    });
  });

  describe("revoking", () => {
    const revoke = (kind: TokenKind, token: string, clientId = "home") =>
      call({ type: "revoke_token", kind, tokenHash: hash(token), clientId });

    test("deletes a signature and nothing else", async () => {
      for (const token of ["s1", "s2"]) await insert("signature", token, "home", null);
      await insert("client_access", "c", "home", null);
      expect(await revoke("signature", "s1")).toEqual({ type: "tokens_revoked", tokens: 1 });
      expect(await isThere("signature", "s1")).toBe(false);
      expect(await isThere("signature", "s2")).toBe(true);
      expect(await isThere("client_access", "c")).toBe(true);
      expect(await revoke("signature", "s1")).toEqual({ type: "tokens_revoked", tokens: 0 });
    });

    test("deletes with a client token all that may have been made with it", async () => {
      for (const token of ["c1", "c2"]) await insert("client_access", token, "home", null);
      await insert("signature", "s", "home", null);
      await insert("magic", "m", "home", null);
      await insert("signature", "other's", "other", null);
      expect(await revoke("client_access", "c1")).toEqual({ type: "tokens_revoked", tokens: 3 });
      expect(await isThere("client_access", "c1")).toBe(false);
      expect(await isThere("client_access", "c2")).toBe(true);
      expect(await isThere("signature", "s")).toBe(false);
      expect(await findMagic("m")).toEqual({ type: "magic_token_found", clientId: null });
      expect(await isThere("signature", "other's", "other")).toBe(true);
    });

    test("leaves a token of another client id alone", async () => {
      await insert("client_access", "c", "home", null);
      await insert("magic", "m", "home", null);
      await revoke("client_access", "c", "other");
      await revoke("magic", "m", "other");
      expect(await isThere("client_access", "c")).toBe(true);
      expect(await findMagic("m")).toEqual({ type: "magic_token_found", clientId: "home" });
      expect(await revoke("magic", "m")).toEqual({ type: "tokens_revoked", tokens: 1 });
      expect(await findMagic("m")).toEqual({ type: "magic_token_found", clientId: null });
    });

    test("deletes all tokens of a client id, expired ones too, and no other's", async () => {
      for (const kind of ["client_access", "signature", "magic"] as const) {
        await insert(kind, `of home ${kind}`, "home", null);
        await insert(kind, `expired ${kind}`, "home", 0);
        await insert(kind, `of other ${kind}`, "HOME", null);
      }
      expect(await call({ type: "revoke_client", clientId: "home" })).toEqual({
        type: "tokens_revoked",
        tokens: 6,
      });
      expect(await isThere("client_access", "of home client_access")).toBe(false);
      expect(await isThere("signature", "of home signature")).toBe(false);
      expect(await isThere("client_access", "of other client_access", "HOME")).toBe(true);
      expect(await isThere("signature", "of other signature", "HOME")).toBe(true);
      expect(await findMagic("of other magic")).toEqual({ type: "magic_token_found", clientId: "HOME" });
    });

    test("lets a token make nothing more", async () => {
      const make = (kind: "signature" | "magic", token: string, by: string, clientId = "home") =>
        call({
          type: "insert_token",
          kind,
          tokenHash: hash(token),
          clientId,
          lifetimeMs: 60_000,
          by: hash(by),
        });
      await insert("client_access", "c", "home", null);
      await insert("client_access", "dead", "home", 0);
      const allowed = { type: "token_inserted", allowed: true };
      const refused = { type: "token_inserted", allowed: false };
      expect(await make("signature", "s", "c")).toEqual(allowed);
      // The answer was lost, and it is asked again.
      expect(await make("signature", "s", "c")).toEqual(allowed);
      expect(await make("magic", "m", "c")).toEqual(allowed);
      expect(await isThere("signature", "s")).toBe(true);
      expect(await findMagic("m")).toEqual({ type: "magic_token_found", clientId: "home" });
      expect(await make("signature", "by dead", "dead")).toEqual(refused);
      expect(await make("signature", "by none", "none")).toEqual(refused);
      expect(await make("signature", "by other's", "c", "other")).toEqual(refused);
      await revoke("client_access", "c");
      expect(await make("signature", "s", "c")).toEqual(refused);
      for (const token of ["s", "by dead", "by none"]) expect(await isThere("signature", token)).toBe(false);
      expect(await isThere("signature", "by other's", "other")).toBe(false);
    });
  });
}

export function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
