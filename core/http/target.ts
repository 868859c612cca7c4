/**
 * Request targets (RFC 9112 section 3.2). The path travels as it was received. The query travels decoded, as the MoosicBox
 * protocol has it: of a repeated key the last value wins, and `+` means a space.
 */

export type Target = {
  /** Without its leading slash, otherwise as received. */
  readonly path: string;
  /** Decoded, in the order of first appearance. */
  readonly query: Map<string, string>;
};

/**
 * Reads a target in origin form, or in absolute form from after the authority. Null for the other forms, for characters
 * that no target has, and for a query that is not UTF-8 behind its percent-escapes.
 */
export function parseTarget(target: string): Target | null {
  if (!TARGET.test(target)) return null;
  const local = target.startsWith("/") ? target : afterAuthority(target);
  if (local === null) return null;
  const mark = local.indexOf("?");
  const query = parseQuery(mark < 0 ? "" : local.slice(mark + 1));
  if (query === null) return null;
  return { path: (mark < 0 ? local : local.slice(0, mark)).slice(1), query };
}

/** The target in origin form; null where the path is not one that can be sent, or a query cannot be encoded. */
export function encodeTarget(path: string, query: ReadonlyMap<string, string>): string | null {
  if (!PATH.test(path)) return null;
  const pieces: string[] = [];
  for (const [key, value] of query) {
    if (!key.isWellFormed() || !value.isWellFormed()) return null;
    pieces.push(`${encodeURIComponent(key)}=${encodeURIComponent(value)}`);
  }
  return pieces.length === 0 ? `/${path}` : `/${path}?${pieces.join("&")}`;
}

/** The value of a key in any case; the exact spelling is preferred, then the first. */
export function queryValue(query: ReadonlyMap<string, string>, name: string): string | undefined {
  const exact = query.get(name);
  if (exact !== undefined) return exact;
  const lowerCase = name.toLowerCase();
  for (const [key, value] of query) {
    if (key.length === name.length && key.toLowerCase() === lowerCase) return value;
  }
  return undefined;
}

/** Printable ASCII without `#`, for no request target has a fragment. */
const TARGET = /^[\x21\x22\x24-\x7e]+$/;
/** The same without `?`, which would begin the query. */
const PATH = /^[\x21\x22\x24-\x3e\x40-\x7e]*$/;
const SCHEME_AND_AUTHORITY = /^https?:\/\/[^/?]+/i;

/** What follows the authority of an absolute form: a path, a query, or nothing. */
function afterAuthority(target: string): string | null {
  const authority = SCHEME_AND_AUTHORITY.exec(target);
  return authority === null ? null : target.slice(authority[0].length);
}

function parseQuery(raw: string): Map<string, string> | null {
  const query = new Map<string, string>();
  for (const piece of raw.split("&")) {
    if (piece === "") continue;
    const equals = piece.indexOf("=");
    const key = decodeComponent(equals < 0 ? piece : piece.slice(0, equals));
    const value = decodeComponent(equals < 0 ? "" : piece.slice(equals + 1));
    if (key === null || value === null) return null;
    query.set(key, value);
  }
  return query;
}

/** Strict about escapes and UTF-8, unlike the form decoding of browsers, which would replace what it cannot read. */
function decodeComponent(raw: string): string | null {
  const spaced = raw.includes("+") ? raw.replaceAll("+", " ") : raw;
  if (!spaced.includes("%")) return spaced;
  try {
    return decodeURIComponent(spaced);
  } catch {
    return null;
  }
}
