/** A registry in memory that does what its port promises, or fails as it is told to. */

import type {
  ConnectionRow,
  RegistryFault,
  RegistryOperation,
  RegistryOutcome,
  TokenHash,
} from "../../core/registry.ts";
import { type TokenKind, TokenTables } from "../../sim/actors/token-tables.ts";

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
  readonly #tables = new TokenTables({ nowUs: () => 0, worldUs: () => 0 }, () => this.clock++);
  readonly rows = new Map<string, Row>();
  /** What is remembered of homes, and when they were seen last. */
  readonly homes = new Map<string, { readonly access: string; readonly seenMs: number }>();
  /** Where the nodes that have a row are reached by others. */
  readonly peerUrls = new Map<string, string | null>();
  /** The time by which homes are seen. */
  nowMs = () => 0;
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

  grant(kind: TokenKind, tokenHash: TokenHash, clientId: string): void {
    this.#tables.seed(kind, tokenHash, { clientId, lifetimeMs: null, name: tokenHash });
  }

  revoke(kind: TokenKind, tokenHash: TokenHash): void {
    this.#tables.remove(kind, tokenHash);
  }

  /** It is there, and good no longer. */
  expire(kind: TokenKind, tokenHash: TokenHash, clientId: string): void {
    this.revoke(kind, tokenHash);
    this.#tables.seed(kind, tokenHash, { clientId, lifetimeMs: -1 });
  }

  /** Of all that are there, as `KIND HASH CLIENT-ID`. */
  get tokens(): string[] {
    return this.#tables.all().map(({ kind, tokenHash, clientId }) => `${kind} ${tokenHash} ${clientId}`);
  }

  /** Whose magic token it is. */
  magicOwner(tokenHash: TokenHash): string | null {
    const found = this.#tables.commit({ type: "find_magic_token", tokenHash });
    return found.type === "magic_token_found" ? found.clientId : null;
  }

  /** How often an operation was asked for. */
  count(type: RegistryOperation["type"]): number {
    return this.asked.filter((operation) => operation.type === type).length;
  }

  /** Carries out the operation, whoever waits for it. */
  carryOut(operation: RegistryOperation): RegistryOutcome {
    switch (operation.type) {
      case "upsert_connection": {
        const { clientId, tunnel, node, fence } = operation;
        const current = (this.rows.get(clientId)?.fence ?? 0) <= fence;
        if (current) {
          this.rows.set(clientId, { tunnel, node, fence });
          this.homes.set(clientId, { access: operation.access, seenMs: this.nowMs() });
        }
        return { type: "connection_upserted", current };
      }
      case "recall_home": {
        const home = this.homes.get(operation.clientId);
        const seenAgoMs = this.nowMs() - (home?.seenMs ?? 0);
        return {
          type: "home_recalled",
          home: home === undefined ? null : { access: home.access, seenAgoMs },
        };
      }
      case "delete_connection":
        if (this.rows.get(operation.clientId)?.tunnel === operation.tunnel) {
          this.rows.delete(operation.clientId);
          const home = this.homes.get(operation.clientId);
          if (home !== undefined) this.homes.set(operation.clientId, { ...home, seenMs: this.nowMs() });
        }
        return { type: "connection_deleted" };
      case "find_connection": {
        const row = this.rows.get(operation.clientId);
        const peerUrl = row === undefined ? undefined : this.peerUrls.get(row.node);
        const connections =
          row === undefined || peerUrl === undefined ? [] : [{ node: row.node, tunnel: row.tunnel, peerUrl }];
        return { type: "connections_found", connections };
      }
      case "renew_leases": {
        this.peerUrls.set(operation.node, operation.peerUrl);
        const rows = this.#rowsOf(operation).slice(0, operation.rowsMax);
        const next = rows.length < operation.rowsMax ? null : (rows.at(-1)?.clientId ?? null);
        const others = [...this.peerUrls]
          .filter(([node, peerUrl]) => node !== operation.node && peerUrl !== null)
          .map(([node]) => ({ node, publicUrl: null }));
        return { type: "leases_renewed", rows, next, ...(operation.after === null ? { others } : {}) };
      }
      case "delete_node":
        this.peerUrls.delete(operation.node);
        return { type: "node_deleted" };
      case "sweep":
        return { type: "swept" };
      default:
        return this.#tables.commit(operation);
    }
  }

  #outcome(operation: RegistryOperation, mode: RegistryMode): RegistryOutcome {
    if (mode === "answers") return this.carryOut(operation);
    if (mode === "commits_and_fails") this.carryOut(operation);
    const fault = mode === "unavailable" || mode === "refused" ? mode : "unknown";
    return { type: "failed", fault };
  }

  /** Those of the node behind `after`, in order. */
  #rowsOf({ node, after }: Extract<RegistryOperation, { type: "renew_leases" }>): ConnectionRow[] {
    return [...this.rows]
      .filter(([clientId, row]) => row.node === node && (after === null || clientId > after))
      .map(([clientId, { tunnel }]) => ({ clientId, tunnel }))
      .sort((a, b) => (a.clientId < b.clientId ? -1 : 1));
  }
}
