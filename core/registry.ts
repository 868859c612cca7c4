/**
 * The port to the registry: what the core may ask, and what may come back.
 *
 * Every operation is idempotent, so a call whose answer was lost may be made again. Time belongs to the registry: expiry,
 * leases and fences are judged by its one clock, never by a node's.
 */
import type { CredentialOperation, CredentialOutcome, TokenHash } from "./registry/credentials.ts";

export type { TokenHash } from "./registry/credentials.ts";

export type TokenKind = "client_access" | "visitor" | "signature" | "magic";

/** A token as whoever has let somebody in by it remembers it. */
export type HeldToken = {
  readonly kind: TokenKind;
  readonly tokenHash: TokenHash;
  readonly clientId: string;
};

export type RegistryOperation =
  | CredentialOperation
  /** Is this an unexpired token of that kind, for that client id? */
  | {
      readonly type: "check_token";
      readonly kind: "client_access" | "signature";
      readonly tokenHash: TokenHash;
      readonly clientId: string;
    }
  /** Whose unexpired magic token is this? */
  | { readonly type: "find_magic_token"; readonly tokenHash: TokenHash }
  /**
   * Which of these are good no longer? Asked of tokens that were good before, in one statement for as many as there are.
   */
  | { readonly type: "check_tokens"; readonly tokens: readonly HeldToken[] }
  /**
   * Stores a token; a token that is there already stays as it is. `lifetimeMs` null never expires. Where `by` is given, only
   * if that is a good client access token of the client id at the same moment: what is revoked makes nothing more.
   */
  | {
      readonly type: "insert_token";
      readonly kind: Exclude<TokenKind, "visitor">;
      readonly tokenHash: TokenHash;
      readonly clientId: string;
      readonly lifetimeMs: number | null;
      readonly by?: TokenHash;
    }
  /**
   * Deletes a token of the client id. With a client access token go all visitor tokens, signatures and magic tokens of the
   * client id, since nobody knows which of them were made with it.
   */
  | ({ readonly type: "revoke_token" } & HeldToken)
  /** Deletes all tokens of the client id, of every kind, and its invites, and forgets its home. */
  | { readonly type: "revoke_client"; readonly clientId: string }
  /**
   * Makes the row of `clientId` name this tunnel, unless the row carries a higher fence: then a newer tunnel owns it.
   * Of equal fences the row's own tunnel, and else the later write, wins.
   *
   * With an instance it is a link as well, which is its node's for that client id. Links of one instance live side by side, one at
   * each node, whichever of them the row names; the row's instance alone has any. At one node the higher fence has the link.
   */
  | {
      readonly type: "upsert_connection";
      readonly clientId: string;
      readonly tunnel: string;
      readonly node: string;
      readonly fence: number;
      readonly leaseMs: number;
      /** Who may visit, as the agent's `Culvert-Access` says it, in at most `ACCESS_LENGTH_MAX` characters of ASCII. */
      readonly access: string;
      /** Which process of an agent it is, in 1 to `INSTANCE_LENGTH_MAX` characters; left out where the agent does not say. */
      readonly instance?: string;
    }
  /**
   * What is remembered of the home, whether it is there or not. An upsert that is accepted remembers it, for as long as its
   * client id has not been revoked.
   */
  | { readonly type: "recall_home"; readonly clientId: string }
  /** Deletes the tunnel's link, and the row if it still names this tunnel: it names another link of the instance, where there is one. */
  | { readonly type: "delete_connection"; readonly clientId: string; readonly tunnel: string }
  /** Where the home's tunnels are. What has lapsed, its own row or that of its node, is nowhere. */
  | { readonly type: "find_connection"; readonly clientId: string }
  /**
   * Keeps the row of the node, which says where others reach it, and extends the leases of a slice of its connections; tells which
   * those are, and in the first slice which other nodes live that take requests from others. What has lapsed stays so: somebody
   * else may have been told that it is free, and only a fence decides whose it is.
   */
  | {
      readonly type: "renew_leases";
      readonly node: string;
      /** Where other nodes reach this one, and where agents do, in at most `URL_LENGTH_MAX` characters of ASCII; null nowhere. */
      readonly peerUrl: string | null;
      readonly publicUrl: string | null;
      readonly leaseMs: number;
      /** The slice begins behind this client id, in the registry's own order; null is the beginning. */
      readonly after: string | null;
      readonly rowsMax: number;
    }
  /** Deletes the row of a node that leaves. Its connections, if there are any, are nowhere from then on. */
  | { readonly type: "delete_node"; readonly node: string }
  /** Deletes tokens and invites that expired `keptMs` ago and before that, and rows whose lease has lapsed. */
  | { readonly type: "sweep"; readonly keptMs: number };

/** What the column `access` has room for. */
export const ACCESS_LENGTH_MAX = 255;

/** Of a home's tunnels that is how many are told. */
export const LINKS_FOUND_MAX = 8;

/** What the column `instance` has room for. */
export const INSTANCE_LENGTH_MAX = 64;

/** What the columns of a node's URLs have room for. */
export const URL_LENGTH_MAX = 255;

export type ConnectionRow = { readonly clientId: string; readonly tunnel: string };

/** Where a home is. */
export type FoundConnection = {
  readonly node: string;
  readonly tunnel: string;
  /** Where that node is reached by others; null where it is not. */
  readonly peerUrl: string | null;
};

/** A node besides the one that asks. */
export type OtherNode = {
  readonly node: string;
  /** Where agents reach that very node; null where only a balancer leads there. */
  readonly publicUrl: string | null;
};

/** Of other nodes that is how many are told. An agent has links to fewer. */
export const NODES_TOLD_MAX = 16;

export type RecalledHome = {
  /** As its newest tunnel said it. */
  readonly access: string;
  /** How long ago it was there: its tunnel was opened or closed, or the lease of its row renewed. */
  readonly seenAgoMs: number;
};

/** How a call failed. */
export type RegistryFault =
  /** Nothing was changed, and the same call may succeed later. */
  | "unavailable"
  /** The answer was lost: the change may have been made, or may still be made. */
  | "unknown"
  /** The registry will not do this, however often it is asked: a missing grant or table, a value too long. */
  | "refused";

export type RegistryOutcome =
  | CredentialOutcome
  /** `fence` is the registry's clock in microseconds, read in the same query: a ticket for a later upsert. */
  | { readonly type: "token_checked"; readonly valid: boolean; readonly fence: number }
  | { readonly type: "magic_token_found"; readonly clientId: string | null }
  /**
   * Places in the list that was asked about: `gone` are deleted, or were never there, `expired` are there. Both are
   * ascending, and no place is in both.
   */
  | {
      readonly type: "tokens_checked";
      readonly gone: readonly number[];
      readonly expired: readonly number[];
    }
  /** `allowed` is false where `by` is not good any more: nothing was stored. */
  | { readonly type: "token_inserted"; readonly allowed: boolean }
  /** How many tokens were deleted. */
  | { readonly type: "tokens_revoked"; readonly tokens: number }
  /** `current` is false where the row belongs to a newer tunnel of another instance, or the node's link to a newer one. */
  | { readonly type: "connection_upserted"; readonly current: boolean }
  | { readonly type: "connection_deleted" }
  /** Null where no tunnel of that client id ever was, or it was revoked since. */
  | { readonly type: "home_recalled"; readonly home: RecalledHome | null }
  /** The newest first, and one at a node; none where the home is nowhere. */
  | { readonly type: "connections_found"; readonly connections: readonly FoundConnection[] }
  /** `next` is the `after` of the next slice; null where this was the last. */
  | {
      readonly type: "leases_renewed";
      readonly rows: readonly ConnectionRow[];
      readonly next: string | null;
      /** In the order of their names; left out of all slices but the first. */
      readonly others?: readonly OtherNode[];
    }
  | { readonly type: "node_deleted" }
  | { readonly type: "swept" }
  | { readonly type: "failed"; readonly fault: RegistryFault };
