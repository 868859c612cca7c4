/**
 * What the home is told of the visitor's side of the tunnel: the de facto `X-Forwarded-*` and `Forwarded` (RFC 7239).
 *
 * Anybody can write these fields, so they count only where a trusted proxy is the peer. They are read, checked and written
 * anew, always all of them and always in agreement: an origin that reads one sort is never told another story by the other.
 */
import type { ExchangeOpened } from "../events.ts";
import { endToEnd, endToEndWithout, type HeaderList, headerValue, headerValues } from "./headers.ts";
import { type Host, hostText, parseAuthority, requestHost } from "./host.ts";
import { formatIp, type IpAddress, type IpBlock, isInBlock, parseIp } from "./ip.ts";
import { type Scheme, type Site, siteOf } from "./site.ts";
import { trimmed } from "./whitespace.ts";

export type Hop = {
  /** IP address of the TCP peer, as the system prints it. */
  readonly peer: string;
  /** From `parseIpBlock`. */
  readonly trustedProxies: readonly IpBlock[];
  /** Whether the visitor's connection to this server is encrypted. */
  readonly secure: boolean;
  /** Whom the request names as its host; null where it names none. */
  readonly host: Host | null;
  /** What this server took off the front of the path; begins with a slash and ends without one. */
  readonly prefix?: string;
};

type Request = Pick<ExchangeOpened, "target" | "headers" | "peer">;
type Trust = Pick<Hop, "trustedProxies">;

/**
 * The request's headers for the home: hop-by-hop fields removed, forwarding fields set. In this order, for `Connection` could
 * name the latter. An upgrade's own `Connection` and `Upgrade` are the caller's to add again.
 */
export function forwardHeaders(request: Request, { trustedProxies }: Trust, prefix = ""): HeaderList {
  const { target, headers, peer } = request;
  const host = requestHost(target, headers) ?? null;
  return forwardedHeaders(headers, { peer, trustedProxies, secure: false, host, prefix });
}

/** What the visitor calls that part of this server, as far as trusted proxies tell; of no host where nobody tells one. */
export function visitorSite(request: Request, { trustedProxies }: Trust, prefix: string): Site {
  const { target, headers, peer } = request;
  const told = isTrustedProxy(peer, trustedProxies) ? storyOf(endToEnd(headers)) : NO_STORY;
  const host = told.host ?? requestHost(target, headers) ?? null;
  return siteOf(told.proto ?? "http", host, told.port, told.prefix + prefix);
}

/**
 * The end-to-end fields of the list, with forwarding fields that tell of this hop, and of those before it as far as trusted
 * proxies tell of them.
 *
 * The last client is the visitor: trusted proxies in front of this server are no more of the home's business than the server
 * is. A service set up for one proxy believes the last address and no other, and must not take a proxy of ours for it.
 */
export function forwardedHeaders(headers: HeaderList, hop: Hop): HeaderList {
  const peer = parseIp(hop.peer.replace(ZONE, ""));
  const isTrusted = peer !== null && hop.trustedProxies.some((block) => isInBlock(peer, block));
  const passed = isTrusted ? endToEnd(headers) : NO_HEADERS;
  const told = isTrusted ? storyOf(passed) : NO_STORY;
  const clients = isTrusted ? upToVisitor([...told.clients, peer], hop.trustedProxies) : [peer];
  const proto = told.proto ?? (hop.secure ? "https" : "http");
  const host = told.host ?? hop.host;
  const kept = endToEndWithout(headers, isForwarding);
  const realIp = isTrusted ? parseNode(headerValue(passed, "x-real-ip")) : null;
  if (realIp !== null) kept.push("X-Real-IP", formatIp(realIp));
  kept.push("X-Forwarded-For", clients.map(plainText).join(", "), "X-Forwarded-Proto", proto);
  if (host !== null) kept.push("X-Forwarded-Host", hostText(host));
  if (told.port !== null) kept.push("X-Forwarded-Port", String(host?.port ?? told.port));
  if (told.hasSsl) kept.push("X-Forwarded-Ssl", proto === "https" ? "on" : "off");
  const prefix = told.prefix + (hop.prefix ?? "");
  if (prefix !== "") kept.push("X-Forwarded-Prefix", prefix);
  kept.push("Forwarded", forwardedValue(clients, proto, host));
  return kept;
}

/**
 * Whose share of a bound a visitor takes: his address, or the one that trusted proxies name. An IPv6 network of 64
 * bits is one, since whoever has an address there has them all. Empty where there is no address, and for a trusted proxy
 * that names none: then nobody can tell its visitors apart.
 */
export function addressKey(peer: string, headers: HeaderList, trustedProxies: readonly IpBlock[]): string {
  const address = parseIp(peer.replace(ZONE, ""));
  if (address === null) return "";
  if (!trustedProxies.some((block) => isInBlock(address, block))) return networkText(address);
  const client = upToVisitor(storyOf(endToEnd(headers)).clients, trustedProxies).at(-1) ?? null;
  return client === null ? "" : networkText(client);
}

/** Whether the peer is a proxy whose forwarding fields count. */
export function isTrustedProxy(peer: string, trustedProxies: readonly IpBlock[]): boolean {
  const address = parseIp(peer.replace(ZONE, ""));
  return address !== null && trustedProxies.some((block) => isInBlock(address, block));
}

function networkText(address: IpAddress): string {
  return address.family === 4 ? formatIp(address) : address.groups.slice(0, 4).join(":");
}

const NO_HEADERS: HeaderList = [];

/** What came before this hop; the nearest client is the last one. */
type Story = {
  readonly clients: readonly IpAddress[];
  readonly proto: Scheme | null;
  readonly host: Host | null;
  readonly port: number | null;
  /** Whether the protocol is told by `X-Forwarded-Ssl` as well. */
  readonly hasSsl: boolean;
  readonly prefix: string;
};

const NO_STORY: Story = { clients: [], proto: null, host: null, port: null, hasSsl: false, prefix: "" };

type Chain = readonly (IpAddress | null)[];

/** The chain without the trusted proxies that end it. Where all are trusted, the first is somebody who uses them. */
function upToVisitor(chain: Chain, trustedProxies: readonly IpBlock[]): Chain {
  let length = chain.length;
  while (length > 1) {
    const last = chain[length - 1] ?? null;
    if (last === null || !trustedProxies.some((block) => isInBlock(last, block))) break;
    length--;
  }
  return chain.slice(0, length);
}

/**
 * `X-Forwarded-*` counts where it is there, since most proxies set that one and pass on a visitor's `Forwarded` unread. What
 * stands to the left of something that is no address was put there by nobody who is trusted.
 */
function storyOf(headers: HeaderList): Story {
  const chain = elementsOf(headerValues(headers, "x-forwarded-for"), ",");
  const proto = firstOf(headers, "x-forwarded-proto");
  const host = firstOf(headers, "x-forwarded-host");
  const ssl = firstOf(headers, "x-forwarded-ssl")?.toLowerCase();
  const hasSsl = ssl === "on" || ssl === "off";
  const secured = ssl === "on" ? "https" : null;
  const rest = { port: portIn(firstOf(headers, "x-forwarded-port")), hasSsl, prefix: prefixIn(headers) };
  if (chain.length > 0 || proto !== undefined || host !== undefined) {
    return { clients: lastAddresses(chain), proto: protoOf(proto) ?? secured, host: hostOf(host), ...rest };
  }
  const hops = elementsOf(headerValues(headers, "forwarded"), ",").map(parametersOf);
  const clients = lastAddresses(hops.map((hop) => hop.get("for") ?? ""));
  const told = hops.slice(hops.length - clients.length);
  return {
    clients,
    proto: protoOf(told.find((hop) => hop.has("proto"))?.get("proto")) ?? secured,
    host: hostOf(told.find((hop) => hop.has("host"))?.get("host")),
    ...rest,
  };
}

/** The first element is the outermost proxy's, which the visitor talked to. */
function firstOf(headers: HeaderList, name: string): string | undefined {
  return elementsOf(headerValues(headers, name), ",")[0];
}

function lastAddresses(nodes: readonly string[]): readonly IpAddress[] {
  const addresses: IpAddress[] = [];
  for (const node of nodes.toReversed()) {
    const address = parseNode(node);
    if (address === null) break;
    addresses.push(address);
  }
  return addresses.reverse();
}

/** An address as proxies write it: IPv6 in brackets or bare, either perhaps with a port. */
function parseNode(text: string | undefined): IpAddress | null {
  if (text === undefined) return null;
  return parseIp(BRACKETED.exec(text)?.[1] ?? WITH_PORT.exec(text)?.[1] ?? text);
}

function protoOf(text: string | undefined): Scheme | null {
  const lowerCase = text?.toLowerCase();
  return lowerCase === "http" || lowerCase === "https" ? lowerCase : null;
}

function portIn(text: string | undefined): number | null {
  return parseAuthority(`port:${text ?? ""}`)?.port ?? null;
}

/** Each proxy names what it took off, the outermost one first. All of them are left out where one is no path. */
function prefixIn(headers: HeaderList): string {
  const prefixes = elementsOf(headerValues(headers, "x-forwarded-prefix"), ",");
  const joined = prefixes.map((prefix) => prefix.replace(/\/+$/, "")).join("");
  return PREFIX.test(joined) ? joined : "";
}

function hostOf(text: string | undefined): Host | null {
  return text === undefined ? null : parseAuthority(text);
}

/** RFC 7239 section 4: `for=192.0.2.43;proto=https`, names in any case, values perhaps quoted. */
function parametersOf(element: string): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>();
  for (const pair of elementsOf([element], ";")) {
    const equals = pair.indexOf("=");
    if (equals < 0) continue;
    const value = pair.slice(equals + 1);
    const quoted = QUOTED.exec(value)?.[1];
    parameters.set(pair.slice(0, equals).toLowerCase(), quoted?.replace(/\\(.)/g, "$1") ?? value);
  }
  return parameters;
}

/** The elements of a list in all its fields, split outside of quotes, without the empty ones. */
function elementsOf(fields: readonly string[], separator: "," | ";"): string[] {
  const elements: string[] = [];
  for (const field of fields) {
    let start = 0;
    let isQuoted = false;
    for (let index = 0; index <= field.length; index++) {
      const character = field[index] ?? separator;
      if (character === "\\" && isQuoted && index + 1 < field.length) index++;
      else if (character === '"') isQuoted = !isQuoted;
      else if (character === separator && (!isQuoted || index === field.length)) {
        const element = trimmed(field, start, index);
        if (element !== "") elements.push(element);
        start = index + 1;
      }
    }
  }
  return elements;
}

/** One element for each client; what the outermost proxy was asked for stands with the first one. */
function forwardedValue(clients: Chain, proto: string, host: Host | null): string {
  const elements = clients.map((client) => `for=${quotedIfNeeded(nodeText(client))}`);
  elements[0] += `;proto=${proto}`;
  if (host !== null) elements[0] += `;host=${quotedIfNeeded(hostText(host))}`;
  return elements.join(", ");
}

/** RFC 7239 section 6: an IPv6 address is written in brackets, and a peer without an address is `unknown`. */
function nodeText(client: IpAddress | null): string {
  return client?.family === 6 ? `[${formatIp(client)}]` : plainText(client);
}

function plainText(client: IpAddress | null): string {
  return client === null ? "unknown" : formatIp(client);
}

function quotedIfNeeded(text: string): string {
  return TOKEN.test(text) ? text : `"${text}"`;
}

function isForwarding(name: string): boolean {
  return FORWARDING.test(name);
}

/** Servers that know headers as variables take an underscore for a hyphen. */
const FORWARDING = /^(?:forwarded$|x[-_]real[-_]ip$|x[-_]forwarded[-_])/;

/** `fe80::1%eth0`: the interface means nothing to anybody else. */
const ZONE = /%.*$/s;
const BRACKETED = /^\[([^\]]+)\](?::\d{1,5})?$/;
const WITH_PORT = /^([^:]+):\d{1,5}$/;
const QUOTED = /^"(.*)"$/s;
const TOKEN = /^[0-9A-Za-z._-]+$/;
/** Segments of a path as they stand in a reference (RFC 3986 section 3.3): none is empty, so it is never taken for a host. */
const PREFIX = /^(?:\/[\w.~!$&'()*+;=:@%-]+)*$/;
