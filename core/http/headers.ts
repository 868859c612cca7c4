/**
 * Header fields (RFC 9110 section 5) as flat lists, which keep what a map would lose: order, duplicates and odd casing.
 */
import { at } from "../assert.ts";
import { trimmed } from "./whitespace.ts";

/** Header fields in the order received, duplicates kept: name, value, name, value, ... Values are Latin-1 text. */
export type HeaderList = readonly string[];

/** The first value of a header, whatever the case of its name. */
export function headerValue(headers: HeaderList, name: string): string | undefined {
  for (let index = 0; index + 1 < headers.length; index += 2) {
    if (isName(headers[index], name)) return headers[index + 1];
  }
  return undefined;
}

/** All values of a header in order, whatever the case of its name. */
export function headerValues(headers: HeaderList, name: string): string[] {
  const values: string[] = [];
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const value = headers[index + 1];
    if (value !== undefined && isName(headers[index], name)) values.push(value);
  }
  return values;
}

/**
 * What may be passed on to the next hop: without the fields of this connection and those that `Connection` nominates
 * (RFC 9110 section 7.6.1). A nomination cannot remove what a message needs to mean the same on the other side.
 */
export function endToEnd(headers: HeaderList): HeaderList {
  return endToEndWithout(headers, null);
}

/** The same without the fields whose lower-case name the predicate picks, in a list of its own. */
export function endToEndWithout(headers: HeaderList, picks: ((name: string) => boolean) | null): string[] {
  const nominated = nominatedNames(headers);
  return withoutHeaders(
    headers,
    (name) => HOP_BY_HOP.has(name) || nominated?.has(name) === true || picks?.(name) === true,
  );
}

/** The lower-case name as servers read it that know fields as variables: they take an underscore for a hyphen. */
export function asRead(name: string): string {
  return name.includes("_") ? name.replaceAll("_", "-") : name;
}

/** The list without the fields of that lower-case name. */
export function withoutHeader(headers: HeaderList, name: string): HeaderList {
  return withoutHeaders(headers, (each) => each === name);
}

/** The list without the fields whose lower-case name the predicate picks. */
export function withoutHeaders(headers: HeaderList, picks: (name: string) => boolean): string[] {
  const kept: string[] = [];
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const name = headers[index];
    const value = headers[index + 1];
    if (name === undefined || value === undefined || picks(name.toLowerCase())) continue;
    kept.push(name, value);
  }
  return kept;
}

/** Whether the text is a token, as methods and names of fields are (RFC 9110 section 5.6.2). */
export function isToken(text: string): boolean {
  return TOKEN.test(text);
}

/** Whether name and value may be sent: a token, and Latin-1 without control characters but tab (RFC 9110 section 5.5). */
export function validHeader(name: string, value: string): boolean {
  return TOKEN.test(name) && !NOT_FIELD_CONTENT.test(value);
}

/** Whether each field of the list may be sent. */
export function validHeaders(headers: HeaderList): boolean {
  for (let index = 0; index + 1 < headers.length; index += 2) {
    if (!validHeader(at(headers, index), at(headers, index + 1))) return false;
  }
  return true;
}

/**
 * The body's length by `Content-Length`, null where it is not given. Equal values, in one field or several, count as one
 * (RFC 9112 section 6.3); anything else that is not a whole number of bytes is "invalid".
 */
export function contentLength(headers: HeaderList): number | null | "invalid" {
  let length: number | null = null;
  for (let index = 0; index + 1 < headers.length; index += 2) {
    if (!isName(headers[index], "content-length")) continue;
    for (const element of at(headers, index + 1).split(",")) {
      const digits = DIGITS.exec(element)?.[1];
      const value = digits === undefined ? Number.NaN : Number(digits);
      if (!Number.isSafeInteger(value)) return "invalid";
      if (length !== null && length !== value) return "invalid";
      length = value;
    }
  }
  return length;
}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const NOT_FIELD_CONTENT = /[^\t\x20-\x7e\x80-\xff]/;
const DIGITS = /^[\t ]*(\d+)[\t ]*$/;

const HOP_BY_HOP: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** Framing, meaning, rights and routes of a message: no sender may have them stripped on the way. */
const END_TO_END_ALWAYS: ReadonlySet<string> = new Set([
  "authorization",
  "cache-control",
  "content-encoding",
  "content-length",
  "content-range",
  "content-type",
  "cookie",
  "host",
  "location",
  "set-cookie",
  "vary",
  "www-authenticate",
]);

/** Null where nothing is nominated, as in nearly every message. */
function nominatedNames(headers: HeaderList): ReadonlySet<string> | null {
  let names: Set<string> | null = null;
  for (let index = 0; index + 1 < headers.length; index += 2) {
    if (!isName(headers[index], "connection")) continue;
    for (const option of at(headers, index + 1).split(",")) {
      const name = trimmed(option).toLowerCase();
      if (name === "keep-alive" || name === "close" || END_TO_END_ALWAYS.has(name)) continue;
      names ??= new Set();
      names.add(name);
    }
  }
  return names;
}

/** Compares the lengths first: most names differ there already. */
function isName(name: string | undefined, wanted: string): boolean {
  if (name?.length !== wanted.length) return false;
  return name === wanted || name.toLowerCase() === wanted.toLowerCase();
}
