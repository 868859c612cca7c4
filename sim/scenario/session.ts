/** The cookie of a browser that has signed in, as a node of the simulated world signs it: written from the docs, not by the core. */
import { fakeSha256 } from "../tools/hash.ts";

/** Nobody's run lasts so long. */
const EXPIRES = 9_999_999_999;

const NAMES = ["culvert-session", "__Host-culvert-session", "__Secure-culvert-session"] as const;

/** What the nodes sign with. */
export function signedBy(accessToken: string): (text: string) => string {
  return (text) => fakeSha256(`${accessToken} ${text}`);
}

/** By all names, for a browser has the one that its way has given it; `theirs` is the home's own. */
export function cookieField(tokenHash: string, clientId: string, sign: (text: string) => string): string {
  const told = `token.${EXPIRES}.${tokenHash}`;
  const value = `${told}.${sign(`culvert session ${told} ${clientId}`)}`;
  return ["theirs=1", ...NAMES.map((name) => `${name}=${value}`)].join("; ");
}

/** The hash that such a field shows at that home; null where nothing in it is signed for that. */
export function sessionHash(
  field: string | undefined,
  clientId: string,
  sign: (text: string) => string,
): string | null {
  const [, tokenHash = ""] = /culvert-session=token\.\d+\.([0-9a-f]{64})\./.exec(field ?? "") ?? [];
  return tokenHash !== "" && field === cookieField(tokenHash, clientId, sign) ? tokenHash : null;
}

/** What the home gets of a `Cookie` field. */
export function cookiesForHome(field: string): string {
  return field.includes("culvert-session=") ? "theirs=1" : field;
}
