/**
 * Request targets (RFC 9112 section 3.2). The path travels as it was received, but for raw octets beyond ASCII, such as UTF-8's:
 * no URI has them, and they go on as percent-escapes, which mean the same to every service. Of the query there are two readings: the server
 * reads its own keys as a form has them, where `+` is a space; the MoosicBox protocol carries all of it decoded of percent-escapes
 * alone, as its own server does, so that the home can still tell. In both the last value of a repeated key wins, and what is no
 * escape, or stands for no UTF-8, is plain text.
 */

export type Target = {
  /** Without its leading slash, otherwise as received. */
  readonly path: string;
  /** As a form has it, in the order of first appearance. */
  readonly query: Map<string, string>;
};

/** Reads what `originForm` gave. */
export function parseOriginForm(local: string): Target {
  const { path, search } = split(local);
  return { path, query: parseForm(search) };
}

/** The query of what `originForm` gave, decoded of its percent-escapes alone, in the order of first appearance. */
export function escapedQuery(local: string): Map<string, string> {
  return pairsOf(split(local).search, decodeEscapes);
}

/**
 * The target in origin form: path and query, with the slash that an absolute form may leave out (RFC 9112 section 3.2.1). Byte by
 * byte as received, with what is beyond ASCII escaped. Null for the other forms, and for characters that no target has.
 */
export function originForm(target: string): string | null {
  if (!TARGET.test(target)) return null;
  if (target.startsWith("/")) return escapedOctets(target);
  const authority = SCHEME_AND_AUTHORITY.exec(target);
  if (authority === null) return null;
  const local = escapedOctets(target.slice(authority[0].length));
  return local.startsWith("/") ? local : `/${local}`;
}

/** Of Latin-1 text, one character for each octet. */
function escapedOctets(text: string): string {
  return text.replace(BEYOND_ASCII, (octet) => `%${octet.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** The authority of a target in absolute form, undefined for the other forms. */
export function authorityOf(target: string): string | undefined {
  return SCHEME_AND_AUTHORITY.exec(target)?.[1];
}

/** Whether somebody could read the path as another place: by a dot segment, or by a separator that is encoded, however often. */
export function mayLeave(path: string): boolean {
  const read = decodeAll(path);
  return /[\\\0]/.test(read) || separators(read) !== separators(path) || hasSegment(read, DOTS);
}

/** Whether a path, or what it may be read as, steps up in the tree of its service. */
export function mayClimb(path: string): boolean {
  return hasSegment(decodeAll(path), TWO_DOTS);
}

/** What a form posts (`application/x-www-form-urlencoded`). */
export function parseForm(text: string): Map<string, string> {
  return pairsOf(text, decodeFormText);
}

/**
 * The target in origin form; null where the path is not one that can be sent, or a query cannot be encoded. A `+` stays what it
 * is, as MoosicBox's own sender leaves it: the form that it came from may mean a space.
 */
export function encodeTarget(path: string, query: ReadonlyMap<string, string>): string | null {
  if (!PATH.test(path)) return null;
  const pieces: string[] = [];
  for (const [key, value] of query) {
    if (!key.isWellFormed() || !value.isWellFormed()) return null;
    pieces.push(`${encodePiece(key)}=${encodePiece(value)}`);
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

/** Visible octets without `#`, for no request target has a fragment. */
const TARGET = /^[\x21\x22\x24-\x7e\x80-\xff]+$/;
const BEYOND_ASCII = /[\x80-\xff]/g;
/** The same without `?`, which would begin the query. */
const PATH = /^[\x21\x22\x24-\x3e\x40-\x7e]*$/;
const SCHEME_AND_AUTHORITY = /^https?:\/\/([^/?\x80-\xff]+)(?=[/?]|$)/i;

/** Parameters of a segment (`;`) are cut off first by some. */
const DOTS = /^\.{1,2}(?:;|$)/;
const TWO_DOTS = /^\.\.(?:;|$)/;

function hasSegment(path: string, pattern: RegExp): boolean {
  return path.split(/[/\\]/).some((segment) => pattern.test(segment));
}

function separators(path: string): number {
  return path.split("/").length;
}

/** Until nothing is left to decode. Escapes of ASCII alone: others are no separators. */
function decodeAll(path: string): string {
  if (!path.includes("%")) return path;
  const decoded = path.replace(/%([0-7][0-9a-f])/gi, (_, digits) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
  return decoded === path ? path : decodeAll(decoded);
}

function split(local: string): { readonly path: string; readonly search: string } {
  const mark = local.indexOf("?");
  if (mark < 0) return { path: local.slice(1), search: "" };
  return { path: local.slice(1, mark), search: local.slice(mark + 1) };
}

function pairsOf(search: string, decode: (text: string) => string): Map<string, string> {
  const pairs = new Map<string, string>();
  for (const piece of search.split("&")) {
    if (piece === "") continue;
    const equals = piece.indexOf("=");
    const key = equals < 0 ? piece : piece.slice(0, equals);
    pairs.set(decode(key), equals < 0 ? "" : decode(piece.slice(equals + 1)));
  }
  return pairs;
}

function decodeFormText(text: string): string {
  return decodeEscapes(text.replaceAll("+", " "));
}

/** Text whose escapes stand for no UTF-8 stays as it is, all of it; what is no escape stays in any case. */
function decodeEscapes(text: string): string {
  if (!text.includes("%")) return text;
  try {
    return text.replace(ESCAPES, decodeURIComponent);
  } catch {
    return text;
  }
}

const ESCAPES = /(?:%[0-9a-f]{2})+/gi;

function encodePiece(text: string): string {
  return encodeURIComponent(text).replaceAll("%2B", "+");
}
