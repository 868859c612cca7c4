/**
 * Where a home is for one who names it: for its visitor `https://home.example`, perhaps below a path; for its agent
 * `http://127.0.0.1:3000`. What one of them calls a place is read, and said as the other calls it.
 *
 * A reference (RFC 3986 section 4.1) names a place by scheme and host, by host alone, or by a path from the root. All others
 * are relative to where they stand, and mean the same on both sides.
 */
import { type Host, hostText, parseAuthority } from "./host.ts";

export type Scheme = "http" | "https";

export type Site = {
  readonly scheme: Scheme;
  /** As a Host header has it; empty where it is not known. */
  readonly authority: string;
  /** Below which all of it is: empty, or begins with a slash and ends without one. */
  readonly prefix: string;
};

/** `port` counts where the host has none, and is left out where it is the scheme's own. */
export function siteOf(scheme: Scheme, host: Host | null, port: number | null, prefix: string): Site {
  if (host === null) return { scheme, authority: "", prefix };
  const told = host.port ?? port;
  const authority = hostText({ ...host, port: told === DEFAULT_PORT[scheme] ? null : told });
  return { scheme, authority, prefix };
}

export type Reference = {
  /** Null where the reference says none. */
  readonly scheme: Scheme | null;
  /** Null for a path from the root. */
  readonly host: Host | null;
  /** Path, query and fragment: empty, or begins with a slash. */
  readonly local: string;
};

/** Null for what is relative, has another scheme or a user, or is no reference at all. */
export function parseReference(text: string): Reference | null {
  const match = WITH_AUTHORITY.exec(text);
  if (match === null) return text.startsWith("/") ? { scheme: null, host: null, local: text } : null;
  const [, scheme, authority = "", rest = ""] = match;
  const host = parseAuthority(authority);
  if (host === null) return null;
  const local = rest === "" || rest.startsWith("/") ? rest : `/${rest}`;
  return { scheme: scheme === undefined ? null : schemeOf(scheme), host, local };
}

/** The reference by scheme and host to what is at `local` of the site. */
export function absolute({ scheme, authority, prefix }: Site, local: string): string {
  return `${scheme}://${authority}${prefix}${local}`;
}

/** The reference with another path: what stands in front of it stays as it is written. */
export function withLocal(text: string, from: string, to: string): string {
  // A slash that the reference leaves out is of its reading only.
  const local = text.endsWith(from) ? from : from.slice(1);
  return text.slice(0, text.length - local.length) + to;
}

/** What of `local` is below the prefix, beginning with a slash; null where it is not below it. */
export function below(local: string, prefix: string): string | null {
  if (prefix === "") return local;
  if (!local.startsWith(prefix)) return null;
  const rest = local.slice(prefix.length);
  if (rest.startsWith("/")) return rest;
  return rest === "" || rest.startsWith("?") || rest.startsWith("#") ? `/${rest}` : null;
}

/** Whether the reference names the site's host and port, by whichever scheme. */
export function sharesHost({ scheme, host }: Reference, site: Site): boolean {
  const own = parseAuthority(site.authority);
  if (host === null || own === null || host.name !== own.name) return false;
  const asked = scheme ?? site.scheme;
  return portOf(host, asked) === portOf(own, asked);
}

/**
 * Whether the reference is to that site, whatever its path. One that says http is not to a site that says https, for anybody
 * on the way can speak as the former; the opposite comes to one behind a proxy that nobody told us of.
 */
export function isTo(reference: Reference, site: Site): boolean {
  return sharesHost(reference, site) && !(reference.scheme === "http" && site.scheme === "https");
}

export function portOf({ port }: Host, scheme: Scheme): number {
  return port ?? DEFAULT_PORT[scheme];
}

const DEFAULT_PORT = { http: 80, https: 443 } as const satisfies Record<Scheme, number>;

const WITH_AUTHORITY = /^(?:(https?):)?\/\/([^/?#\\]*)(.*)$/is;

function schemeOf(text: string): Scheme {
  return text.toLowerCase() === "https" ? "https" : "http";
}
