/**
 * The fields in which requests and responses name places of the service, and how each of them writes it. Whoever stands between
 * two that call one place by different names says what becomes of each reference; a field without one stays as it is.
 */
import { at } from "../assert.ts";
import type { HeaderList } from "./headers.ts";
import { trimmed } from "./whitespace.ts";

export type ReferenceMap = {
  /** What stands in place of the reference; null where it stays. `field` is in lower case. */
  readonly reference: (text: string, field: string) => string | null;
  /** The same for a web origin (RFC 6454 section 7), which has no path. */
  readonly origin: (text: string) => string | null;
  /** The same for a cookie's `path` or `domain`; empty where the attribute is left out. `name` is the cookie's. */
  readonly cookie: (attribute: "path" | "domain", value: string, name: string) => string | null;
};

/** The list itself where nothing in it changes. */
export function mapRequestReferences(headers: HeaderList, map: ReferenceMap): HeaderList {
  return mapped(headers, REQUEST_FIELDS, map);
}

/** The list itself where nothing in it changes. */
export function mapResponseReferences(headers: HeaderList, map: ReferenceMap): HeaderList {
  return mapped(headers, RESPONSE_FIELDS, map);
}

/** The value with its references mapped; null where it stays. `field` is in lower case. */
type Syntax = (value: string, map: ReferenceMap, field: string) => string | null;

const REQUEST_FIELDS: ReadonlyMap<string, Syntax> = new Map<string, Syntax>([
  ["origin", originAlone],
  ["referer", referenceAlone],
  // RFC 4918 sections 10.3 and 10.4.
  ["destination", referenceAlone],
  ["if", taggedLists],
]);

const RESPONSE_FIELDS: ReadonlyMap<string, Syntax> = new Map<string, Syntax>([
  ["location", referenceAlone],
  ["content-location", referenceAlone],
  ["refresh", refresh],
  ["link", links],
  ["set-cookie", cookie],
  // Whoever was told another origin allows that one.
  ["access-control-allow-origin", originAlone],
]);

function mapped(headers: HeaderList, fields: ReadonlyMap<string, Syntax>, map: ReferenceMap): HeaderList {
  let changed: string[] | null = null;
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const name = at(headers, index).toLowerCase();
    const value = fields.get(name)?.(at(headers, index + 1), map, name) ?? null;
    if (value === null) continue;
    changed ??= [...headers];
    changed[index + 1] = value;
  }
  return changed ?? headers;
}

function originAlone(value: string, map: ReferenceMap): string | null {
  return map.origin(value);
}

function referenceAlone(value: string, map: ReferenceMap, field: string): string | null {
  return map.reference(value, field);
}

/** `Refresh: 5; url=/next`, which browsers take with and without `url=` and quotes. */
function refresh(value: string, map: ReferenceMap, field: string): string | null {
  const [, before = "", quote = "", rest = ""] = REFRESH.exec(value) ?? [];
  const end = quote === "" ? rest.length : rest.indexOf(quote);
  const text = end < 0 ? rest : rest.slice(0, end);
  const moved = text === "" ? null : map.reference(text, field);
  return moved === null ? null : before + quote + moved + rest.slice(text.length);
}

const REFRESH = /^([ \t]*[\d.]+(?=[ \t;,])[ \t]*(?:[;,][ \t]*)?(?:url[ \t]*=[ \t]*)?)(["']?)(.*)$/is;

/** RFC 8288 section 3: `<reference>; rel=next, ...`. */
function links(value: string, map: ReferenceMap, field: string): string | null {
  return bracketed(value, false, map, field);
}

/** RFC 4918 section 10.4: `<reference> (conditions) ...`. The conditions have tokens in brackets, which are none of ours. */
function taggedLists(value: string, map: ReferenceMap, field: string): string | null {
  return bracketed(value, true, map, field);
}

/** What stands in angle brackets outside of quotes, and outside of parentheses where `hasLists` says that there are some. */
function bracketed(value: string, hasLists: boolean, map: ReferenceMap, field: string): string | null {
  let text = "";
  let copied = 0;
  let isQuoted = false;
  let isInList = false;
  for (let index = 0; index < value.length; index++) {
    const character = value[index];
    if (isQuoted && character === "\\") index++;
    else if (character === '"') isQuoted = !isQuoted;
    else if (isQuoted) continue;
    else if (isInList) isInList = character !== ")";
    else if (hasLists && character === "(") isInList = true;
    else if (character === "<") {
      const end = value.indexOf(">", index);
      if (end < 0) break;
      const moved = map.reference(value.slice(index + 1, end), field);
      if (moved !== null) {
        text += value.slice(copied, index + 1) + moved;
        copied = end;
      }
      index = end;
    }
  }
  return copied === 0 ? null : text + value.slice(copied);
}

/** RFC 6265 section 4.1: the cookie, then attributes. Their names are in any case, and of several alike the last one counts. */
function cookie(value: string, map: ReferenceMap): string | null {
  const [pair = "", ...attributes] = value.split(";");
  const kept = [pair];
  let isChanged = false;
  for (const attribute of attributes) {
    const moved = movedAttribute(attribute, pair, map);
    if (moved !== null) isChanged = true;
    if (moved !== "") kept.push(moved ?? attribute);
  }
  return isChanged ? kept.join(";") : null;
}

function movedAttribute(attribute: string, pair: string, map: ReferenceMap): string | null {
  const [, name = "", text = ""] = ATTRIBUTE.exec(attribute) ?? [];
  const key = trimmed(name).toLowerCase();
  if (key !== "path" && key !== "domain") return null;
  const moved = map.cookie(key, trimmed(text), trimmed(pair, 0, pair.indexOf("=")));
  return moved === null || moved === "" ? moved : `${name}=${moved}`;
}

const ATTRIBUTE = /^([^=]*)=(.*)$/s;
