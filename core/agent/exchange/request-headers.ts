/**
 * What an origin is told in the head of a request, and which of the origins it is. The target never decides more than
 * that: it goes in origin form to a place that the agent was configured with, whatever it claims.
 */
import { at } from "../../assert.ts";
import { asRead, type HeaderList, headerValue, isToken, withoutHeaders } from "../../http/headers.ts";
import { mayClimb } from "../../http/target.ts";
import type { AgentConfig, OriginRoute } from "../config.ts";

/** Whether HTTP can carry these, and whether they are for an origin at all: `CONNECT` asks for another place. */
export function isRequestLine(method: string, target: string): boolean {
  if (!isToken(method) || method === "CONNECT") return false;
  return ORIGIN_FORM.test(target) || (target === "*" && method === "OPTIONS");
}

/**
 * The index of the origin with the longest prefix that the path begins with, on the border of a segment; -1 where there
 * is none. The path is compared as it came: an escaped letter is another letter.
 */
export function originFor(origins: readonly OriginRoute[], target: string): number {
  const mark = target.indexOf("?");
  const path = target === "*" ? "/" : mark < 0 ? target : target.slice(0, mark);
  let found = -1;
  let longest = 0;
  for (const [index, { prefix }] of origins.entries()) {
    if (prefix.length <= longest || !path.startsWith(prefix)) continue;
    const isWhole = prefix.endsWith("/") || path.length === prefix.length || path[prefix.length] === "/";
    if (!isWhole) continue;
    found = index;
    longest = prefix.length;
  }
  return found;
}

/**
 * The head's fields with the Host and the fields that the agent is configured with. They keep their order: Host takes the
 * place of the visitor's, or the first one, which RFC 9110 section 7.2 recommends; what is configured comes last.
 */
export function originHeaders(config: AgentConfig, origin: number, received: HeaderList): HeaderList {
  const host = hostFor(config, origin, received);
  const headers: string[] = [];
  let hasHost = false;
  for (let index = 0; index + 1 < received.length; index += 2) {
    const name = at(received, index);
    const key = name.toLowerCase();
    if (isConfigured(config, key)) continue;
    if (key !== "host") {
      headers.push(name, at(received, index + 1));
    } else if (!hasHost) {
      hasHost = true;
      headers.push(name, host);
    }
  }
  if (!hasHost) headers.unshift("Host", host);
  headers.push(...config.headers);
  return headers;
}

/** What the origin is told as Host. */
export function hostFor(config: AgentConfig, origin: number, received: HeaderList): string {
  const { hostHeader } = config;
  if (hostHeader.type === "fixed") return hostHeader.value;
  const visitors = hostHeader.type === "visitor" ? headerValue(received, "host") : undefined;
  return visitors ?? at(config.origins, origin).authority;
}

/** Whether a service of which a part is for visitors could take the target for another part. */
export function mayEscape({ prefix, basePath = "" }: OriginRoute, target: string): boolean {
  if (prefix === "/" && basePath === "") return false;
  const [path = ""] = target.split("?", 1);
  return mayClimb(path);
}

/** The fields that the agent does not say itself: what it says cannot be said again behind the body either. */
export function unconfigured(config: AgentConfig, fields: HeaderList): HeaderList {
  return withoutHeaders(fields, (name) => isConfigured(config, name));
}

/** Whether the agent says that field itself, in whichever spelling a visitor tries to. `name` is in lower case. */
function isConfigured({ headers }: AgentConfig, name: string): boolean {
  for (let index = 0; index + 1 < headers.length; index += 2) {
    if (asRead(at(headers, index).toLowerCase()) === asRead(name)) return true;
  }
  return false;
}

/** Printable ASCII without `#`, for no request target has a fragment. */
const ORIGIN_FORM = /^\/[\x21\x22\x24-\x7e]*$/;
