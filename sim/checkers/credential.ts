/** What a request needs to be let in, read from the protocol's table of endpoints and from nothing of `core/`. */

import { headerOf } from "../actors/visitor.ts";
import { DOMAIN } from "../scenario/request.ts";
import { fakeSha256 } from "../tools/hash.ts";
import type { ServerEvent } from "./checker.ts";

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

/** Whose home a request is for, how it says so, and what of its target is the home's. */
export type Place = {
  readonly way: "host" | "path" | "query";
  readonly clientId: string;
  readonly target: string;
};

export function placeOf({ target, headers }: Pick<Opened, "target" | "headers">): Place {
  const host = (headerOf(headers, "host") ?? "").toLowerCase().replace(/:\d*$/, "").replace(/\.$/, "");
  if (host.endsWith(`.${DOMAIN}`))
    return { way: "host", clientId: host.slice(0, -DOMAIN.length - 1), target };
  const path = /^\/t\/([^/?]+)(.*)$/.exec(target);
  if (path !== null)
    return {
      way: "path",
      clientId: path[1] ?? "",
      target: path[2]?.startsWith("/") === true ? path[2] : `/${path[2] ?? ""}`,
    };
  return { way: "query", clientId: parsedTarget(target).query.get("clientid") ?? "", target };
}

/** Of a socket's handshake: always a signature token. */
export function signatureKey(target: string): string {
  const { query } = parsedTarget(target);
  return tokenKey("signature", fakeSha256(query.get("signature") ?? ""), query.get("clientid") ?? "");
}

export function tokenKey(kind: "client_access" | "signature", tokenHash: string, clientId: string): string {
  return `${kind} ${tokenHash} ${clientId}`;
}

export type ParsedTarget = { readonly path: string; readonly query: ReadonlyMap<string, string> };

/** The path without its leading slash, and the query with its keys in lower case; of a repeated key the last value. */
export function parsedTarget(target: string): ParsedTarget {
  // Several checkers read the same targets, each at its own step.
  const known = parsed.get(target);
  if (known !== undefined) return known;
  if (parsed.size === PARSED_MAX) parsed.clear();
  const fresh = parse(target);
  parsed.set(target, fresh);
  return fresh;
}

const PARSED_MAX = 1_000;
const parsed = new Map<string, ParsedTarget>();

function parse(target: string): ParsedTarget {
  const local = target.replace(/^https?:\/\/[^/?]+/i, "");
  const [path = "", search = ""] = local.split("?");
  const query = new Map<string, string>();
  for (const piece of search.split("&")) {
    const [key = "", value = ""] = piece.split("=", 2).map(decoded);
    if (piece !== "") query.set(key.toLowerCase(), value);
  }
  return { path: path.replace(/^\//, ""), query };
}

function decoded(text: string): string {
  const spaced = text.replaceAll("+", " ");
  if (!spaced.includes("%")) return spaced;
  try {
    return decodeURIComponent(spaced);
  } catch {
    // Nothing that such a target says is believed.
    return "";
  }
}

/** The token of the only `Authorization`; empty where there is none. */
function bearer(headers: readonly string[]): string {
  const values = headers.filter((_, index) => index % 2 === 1 && isAuthorization(headers[index - 1]));
  return values.length === 1 ? (values[0] ?? "").replace(/^bearer +/i, "").trim() : "";
}

function isAuthorization(name: string | undefined): boolean {
  return name?.toLowerCase() === "authorization";
}
