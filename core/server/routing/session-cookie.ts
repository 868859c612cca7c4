/**
 * The cookie by which a browser that has signed in at a home is let in again: which name it has, and what is in it.
 *
 * It holds the hash of what was shown at the sign-in, until when it is good, and a signature over both and the client id. So it
 * opens its one home to visitors, and nothing else: whoever steals it has no token, and whoever steals the database, where the
 * same hashes are, cannot make one. Nothing is kept for it at the server: all nodes that have the same access token make the same
 * key. The hash is looked up each time as a token's would be, so that it ends with the token.
 */
import { assert } from "../../assert.ts";
import type { Scheme } from "../../http/site.ts";

export type Session = {
  /** `token`: the SHA-256 of a token. `password`: of the access mode that the password was right for. */
  readonly kind: "token" | "password";
  readonly hash: string;
};

/**
 * By host over TLS the prefix keeps homes of the same domain from setting it (RFC 6265bis section 4.1.3); a cookie with a path
 * can have the weaker prefix only, and one without TLS none.
 */
export function sessionCookieName(scheme: Scheme, way: "host" | "path"): string {
  if (scheme === "http") return "culvert-session";
  return way === "host" ? "__Host-culvert-session" : "__Secure-culvert-session";
}

/** Whether a cookie has one of those names, for whoever may read it: no home gets or sets one. */
export function isSessionCookie(name: string): boolean {
  return NAME.test(name);
}

const NAME = /^(?:__host-|__secure-)?culvert-session$/i;

export function writeSession(
  { kind, hash }: Session,
  clientId: string,
  expiresSeconds: number,
  sign: (text: string) => string,
): string {
  assert(HASH.test(hash), "a session is of something that is no hash");
  const told = `${kind}.${expiresSeconds}.${hash}`;
  return `${told}.${sign(signedText(told, clientId))}`;
}

/** Null for what this server, or one that has its key, did not write for that client id, and for what has expired. */
export function readSession(
  value: string,
  clientId: string,
  { nowSeconds, sign, sha256 }: Reading,
): Session | null {
  const [, told, kind, expires, hash, signature] = SESSION.exec(value) ?? [];
  if (told === undefined || hash === undefined || signature === undefined) return null;
  if (Number(expires) <= nowSeconds) return null;
  // How far two hashes agree says nothing about what they are of.
  if (sha256(signature) !== sha256(sign(signedText(told, clientId)))) return null;
  return { kind: kind === "token" ? "token" : "password", hash };
}

export type Reading = {
  readonly nowSeconds: number;
  readonly sign: (text: string) => string;
  readonly sha256: (text: string) => string;
};

const HASH = /^[0-9a-f]{64}$/;
const SESSION = /^((token|password)\.(\d{1,12})\.([0-9a-f]{64}))\.([0-9a-f]{64})$/;

/** The client id comes last, for it can be any text. */
function signedText(told: string, clientId: string): string {
  return `culvert session ${told} ${clientId}`;
}
