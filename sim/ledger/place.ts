/** Where a request goes: whose home it is for, read from its target and its host and from nothing of `core/`. */
import type { ServerEvent } from "../../core/events.ts";
import { DOMAIN, OWN_DOMAIN } from "../scenario/request.ts";
import { headerOf } from "../tools/headers.ts";

type Opened = Extract<ServerEvent, { readonly type: "exchange_opened" }>;

/** Whose home a request is for, how it says so, and what of its target is the home's. */
export type Place = {
  readonly way: "host" | "path" | "query";
  readonly clientId: string;
  readonly target: string;
};

/** The server's own pages of a home: the home's, where everybody may come. */
export function isOfSignIn({ way, target }: Place): boolean {
  return way !== "query" && SIGN_PATH.test(target);
}

const SIGN_PATH = /^\/\.well-known\/culvert\/sign-(in|out)(\?|$)/;

export function placeOf(opened: Pick<Opened, "target" | "headers">): Place {
  const { headers } = opened;
  // A home is asked for octets beyond ASCII as a URI has them.
  const target = opened.target.replace(
    /[\x80-\xff]/g,
    (octet) => `%${octet.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  const host = (headerOf(headers, "host") ?? "").toLowerCase().replace(/:\d*$/, "").replace(/\.$/, "");
  const domain = host.endsWith(`.${OWN_DOMAIN}`) ? OWN_DOMAIN : DOMAIN;
  const label = host.endsWith(`.${domain}`) ? host.slice(0, -domain.length - 1) : "";
  if (label !== "" && !label.includes(".")) return { way: "host", clientId: label, target };
  const path = /^\/t\/([^/?]+)(.*)$/.exec(target);
  if (path !== null)
    return {
      way: "path",
      clientId: path[1] ?? "",
      target: path[2]?.startsWith("/") === true ? path[2] : `/${path[2] ?? ""}`,
    };
  return { way: "query", clientId: parsedTarget(target).query.get("clientid") ?? "", target };
}

export type ParsedTarget = { readonly path: string; readonly query: ReadonlyMap<string, string> };

/**
 * The path without its leading slash, and the query with its keys in lower case, decoded of percent-escapes alone; of a repeated
 * key the last value.
 */
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
  try {
    return decodeURIComponent(text.replaceAll(/%(?![0-9a-f]{2})/gi, "%25"));
  } catch {
    // What is no UTF-8 is taken as it is written.
    return text;
  }
}
