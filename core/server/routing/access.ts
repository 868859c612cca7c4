/** Who may visit a home by its own name: its agent says so in `Culvert-Access`, and the registry keeps the same text. */
import { ACCESS_LENGTH_MAX } from "../../registry.ts";

export type Access =
  /** Whoever has a client access token of the home. */
  | { readonly type: "token" }
  /** Everybody; the home's own service decides. */
  | { readonly type: "public" }
  /**
   * Whoever knows the password. `hash` is one that `isSalted` takes, of the password; or as agents of version 0.1 have it, the
   * lower-case hex SHA-256 of `USER:PASSWORD`.
   */
  | { readonly type: "basic"; readonly user: string; readonly hash: string };

/** What holds where nothing was said, and for a home that is not there: nobody can tell the two apart. */
export const TOKEN_ACCESS: Access = { type: "token" };

/** Reads the header, whose absence means `token`. Null for anything that it cannot say. */
export function parseAccess(text: string | undefined): Access | null {
  if (text === undefined || text === "token") return TOKEN_ACCESS;
  if (text === "public") return { type: "public" };
  if (text.length > ACCESS_LENGTH_MAX) return null;
  const [, user, hash] = BASIC.exec(text) ?? [];
  if (user === undefined || hash === undefined) return null;
  return hash.startsWith("scrypt.") && !isSalted(hash) ? null : { type: "basic", user, hash };
}

/** The header's text. */
export function accessText(access: Access): string {
  return access.type === "basic" ? `basic ${access.user}:${access.hash}` : access.type;
}

/**
 * Whether a visitor whom `before` let in may stay under `now`: the home may have come back with another mode while the
 * visitor's request waited for it.
 */
export function stillOpens(before: Access, now: Access): boolean {
  return now.type === "public" || accessText(before) === accessText(now);
}

/**
 * Whether the hash is a slow one with a salt: `scrypt.LN.R.P.SALT.HASH`, scrypt (RFC 7914) with N = 2^LN of the UTF-8 password,
 * 16 and 32 bytes in base64url. It is the agent that says how much work it is, so that there is a bound: 32 MiB, four times over.
 */
export function isSalted(hash: string): boolean {
  return SALTED.test(hash);
}

const SALTED = /^scrypt\.1[45]\.8\.[1-4]\.[0-9A-Za-z_-]{22}\.[0-9A-Za-z_-]{43}$/;

/** The user's name has no colon (RFC 7617 section 2), and nothing but printable ASCII. */
const BASIC = /^basic ([\x20-\x39\x3b-\x7e]+):([0-9a-f]{64}|scrypt\.[\w.-]+)$/;
