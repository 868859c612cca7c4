/** What a request needs to be let in, read from the protocol's table of endpoints and from nothing of `core/`. */
import type { ServerEvent } from "../../core/events.ts";
import { type Place, parsedTarget } from "../ledger/place.ts";
import { fakeSha256 } from "../tools/hash.ts";
import { headerOf } from "../tools/headers.ts";

type Opened = Extract<ServerEvent, { readonly type: "exchange_opened" }>;

export type NeededCredential =
  | { readonly kind: "none" }
  /** The operator's token. */
  | { readonly kind: "access"; readonly token: string }
  | { readonly kind: "magic"; readonly tokenHash: string }
  /** Whatever the home itself asks for. `shown` is a field's whole value. */
  | { readonly kind: "home"; readonly clientId: string; readonly tokenHash: string; readonly shown: string }
  | { readonly kind: "client_access" | "signature"; readonly tokenHash: string; readonly clientId: string };

const COVER_PATH = /^files\/(artists|albums)\/[^/]+\/[^/]+$/;

export function neededCredential(opened: Opened, place: Place): NeededCredential {
  const { method, target, headers } = opened;
  if (place.way !== "query") {
    const apart = headerOf(headers, "culvert-authorization");
    const shown = apart ?? headerOf(headers, "authorization") ?? "";
    const tokenHash = fakeSha256(shown.replace(/^bearer +/i, ""));
    return { kind: "home", clientId: place.clientId, tokenHash, shown };
  }
  // The server's front page.
  if (target === "/" && (method === "GET" || method === "HEAD")) return { kind: "none" };
  const { path, query } = parsedTarget(target);
  const clientId = query.get("clientid") ?? "";
  const signature = {
    kind: "signature",
    tokenHash: fakeSha256(query.get("signature") ?? ""),
    clientId,
  } as const;
  switch (path) {
    case "health":
      return { kind: "none" };
    case "auth/register-client":
      return { kind: "access", token: bearer(headers) };
    case "auth/validate-signature-token":
      return signature;
    case "auth/magic-token":
      if (method !== "GET") break;
      return { kind: "magic", tokenHash: fakeSha256(query.get("magictoken") ?? "") };
    case "files/track":
      if (method === "GET" || method === "HEAD" || method === "OPTIONS") return signature;
      break;
    default:
      if (COVER_PATH.test(path) && (method === "GET" || method === "HEAD")) return signature;
  }
  return { kind: "client_access", tokenHash: fakeSha256(bearer(headers)), clientId };
}

/** Of a socket's handshake: always a signature token. */
export function signatureKey(target: string): string {
  const { query } = parsedTarget(target);
  return tokenKey("signature", fakeSha256(query.get("signature") ?? ""), query.get("clientid") ?? "");
}

export function tokenKey(kind: "client_access" | "signature", tokenHash: string, clientId: string): string {
  return `${kind} ${tokenHash} ${clientId}`;
}

/** The token of the only `Authorization`; empty where there is none. */
function bearer(headers: readonly string[]): string {
  const values = headers.filter((_, index) => index % 2 === 1 && isAuthorization(headers[index - 1]));
  return values.length === 1 ? (values[0] ?? "").replace(/^bearer +/i, "").trim() : "";
}

function isAuthorization(name: string | undefined): boolean {
  return name?.toLowerCase() === "authorization";
}
