/** The fake registry's tables of credentials, with the rules of `core/registry/credentials.ts`. */
import {
  type CredentialOperation,
  type Registration,
  VISITOR_TOKENS_MAX,
} from "../../core/registry/credentials.ts";
import type {
  TokenKind as HeldKind,
  HeldToken,
  RegistryOperation,
  RegistryOutcome,
} from "../../core/registry.ts";

export type TokenKind = HeldKind | "invite";

export type TokenOperation =
  | CredentialOperation
  | Extract<
      RegistryOperation,
      {
        readonly type:
          | "check_token"
          | "check_tokens"
          | "find_magic_token"
          | "insert_token"
          | "revoke_token"
          | "revoke_client";
      }
    >;

type Of<Type extends TokenOperation["type"]> = Extract<TokenOperation, { readonly type: Type }>;

type TokenEntry = {
  readonly kind: TokenKind;
  readonly tokenHash: string;
  readonly clientId: string;
  readonly expiresUs: number | null;
  /** When it was stored, by the world's clock. */
  readonly storedUs: number;
  /** The same by the registry's own. */
  readonly createdUs: number;
  /** Of a visitor token. */
  readonly name: string;
  /** What a signature is used for, or which token an invite was used up for; null while it is new. */
  used: string | null;
};

/** What a fault makes of one call. */
export type TokenInterference = { readonly losesWrite?: boolean; readonly readsStale?: boolean };

export type TokenClocks = {
  /** The registry's own time. */
  readonly nowUs: () => number;
  /** The world's. */
  readonly worldUs: () => number;
};

/** Who is told of what happens to tokens. */
export type TokenWatch = {
  readonly tokenRevoked: (token: HeldToken) => void;
  readonly tokenRestored: (token: HeldToken) => void;
};

const HEALTHY: TokenInterference = {};
const REPLICA_LAG_US = 10_000_000;

export class TokenTables {
  /** By kind and hash. */
  readonly #tokens = new Map<string, TokenEntry>();
  /** Tokens that were deleted, with the time: replicas show them for a while. */
  readonly #deleted = new Map<string, { readonly entry: TokenEntry; readonly atUs: number }>();
  /** Client ids that an agent of Culvert's own has come with. */
  readonly #culvertAgents = new Set<string>();
  readonly #clocks: TokenClocks;
  readonly #fence: () => number;
  readonly #watch: TokenWatch | null;

  constructor(clocks: TokenClocks, fence: () => number, watch: TokenWatch | null = null) {
    this.#clocks = clocks;
    this.#fence = fence;
    this.#watch = watch;
  }

  /** Puts a token there as if it always had been. */
  seed(
    kind: TokenKind,
    tokenHash: string,
    token: { readonly clientId: string; readonly lifetimeMs: number | null; readonly name?: string },
  ): void {
    this.#store(kind, tokenHash, { ...token, storedUs: Number.NEGATIVE_INFINITY });
  }

  /** Takes it away, and nobody is told. */
  remove(kind: TokenKind, tokenHash: string): void {
    this.#tokens.delete(keyOf(kind, tokenHash));
  }

  /** Somebody puts a token there again that was revoked, with all that was known of it. */
  restore(token: HeldToken): void {
    const key = keyOf(token.kind, token.tokenHash);
    const deleted = this.#deleted.get(key);
    if (deleted === undefined || this.#tokens.has(key)) return;
    this.#tokens.set(key, { ...deleted.entry, storedUs: Number.NEGATIVE_INFINITY });
    this.#watch?.tokenRestored(token);
  }

  /** All that are there, expired ones too. */
  all(): readonly Pick<TokenEntry, "kind" | "tokenHash" | "clientId">[] {
    return [...this.#tokens.values()];
  }

  /** What the signature is used for; null where it is new, or where there is none. */
  useOf(tokenHash: string): string | null {
    return this.#tokens.get(keyOf("signature", tokenHash))?.used ?? null;
  }

  sweep(keptMs: number): void {
    const endUs = this.#clocks.nowUs() - keptMs * 1000;
    for (const entry of this.#tokens.values()) {
      if (entry.expiresUs !== null && entry.expiresUs <= endUs) this.#delete(entry);
    }
  }

  commit(operation: TokenOperation, interference: TokenInterference = HEALTHY): RegistryOutcome {
    switch (operation.type) {
      case "check_token": {
        const valid = this.#find(operation.kind, operation, interference) !== null;
        return { type: "token_checked", valid, fence: this.#fence() };
      }
      case "check_tokens":
        return this.#checkAll(operation.tokens, interference);
      case "find_magic_token":
        return {
          type: "magic_token_found",
          clientId: this.#read("magic", operation.tokenHash, interference)?.clientId ?? null,
        };
      case "insert_token":
        return { type: "token_inserted", allowed: this.#insert(operation, interference) };
      case "revoke_token":
      case "revoke_client":
        return { type: "tokens_revoked", tokens: this.#revoke(operation, interference) };
      case "check_agent": {
        // It writes, and no replica takes a write.
        const valid = this.#find("client_access", operation, HEALTHY) !== null;
        if (valid && interference.losesWrite !== true) this.#culvertAgents.add(operation.clientId);
        return { type: "token_checked", valid, fence: this.#fence() };
      }
      case "check_visitor": {
        const kinds = ["client_access", "visitor"] as const;
        const kind = kinds.find((each) => this.#find(each, operation, interference) !== null) ?? null;
        return { type: "visitor_checked", kind };
      }
      case "use_signature":
        return this.#useSignature(operation, interference);
      case "register_client":
        return { type: "client_registered", result: this.#register(operation, interference) };
      case "insert_invite":
        if (interference.losesWrite !== true) this.#store("invite", operation.tokenHash, operation);
        return { type: "invite_inserted" };
      case "insert_visitor_token":
        return { type: "visitor_token_inserted", result: this.#insertVisitor(operation, interference) };
      case "list_visitor_tokens":
        return {
          type: "visitor_tokens_listed",
          tokens: this.#visitorsOf(operation.clientId).map(({ name, createdUs, expiresUs }) => ({
            name,
            createdMs: Math.floor(createdUs / 1000),
            expiresMs: expiresUs === null ? null : Math.floor(expiresUs / 1000),
          })),
        };
      case "revoke_visitor_token": {
        const named = this.#visitorsOf(operation.clientId).find(({ name }) => name === operation.name);
        if (named !== undefined && interference.losesWrite !== true) this.#delete(named, this.#watch);
        return { type: "visitor_token_revoked", found: named !== undefined };
      }
    }
  }

  #checkAll(tokens: readonly HeldToken[], interference: TokenInterference): RegistryOutcome {
    const gone: number[] = [];
    const expired: number[] = [];
    for (const [place, { kind, tokenHash, clientId }] of tokens.entries()) {
      const entry = this.#seen(kind, tokenHash, interference);
      if (entry?.clientId !== clientId) gone.push(place);
      else if (!this.#isAlive(entry)) expired.push(place);
    }
    return { type: "tokens_checked", gone, expired };
  }

  #insert(operation: Of<"insert_token">, interference: TokenInterference): boolean {
    const { clientId, by } = operation;
    if (by !== undefined && !this.#isMaker(by, clientId)) return false;
    if (interference.losesWrite !== true) this.#store(operation.kind, operation.tokenHash, operation);
    return true;
  }

  /** Gives the number of those that the operation means. */
  #revoke(operation: Of<"revoke_token" | "revoke_client">, interference: TokenInterference): number {
    const meant = [...this.#tokens.values()].filter((entry) => isMeant(operation, entry));
    if (interference.losesWrite !== true) for (const entry of meant) this.#delete(entry, this.#watch);
    return meant.length;
  }

  #useSignature(operation: Of<"use_signature">, interference: TokenInterference): RegistryOutcome {
    const { use, clientId } = operation;
    const hasCulvertAgent = this.#culvertAgents.has(clientId);
    const entry = this.#find("signature", operation, interference);
    const isRefused = use === "tunnel" && hasCulvertAgent;
    const valid = entry !== null && (entry.used ?? use) === use;
    if (valid && !isRefused && interference.losesWrite !== true) entry.used = use;
    return { type: "signature_used", valid, hasCulvertAgent, fence: this.#fence() };
  }

  #register(operation: Of<"register_client">, interference: TokenInterference): Registration {
    const { clientId, tokenHash, shownHash, again } = operation;
    const invite = shownHash === null ? null : this.#find("invite", { tokenHash: shownHash, clientId });
    if (shownHash === null) {
      const hasAgent = this.#culvertAgents.has(clientId);
      const mayAgain = again === "always" || (again === "moosicbox" && !hasAgent);
      if (!mayAgain && (hasAgent || this.#hasOther(clientId, tokenHash))) return "known";
    } else if (invite === null || (invite.used ?? tokenHash) !== tokenHash) {
      if (!this.#isMaker(shownHash, clientId)) return "unauthorized";
    }
    if (interference.losesWrite === true) return "registered";
    if (invite !== null) invite.used ??= tokenHash;
    this.#store("client_access", tokenHash, { clientId, lifetimeMs: null });
    return "registered";
  }

  #insertVisitor(
    operation: Of<"insert_visitor_token">,
    interference: TokenInterference,
  ): "inserted" | "name_taken" | "too_many" | "unauthorized" {
    const { clientId, name, tokenHash, by } = operation;
    if (!this.#isMaker(by, clientId)) return "unauthorized";
    const visitors = this.#visitorsOf(clientId);
    const named = visitors.find((entry) => entry.name === name);
    if (named !== undefined) return named.tokenHash === tokenHash ? "inserted" : "name_taken";
    if (visitors.length >= VISITOR_TOKENS_MAX) return "too_many";
    if (interference.losesWrite !== true) this.#store("visitor", tokenHash, operation);
    return "inserted";
  }

  #visitorsOf(clientId: string): TokenEntry[] {
    const own = [...this.#tokens.values()].filter(
      (entry) => entry.kind === "visitor" && entry.clientId === clientId && this.#isAlive(entry),
    );
    return own.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  #hasOther(clientId: string, tokenHash: string): boolean {
    for (const entry of this.#tokens.values()) {
      const isClient = entry.kind === "client_access" && entry.clientId === clientId;
      if (isClient && entry.tokenHash !== tokenHash) return true;
    }
    return false;
  }

  /** Whether that is a good client token of the home, which makes others. */
  #isMaker(tokenHash: string, clientId: string): boolean {
    return this.#find("client_access", { tokenHash, clientId }) !== null;
  }

  #find(
    kind: TokenKind,
    { tokenHash, clientId }: { readonly tokenHash: string; readonly clientId: string },
    interference: TokenInterference = HEALTHY,
  ): TokenEntry | null {
    const entry = this.#read(kind, tokenHash, interference);
    return entry?.clientId === clientId ? entry : null;
  }

  /** The unexpired token, as far as the reader can see. */
  #read(kind: TokenKind, tokenHash: string, interference: TokenInterference): TokenEntry | null {
    const entry = this.#seen(kind, tokenHash, interference);
    return entry !== null && this.#isAlive(entry) ? entry : null;
  }

  /** A replica that lags has no token of the last seconds, and still has those that were deleted since. */
  #seen(kind: TokenKind, tokenHash: string, { readsStale }: TokenInterference): TokenEntry | null {
    const key = keyOf(kind, tokenHash);
    const entry = this.#tokens.get(key) ?? null;
    if (readsStale !== true) return entry;
    const sinceUs = this.#clocks.worldUs() - REPLICA_LAG_US;
    if (entry !== null) return entry.storedUs > sinceUs ? null : entry;
    const deleted = this.#deleted.get(key);
    return deleted === undefined || deleted.atUs <= sinceUs ? null : deleted.entry;
  }

  #isAlive({ expiresUs }: TokenEntry): boolean {
    return expiresUs === null || expiresUs > this.#clocks.nowUs();
  }

  /** A token that is there already stays as it is. */
  #store(
    kind: TokenKind,
    tokenHash: string,
    token: {
      readonly clientId: string;
      readonly lifetimeMs: number | null;
      readonly name?: string;
      readonly storedUs?: number;
    },
  ): void {
    const key = keyOf(kind, tokenHash);
    if (this.#tokens.has(key)) return;
    const { clientId, lifetimeMs, name = "", storedUs = this.#clocks.worldUs() } = token;
    const createdUs = this.#clocks.nowUs();
    const expiresUs = lifetimeMs === null ? null : createdUs + lifetimeMs * 1000;
    const entry = { kind, tokenHash, clientId, expiresUs, storedUs, createdUs, name, used: null };
    this.#tokens.set(key, entry);
  }

  #delete(entry: TokenEntry, watch: TokenWatch | null = null): void {
    const { kind, tokenHash, clientId } = entry;
    const key = keyOf(kind, tokenHash);
    this.#tokens.delete(key);
    this.#deleted.set(key, { entry, atUs: this.#clocks.worldUs() });
    if (kind !== "invite") watch?.tokenRevoked({ kind, tokenHash, clientId });
  }
}

function isMeant(
  operation: Of<"revoke_token" | "revoke_client">,
  { kind, tokenHash, clientId }: TokenEntry,
): boolean {
  if (clientId !== operation.clientId) return false;
  if (operation.type === "revoke_client") return true;
  if (operation.kind === "client_access" && kind !== "client_access" && kind !== "invite") return true;
  return kind === operation.kind && tokenHash === operation.tokenHash;
}

function keyOf(kind: TokenKind, tokenHash: string): string {
  return `${kind} ${tokenHash}`;
}
