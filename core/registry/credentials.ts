/**
 * What the registry is asked about credentials: which door each of them opens. docs/credentials.md has the table.
 *
 * As every operation of the registry these are idempotent: what is asked again with the same hash is answered again.
 */

/** Tokens are known to the registry by the lower-case hex SHA-256 of their text, and by nothing else. */
export type TokenHash = string;

/** What a signature opens. Its first use decides it for good. */
export type SignatureUse = "media" | "tunnel";

/**
 * When the operator's token alone registers a client id that is registered: never, as MoosicBox's server does (always), or
 * only while no agent of Culvert's own has come with that client id.
 */
export const REGISTER_AGAIN = ["never", "moosicbox", "always"] as const;
export type RegisterAgain = (typeof REGISTER_AGAIN)[number];

/** For whoever has the operator's token and no other. */
export const REGISTER_AGAIN_HELP =
  "Register it again with its own client token, or with an invite, which the operator makes: culvert invite.";

/** Of one client id. */
export const VISITOR_TOKENS_MAX = 100;

export type CredentialOperation =
  /**
   * Is this an unexpired client token of the client id? If so, an agent of Culvert's own has come with that client id, which is
   * remembered for good.
   */
  | { readonly type: "check_agent"; readonly tokenHash: TokenHash; readonly clientId: string }
  /** Does this open the home to a visitor: an unexpired client token or visitor token of the client id? */
  | { readonly type: "check_visitor"; readonly tokenHash: TokenHash; readonly clientId: string }
  /**
   * Is this an unexpired signature of the client id, of that use? One that has none yet is of that use from here on, unless
   * it would be for a tunnel of a client id whose agent is Culvert's own.
   */
  | {
      readonly type: "use_signature";
      readonly use: SignatureUse;
      readonly tokenHash: TokenHash;
      readonly clientId: string;
    }
  /**
   * Stores a client token. `shownHash` is what was shown for it: null is the operator's token, which registers a client id
   * that is free, and any other as far as `again` says; else a client token of the client id, or an invite, which is used up.
   */
  | {
      readonly type: "register_client";
      readonly clientId: string;
      readonly tokenHash: TokenHash;
      readonly shownHash: TokenHash | null;
      readonly again: RegisterAgain;
    }
  /** Stores an invite of the operator's: it registers that client id once, within its lifetime. */
  | {
      readonly type: "insert_invite";
      readonly tokenHash: TokenHash;
      readonly clientId: string;
      readonly lifetimeMs: number;
    }
  /**
   * Stores a visitor token, if `by` is a good client access token of the client id at the same moment. Names are unique in a
   * client id, which has `VISITOR_TOKENS_MAX` at most. Null never expires.
   */
  | {
      readonly type: "insert_visitor_token";
      readonly tokenHash: TokenHash;
      readonly clientId: string;
      readonly name: string;
      readonly lifetimeMs: number | null;
      readonly by: TokenHash;
    }
  /** Those of the client id that have not expired, by name. */
  | { readonly type: "list_visitor_tokens"; readonly clientId: string }
  | { readonly type: "revoke_visitor_token"; readonly clientId: string; readonly name: string };

/** Times in milliseconds since 1970 by the registry's clock. */
export type VisitorToken = {
  readonly name: string;
  readonly createdMs: number;
  readonly expiresMs: number | null;
};

export type CredentialOutcome =
  /** Of which kind it is; null where it opens nothing. */
  | { readonly type: "visitor_checked"; readonly kind: "client_access" | "visitor" | null }
  /** `hasCulvertAgent`: an agent of Culvert's own has come with that client id. */
  | {
      readonly type: "signature_used";
      readonly valid: boolean;
      readonly hasCulvertAgent: boolean;
      /** As of a checked token. */
      readonly fence: number;
    }
  | { readonly type: "client_registered"; readonly result: Registration }
  | { readonly type: "invite_inserted" }
  /** `unauthorized` where `by` is not good any more. */
  | {
      readonly type: "visitor_token_inserted";
      readonly result: "inserted" | "name_taken" | "too_many" | "unauthorized";
    }
  | { readonly type: "visitor_tokens_listed"; readonly tokens: readonly VisitorToken[] }
  /** `found`: there was one of that name. */
  | { readonly type: "visitor_token_revoked"; readonly found: boolean };

/** `known`: the client id is registered, and the operator's token alone does not register it again. */
export type Registration = "registered" | "known" | "unauthorized";
