/** The tokens of the fake registry: those that are there, and those that a replica which lags would still show. */
import type { HeldToken, RegistryOperation, RegistryOutcome, TokenKind } from "../../core/registry.ts";
import type { World } from "../world/world.ts";

type TokenEntry = HeldToken & {
  readonly expiresUs: number | null;
  /** When it was stored, by the world's clock. */
  readonly storedUs: number;
};

type InsertToken = Extract<RegistryOperation, { readonly type: "insert_token" }>;

export class TokenTable {
  readonly #entries = new Map<string, TokenEntry>();
  /** Tokens that were deleted, with the time: replicas show them for a while. */
  readonly #deleted = new Map<string, { readonly entry: TokenEntry; readonly atUs: number }>();
  readonly #world: World;
  /** The registry's own time. */
  readonly #nowUs: () => number;

  constructor(world: World, nowUs: () => number) {
    this.#world = world;
    this.#nowUs = nowUs;
  }

  /** Puts a token there before the run. */
  seed(token: HeldToken, lifetimeMs: number | null): void {
    this.#store(token, lifetimeMs, Number.NEGATIVE_INFINITY);
  }

  /** The unexpired token, as far as the reader can see. */
  read(kind: TokenKind, tokenHash: string, isStale: boolean): HeldToken | null {
    const entry = this.#seen(keyOf(kind, tokenHash), isStale);
    return entry === null || this.#isExpired(entry) ? null : entry;
  }

  check(tokens: readonly HeldToken[], isStale: boolean): RegistryOutcome {
    const gone: number[] = [];
    const expired: number[] = [];
    for (const [place, { kind, tokenHash, clientId }] of tokens.entries()) {
      const entry = this.#seen(keyOf(kind, tokenHash), isStale);
      if (entry?.clientId !== clientId) gone.push(place);
      else if (this.#isExpired(entry)) expired.push(place);
    }
    return { type: "tokens_checked", gone, expired };
  }

  insert(operation: InsertToken, losesWrite: boolean): RegistryOutcome {
    const { kind, tokenHash, clientId, lifetimeMs, by } = operation;
    const maker = by === undefined ? null : this.read("client_access", by, false);
    if (by !== undefined && maker?.clientId !== clientId) return { type: "token_inserted", allowed: false };
    if (!this.#entries.has(keyOf(kind, tokenHash)) && !losesWrite)
      this.#store({ kind, tokenHash, clientId }, lifetimeMs, this.#world.nowUs);
    return { type: "token_inserted", allowed: true };
  }

  /** Deletes those that the operation means, and tells whoever watches. */
  revoke(
    operation: Extract<RegistryOperation, { readonly type: "revoke_token" | "revoke_client" }>,
    losesWrite: boolean,
  ): RegistryOutcome {
    const meant = [...this.#entries.values()].filter((entry) => isMeant(operation, entry));
    for (const { kind, tokenHash, clientId } of losesWrite ? [] : meant) {
      this.#delete(keyOf(kind, tokenHash));
      this.#world.watch.tokenRevoked({ kind, tokenHash, clientId });
    }
    return { type: "tokens_revoked", tokens: meant.length };
  }

  /** Somebody puts a token there again that was revoked. */
  restore(token: HeldToken): void {
    this.#store(token, null, Number.NEGATIVE_INFINITY);
    this.#world.watch.tokenRestored(token);
  }

  sweep(keptMs: number): void {
    const endUs = this.#nowUs() - keptMs * 1000;
    for (const [key, { expiresUs }] of this.#entries) {
      if (expiresUs !== null && expiresUs <= endUs) this.#delete(key);
    }
  }

  #store(token: HeldToken, lifetimeMs: number | null, storedUs: number): void {
    const expiresUs = lifetimeMs === null ? null : this.#nowUs() + lifetimeMs * 1000;
    this.#entries.set(keyOf(token.kind, token.tokenHash), { ...token, expiresUs, storedUs });
  }

  #delete(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#deleted.set(key, { entry, atUs: this.#world.nowUs });
  }

  /** A replica that lags has no token of the last seconds, and still has those that were deleted since. */
  #seen(key: string, isStale: boolean): TokenEntry | null {
    const entry = this.#entries.get(key) ?? null;
    if (!isStale) return entry;
    const sinceUs = this.#world.nowUs - REPLICA_LAG_US;
    if (entry !== null) return entry.storedUs > sinceUs ? null : entry;
    const deleted = this.#deleted.get(key);
    return deleted === undefined || deleted.atUs <= sinceUs ? null : deleted.entry;
  }

  #isExpired({ expiresUs }: TokenEntry): boolean {
    return expiresUs !== null && expiresUs <= this.#nowUs();
  }
}

function isMeant(
  operation: Extract<RegistryOperation, { readonly type: "revoke_token" | "revoke_client" }>,
  { kind, tokenHash, clientId }: HeldToken,
): boolean {
  if (clientId !== operation.clientId) return false;
  if (operation.type === "revoke_client") return true;
  if (operation.kind === "client_access" && kind !== "client_access") return true;
  return kind === operation.kind && tokenHash === operation.tokenHash;
}

function keyOf(kind: TokenKind, tokenHash: string): string {
  return `${kind}:${tokenHash}`;
}

const REPLICA_LAG_US = 10_000_000;
