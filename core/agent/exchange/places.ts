/**
 * One request's two names for its service: what the visitor calls it, and what it is told that it is called. Where the two
 * differ, all that names the one is made to name the other: a service that compares `Origin` or `Destination` with its `Host`
 * finds them in agreement, and a visitor is never sent to an address of the private network.
 */
import { at } from "../../assert.ts";
import { type HeaderList, headerValue, withoutHeaders } from "../../http/headers.ts";
import { type Host, parseAuthority } from "../../http/host.ts";
import { mapRequestReferences, mapResponseReferences } from "../../http/reference-fields.ts";
import {
  absolute,
  below,
  isTo,
  parseReference,
  portOf,
  type Reference,
  type Scheme,
  type Site,
  siteOf,
  withLocal,
} from "../../http/site.ts";
import type { AgentConfig, OriginRoute } from "../config.ts";
import type { Places } from "../state.ts";
import { hostFor, mayEscape, originFor } from "./request-headers.ts";

/** Null where both call it the same. `received` are the fields that the server sent. */
export function placesOf(config: AgentConfig, origin: number, received: HeaderList): Places | null {
  const visitor = visitorSite(received);
  const { basePath = "" } = at(config.origins, origin);
  const service =
    config.hostHeader.type === "visitor" && visitor !== null
      ? { ...visitor, prefix: basePath }
      : {
          scheme: schemeOf(at(config.origins, origin)),
          authority: hostFor(config, origin, received),
          prefix: basePath,
        };
  const places = { visitor, service, origin };
  return isOneHost(places) && basePath === "" ? null : places;
}

/** Whether visitor and service differ in paths at most. Then what says the host is left as it is written. */
function isOneHost({ visitor, service }: Places): boolean {
  return service.authority === visitor?.authority;
}

/**
 * The request's fields as they mean the same to the service. One that has a place in its fields is not told of another host
 * beside: services compare the two, and some prefer `X-Forwarded-Host` to `Host`.
 */
export function towardsService(
  headers: HeaderList,
  places: Places | null,
  { origins }: AgentConfig,
): HeaderList {
  const visitor = places?.visitor ?? null;
  if (places === null || visitor === null) return headers;
  const { service } = places;
  const isSame = isOneHost(places);
  let isCompared = false;
  const moved = mapRequestReferences(headers, {
    reference: (text, field) => {
      const read = parseReference(text);
      if (read === null || (read.host !== null && !isTo(read, visitor))) return null;
      // One that the service acts on is for this service, or it would take it for a place of its own.
      if (field !== "referer" && !isServed(origins, places.origin, pathOf(read.local))) return null;
      if (read.host === null) return service.prefix === "" ? null : service.prefix + read.local;
      if (field !== "referer") isCompared = true;
      return isSame
        ? withLocal(text, read.local, service.prefix + read.local)
        : absolute(service, read.local);
    },
    origin: (text) => {
      const read = parseReference(text);
      if (isSame || read === null || read.local !== "" || !isTo(read, visitor)) return null;
      isCompared = true;
      return `${service.scheme}://${service.authority}`;
    },
    cookie: () => null,
  });
  return isCompared && !isSame ? withoutForwardedHost(moved) : moved;
}

/** The response's fields as they mean the same to the visitor. */
export function towardsVisitor(
  headers: HeaderList,
  places: Places | null,
  { origins }: AgentConfig,
): HeaderList {
  if (places === null) return headers;
  const { visitor, service } = places;
  const isSame = isOneHost(places);
  const names = isSame ? [service.authority] : [service.authority, at(origins, places.origin).authority];
  return mapResponseReferences(headers, {
    reference: (text) => {
      const read = parseReference(text);
      if (read === null) return null;
      const local = below(read.local, service.prefix);
      if (read.host === null) return service.prefix === "" ? null : local;
      if (!isOwn(read, names, service.scheme)) return null;
      const place = local ?? read.local;
      if (visitor === null) return place || "/";
      return isSame ? withLocal(text, read.local, place) : absolute(visitor, place);
    },
    origin: (text) => {
      const read = parseReference(text);
      if (
        isSame ||
        visitor === null ||
        read === null ||
        read.local !== "" ||
        !isOwn(read, names, service.scheme)
      )
        return null;
      return `${visitor.scheme}://${visitor.authority}`;
    },
    cookie: (attribute, value) => {
      if (attribute === "path") return service.prefix === "" ? null : below(value, service.prefix);
      if (isSame) return null;
      // Without a domain a cookie is for the host that set it, which is the visitor's.
      return isOwnDomain(value, names, visitor) ? "" : null;
    },
  });
}

/** From what Culvert's server says of the visitor, and no visitor can. */
function visitorSite(received: HeaderList): Site | null {
  const host = parseAuthority(headerValue(received, "x-forwarded-host") ?? "");
  if (host === null) return null;
  const scheme = headerValue(received, "x-forwarded-proto") === "https" ? "https" : "http";
  const port = headerValue(received, "x-forwarded-port");
  return siteOf(scheme, host, port === undefined ? null : Number(port), "");
}

function schemeOf({ secure = false }: OriginRoute): Scheme {
  return secure ? "https" : "http";
}

/** Whether a request for the target would go to that origin. */
function isServed(origins: readonly OriginRoute[], origin: number, target: string): boolean {
  return originFor(origins, target) === origin && !mayEscape(at(origins, origin), target);
}

function pathOf(local: string): string {
  return local.startsWith("/") ? local : `/${local}`;
}

/**
 * Whether a reference of the service is to itself. It may say another scheme, for it may have been told the visitor's, and no
 * port, for it may know its port by another number than those who reach it through a container's. On the loopback
 * interface all names are one, and there it is itself whoever has its port: a visitor has nothing to do with that one.
 */
function isOwn({ host }: Reference, names: readonly string[], scheme: Scheme): boolean {
  if (host === null) return false;
  return names.some((text) => {
    const own = parseAuthority(text);
    if (own === null) return false;
    const isNamed = host.name === own.name || (isLocal(host) && isLocal(own));
    return host.port === portOf(own, scheme) ? isNamed || isLocal(host) : isNamed && host.port === null;
  });
}

/** Whether a cookie of that domain is for the service's own host, and the visitor's browser would not take it. */
function isOwnDomain(value: string, names: readonly string[], visitor: Site | null): boolean {
  const domain = parseAuthority(value.replace(/^\./, ""));
  if (domain === null) return false;
  const isWithin = (text: string) => {
    const name = parseAuthority(text)?.name ?? "";
    return name === domain.name || name.endsWith(`.${domain.name}`);
  };
  if (visitor !== null && isWithin(visitor.authority)) return false;
  return isLocal(domain) || names.some(isWithin);
}

/** The machine itself, or all of its addresses, which a server that listens on them may take for its name. */
function isLocal({ name }: Host): boolean {
  return LOCAL.test(name);
}

const LOCAL = /^(?:localhost|127(?:\.\d+){3}|\[::1\]|0\.0\.0\.0|\[::\])$/;

/** In the spelling of Culvert's server, which takes out whatever a visitor says of these. */
function withoutForwardedHost(headers: HeaderList): HeaderList {
  const kept = withoutHeaders(headers, (name) => name === "x-forwarded-host" || name === "x-forwarded-port");
  for (let index = 0; index + 1 < kept.length; index += 2) {
    if (at(kept, index).toLowerCase() !== "forwarded") continue;
    kept[index + 1] = at(kept, index + 1).replace(FORWARDED_HOST, "");
  }
  return kept;
}

const FORWARDED_HOST = /;host=(?:"[^"]*"|[^;,]*)/g;
