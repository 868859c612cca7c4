/**
 * Cookies as a server between browser and service has to know them (RFC 6265): some are taken from a request, some are not
 * passed on from an answer. What is not ours stays byte by byte as it is.
 */
import { at } from "../assert.ts";
import { type HeaderList, headerValues } from "../http/headers.ts";
import { trimmed } from "../http/whitespace.ts";

/** The values of the request's cookies of that name, in order. */
export function cookiesNamed(headers: HeaderList, name: string): string[] {
  const values: string[] = [];
  for (const field of headerValues(headers, "cookie")) {
    for (const pair of field.split(";")) {
      const equals = pair.indexOf("=");
      if (equals >= 0 && trimmed(pair, 0, equals) === name) values.push(trimmed(pair, equals + 1));
    }
  }
  return values;
}

/** The request's fields without the cookies whose name the predicate picks. */
export function withoutCookies(headers: HeaderList, picks: (name: string) => boolean): HeaderList {
  return mapFields(headers, "cookie", (value) => {
    const pairs = value.split(";");
    const kept = pairs.filter((pair) => !picks(nameOf(pair)));
    if (kept.length === pairs.length) return value;
    const rest = trimmed(kept.join(";"));
    return rest === "" ? null : rest;
  });
}

/** The answer's fields without those that set a cookie whose name the predicate picks. */
export function withoutSetCookies(headers: HeaderList, picks: (name: string) => boolean): HeaderList {
  return mapFields(headers, "set-cookie", (value) => (picks(nameOf(value)) ? null : value));
}

/** A cookie without a name is sent as its value alone, which reads as whatever it looks like. */
function nameOf(pair: string): string {
  const [first = ""] = pair.split(";", 1);
  const [name = "", next = ""] = first.split("=", 2);
  return trimmed(name) === "" ? trimmed(next) : trimmed(name);
}

/** The list with another value in each field of that name; without the field where that is null. */
function mapFields(headers: HeaderList, name: string, change: (value: string) => string | null): HeaderList {
  let changed: string[] | null = null;
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const value = at(headers, index + 1);
    const isMeant = at(headers, index).toLowerCase() === name;
    const now = isMeant ? change(value) : value;
    if (now !== value) changed ??= headers.slice(0, index);
    if (now !== null) changed?.push(at(headers, index), now);
  }
  return changed ?? headers;
}
