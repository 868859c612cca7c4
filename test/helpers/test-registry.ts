/** A registry in memory that does what its port promises, or fails as it is told to. */
import type {
  ConnectionRow,
  HeldToken,
  RegistryFault,
  RegistryOperation,
  RegistryOutcome,
  TokenHash,
} from "../../core/registry.ts";

export type RegistryMode =
  | "answers"
  /** Calls wait in `held` until the test carries them out. */
  | "holds"
  | RegistryFault
  /** Carries the call out and loses the answer. */
  | "commits_and_fails";

type Row = { readonly tunnel: string; readonly node: string; readonly fence: number };

export class TestRegistry {
  mode: RegistryMode = "answers";
  /** Modes of single operations, which win over `mode`. */
  readonly modes = new Map<RegistryOperation["type"], RegistryMode>();
  readonly tokens = new Set<string>();
  /** Names of tokens that are there and good no longer. */
  readonly expired = new Set<string>();
  readonly magicTokens = new Map<TokenHash, string>();
  readonly rows = new Map<string, Row>();
  /** Every operation that was asked for, in order. */
  readonly asked: RegistryOperation[] = [];
  readonly held: { readonly operation: RegistryOperation; readonly answer: (mode?: RegistryMode) => void }[] =
    [];
  /** The registry's clock in microseconds; moves with each look. */
  clock = 1_000;

  /** Takes a call; `reply` is called now, or when the test answers what is held. */
  call(operation: RegistryOperation, reply: (outcome: RegistryOutcome) => void): void {
    this.asked.push(operation);
    const mode = this.modes.get(operation.type) ?? this.mode;
    if (mode !== "holds") return reply(this.#outcome(operation, mode));
    const call = {
      operation,
      answer: (later: RegistryMode = "answers") => {
        this.held.splice(this.held.indexOf(call), 1);
        reply(this.#outcome(operation, later));
      },
    };
    this.held.push(call);
  }

  grant(kind: "client_access" | "signature", tokenHash: TokenHash, clientId: string): void {
    this.tokens.add(`${kind} ${tokenHash} ${clientId}`);
  }

  revoke(kind: "client_access" | "signature", tokenHash: TokenHash, clientId: string): void {
    this.tokens.delete(`${kind} ${tokenHash} ${clientId}`);
  }

  /** How often an operation was asked for. */
  count(type: RegistryOperation["type"]): number {
    return this.asked.filter((operation) => operation.type === type).length;
  }

  /** Carries out the operation, whoever waits for it. */
  carryOut(operation: RegistryOperation): RegistryOutcome {
    switch (operation.type) {
      case "check_token": {
        const { kind, tokenHash, clientId } = operation;
        const valid = this.tokens.has(`${kind} ${tokenHash} ${clientId}`);
        return { type: "token_checked", valid, fence: this.clock++ };
      }
      case "find_magic_token":
        return {
          type: "magic_token_found",
          clientId: this.magicTokens.get(operation.tokenHash) ?? null,
        };
      case "check_tokens":
        return this.#check(operation.tokens);
      case "insert_token":
        if (operation.by !== undefined) {
          const maker = { ...operation, kind: "client_access", tokenHash: operation.by } as const;
          if (!this.#has(maker)) return { type: "token_inserted", allowed: false };
        }
        if (operation.kind === "magic") this.magicTokens.set(operation.tokenHash, operation.clientId);
        else this.grant(operation.kind, operation.tokenHash, operation.clientId);
        return { type: "token_inserted", allowed: true };
      case "revoke_token":
      case "revoke_client":
        throw new Error("no server asks for this");
      case "upsert_connection": {
        const { clientId, tunnel, node, fence } = operation;
        const current = (this.rows.get(clientId)?.fence ?? 0) <= fence;
        if (current) this.rows.set(clientId, { tunnel, node, fence });
        return { type: "connection_upserted", current };
      }
      case "delete_connection":
        if (this.rows.get(operation.clientId)?.tunnel === operation.tunnel) {
          this.rows.delete(operation.clientId);
        }
        return { type: "connection_deleted" };
      case "renew_leases":
        return { type: "leases_renewed", rows: this.#rowsOf(operation.node) };
      case "sweep":
        return { type: "swept" };
    }
  }

  #outcome(operation: RegistryOperation, mode: RegistryMode): RegistryOutcome {
    if (mode === "answers") return this.carryOut(operation);
    if (mode === "commits_and_fails") this.carryOut(operation);
    const fault = mode === "unavailable" || mode === "refused" ? mode : "unknown";
    return { type: "failed", fault };
  }

  #check(tokens: readonly HeldToken[]): RegistryOutcome {
    const places = [...tokens.keys()];
    const at = (place: number) => tokens[place] as HeldToken;
    const isExpired = (place: number) =>
      this.expired.has(`${at(place).kind} ${at(place).tokenHash} ${at(place).clientId}`);
    return {
      type: "tokens_checked",
      gone: places.filter((place) => !this.#has(at(place)) && !isExpired(place)),
      expired: places.filter(isExpired),
    };
  }

  #has({ kind, tokenHash, clientId }: HeldToken): boolean {
    if (kind === "magic") return this.magicTokens.get(tokenHash) === clientId;
    return this.tokens.has(`${kind} ${tokenHash} ${clientId}`);
  }

  #rowsOf(node: string): ConnectionRow[] {
    const rows: ConnectionRow[] = [];
    for (const [clientId, row] of this.rows)
      if (row.node === node) rows.push({ clientId, tunnel: row.tunnel });
    return rows;
  }
}
