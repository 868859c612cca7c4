/**
 * Whom a request names as its host (RFC 9110 section 7.2, RFC 9112 section 3.2), in one spelling that decides everything:
 * lower case, without the port and without the dot that ends a rooted name.
 */
import { type HeaderList, headerValues } from "./headers.ts";
import { parseIp } from "./ip.ts";
import { authorityOf } from "./target.ts";

export type Host = {
  /** A name in lower case, an IPv4 address, or an IPv6 address in brackets. Punycode stays punycode. */
  readonly name: string;
  /** As given, null where it is not. */
  readonly port: number | null;
};

/**
 * The host of the request: that of an absolute-form target, whatever the Host header says, else that of the header.
 * Undefined where the request names none; null where it names several, or one that cannot be a host.
 */
export function requestHost(target: string, headers: HeaderList): Host | null | undefined {
  const fields = headerValues(headers, "host");
  if (fields.length > 1) return null;
  const named = authorityOf(target) ?? fields[0];
  return named === undefined || named === "" ? undefined : parseAuthority(named);
}

/** RFC 9112 section 3.2.2: the host of a target in absolute form counts, whatever the field says. */
export function withTargetsHost(target: string, headers: HeaderList): HeaderList {
  const authority = authorityOf(target);
  if (authority === undefined) return headers;
  const replaced: string[] = [];
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const name = headers[index] ?? "";
    replaced.push(name, name.toLowerCase() === "host" ? authority : (headers[index + 1] ?? ""));
  }
  return replaced;
}

/**
 * The client id of the home whose name this is: exactly one label in front of `domain`. Null for everything else, the
 * domain itself, deeper names and the reserved labels included.
 */
export function homeOfHost(host: string, domain: string): string | null {
  if (!host.endsWith(`.${domain}`)) return null;
  const label = host.slice(0, -domain.length - 1);
  return LABEL.test(label) && !RESERVED_LABELS.has(label) ? label : null;
}

/** The name below `domain` that leads to the home; null where its client id cannot be a label. */
export function hostOfHome(clientId: string, domain: string): string | null {
  const host = `${clientId}.${domain}`;
  return homeOfHost(host, domain) === clientId ? host : null;
}

/** As a Host header has it. */
export function hostText({ name, port }: Host): string {
  return port === null ? name : `${name}:${port}`;
}

/** Reads `HOST` or `HOST:PORT`. Null for a user in front of it, and for what neither DNS nor IP has. */
export function parseAuthority(text: string): Host | null {
  const match = AUTHORITY.exec(text);
  if (match === null) return null;
  const [, literal, name = "", digits = ""] = match;
  const port = digits === "" ? null : Number(digits);
  if (port !== null && port > PORT_MAX) return null;
  if (literal !== undefined) {
    return literal.includes(":") && parseIp(literal) !== null
      ? { name: `[${literal.toLowerCase()}]`, port }
      : null;
  }
  const lowerCase = name.toLowerCase();
  const rootless = lowerCase.endsWith(".") ? lowerCase.slice(0, -1) : lowerCase;
  return rootless.length <= NAME_LENGTH_MAX && LABELS.test(rootless) ? { name: rootless, port } : null;
}

/** An address in brackets, or a name of any spelling; then perhaps a port. */
const AUTHORITY = /^(?:\[([0-9A-Fa-f:.]+)\]|([0-9A-Za-z._-]+))(?::(\d{0,5}))?$/;

/** RFC 1035 section 2.3.4, and the underscore, which DNS carries and many names have. */
const LABEL = /^[0-9a-z_-]{1,63}$/;
const LABELS = /^[0-9a-z_-]{1,63}(?:\.[0-9a-z_-]{1,63})*$/;
const NAME_LENGTH_MAX = 253;
const PORT_MAX = 65_535;

/** The server's own, now or later, whoever registers under such a name. */
const RESERVED_LABELS: ReadonlySet<string> = new Set(["admin", "api", "www"]);
