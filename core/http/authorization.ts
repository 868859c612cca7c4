/** What a request shows to be let in: `Authorization` (RFC 9110 section 11.6.2), or another field of the same grammar. */
import { decodeBase64 } from "../wire/base64.ts";
import { decodeUtf8 } from "../wire/utf8.ts";
import { type HeaderList, headerValues } from "./headers.ts";
import { trimmed } from "./whitespace.ts";

/** What a field shows, by its scheme; both null where it shows neither. */
export type Shown = {
  /** RFC 6750 section 2.1. */
  readonly bearer: string | null;
  /** RFC 7617 section 2. */
  readonly basic: { readonly user: string; readonly password: string } | null;
};

/** What the field shows: nothing where it is missing, or where two of it leave open which one counts. */
export function shownIn(headers: HeaderList, name: string): Shown {
  const field = fieldOf(headers, name);
  if (field === null || field.scheme === null) return NOTHING;
  if (field.scheme === "bearer") return { bearer: field.value, basic: null };
  return field.scheme === "basic" ? { bearer: null, basic: parseBasic(field.value) } : NOTHING;
}

/**
 * The token of `Authorization`, as `Bearer TOKEN` or, as deployed MoosicBox agents send it, bare. Null where there is none,
 * where it is of another scheme, or where two fields leave open which one counts.
 */
export function bearerToken(headers: HeaderList): string | null {
  const field = fieldOf(headers, "authorization");
  return field === null || (field.scheme !== null && field.scheme !== "bearer") ? null : field.value;
}

const NOTHING: Shown = { bearer: null, basic: null };

/** Null where there is no single field with a value of one piece. `scheme` is lower-case, null for a bare value. */
function fieldOf(
  headers: HeaderList,
  name: string,
): { readonly scheme: string | null; readonly value: string } | null {
  const values = headerValues(headers, name);
  const text = values[0] === undefined ? undefined : trimmed(values[0]);
  if (values.length !== 1 || text === undefined || text === "") return null;
  const space = text.indexOf(" ");
  if (space < 0) return text.toLowerCase() === "bearer" ? null : { scheme: null, value: text };
  const value = trimmed(text, space + 1);
  return value.includes(" ") ? null : { scheme: text.slice(0, space).toLowerCase(), value };
}

function parseBasic(value: string): Shown["basic"] {
  const bytes = decodeBase64(value);
  const text = bytes === null ? null : decodeUtf8(bytes);
  const colon = text?.indexOf(":") ?? -1;
  if (text === null || colon < 0) return null;
  return { user: text.slice(0, colon), password: text.slice(colon + 1) };
}

/** What in any `Authorization` has the shape of a token of a tunnel server, Culvert's or MoosicBox's: a UUID in lower case. */
export function tokensIn(headers: HeaderList): ReadonlySet<string> {
  const tokens = new Set<string>();
  for (const value of headerValues(headers, "authorization")) {
    for (const [token] of value.matchAll(UUID)) tokens.add(token);
  }
  return tokens;
}

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;
