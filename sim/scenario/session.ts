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

export type ShownSession = { readonly kind: "token" | "password"; readonly hash: string };

/** What such a field shows at that home; null where nothing in it is signed for that. */
export function shownSession(
  field: string | undefined,
  clientId: string,
  sign: (text: string) => string,
): ShownSession | null {
  for (const pair of pairsIn(field ?? "")) {
    const value = isOurs(pair) ? pair.slice(pair.indexOf("=") + 1) : "";
    const [, told = "", kind, hash = "", signature] = SESSION.exec(value) ?? [];
    if (signature !== sign(`culvert session ${told} ${clientId}`)) continue;
    return { kind: kind === "token" ? "token" : "password", hash };
  }
  return null;
}

const SESSION = /^((token|password)\.\d+\.([0-9a-f]{64}))\.([0-9a-f]{64})$/;

/** What the home gets of a `Cookie` field; null for nothing. */
export function cookiesForHome(field: string): string | null {
  const kept = pairsIn(field).filter((pair) => !isOurs(pair));
  return kept.length === 0 ? null : kept.join("; ");
}

/** Whether `NAME=VALUE` is a cookie of the server's. */
export function isOurs(pair: string): boolean {
  const [name = ""] = pair.split("=", 1);
  return NAMES.some((own) => own === name);
}

function pairsIn(field: string): string[] {
  return field.split(";").map((pair) => pair.trim());
}
