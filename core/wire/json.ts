/**
 * JSON from a wire (RFC 8259): never throws, and can hand out the members of an object as they were written. That keeps ids beyond
 * 2^53 - 1 apart, which a parsed number would round onto each other, and passes a body on without parsing and printing it.
 */

/** The value of a JSON text, or undefined where it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * The members of a JSON object by name, each value as the raw slice of the text, without the white space around it.
 * Of a repeated name the last value counts. Null where the text is not a JSON object.
 */
export function jsonMembers(text: string): Map<string, string> | null {
  let at = skipSpace(text, 0);
  if (text[at] !== "{" || parseJson(text) === undefined) return null;
  // From here on the text is known to be well-formed, so that looking for the next mark is enough.
  const members = new Map<string, string>();
  at = skipSpace(text, at + 1);
  while (text[at] === '"') {
    const nameEnd = stringEnd(text, at);
    const valueStart = skipSpace(text, text.indexOf(":", nameEnd) + 1);
    const valueEnd = jsonValueEnd(text, valueStart);
    members.set(unquoted(text.slice(at, nameEnd)), text.slice(valueStart, valueEnd));
    // A comma and the next name, or the end of the object.
    at = skipSpace(text, skipSpace(text, valueEnd) + 1);
  }
  return members;
}

/** What a raw slice from `jsonMembers` says, if it is a string; undefined where it is something else. */
export function jsonString(raw: string): string | undefined {
  return raw.startsWith('"') ? unquoted(raw) : undefined;
}

/** What a JSON string says. */
function unquoted(raw: string): string {
  return raw.includes("\\") ? String(parseJson(raw)) : raw.slice(1, -1);
}

/**
 * Where the JSON value that starts at `start` ends, if it is well-formed, which is for the caller to check: only
 * strings and the depth of brackets are looked at. The length of the text where the value has no end.
 */
export function jsonValueEnd(text: string, start: number): number {
  let depth = 0;
  let at = start;
  while (at < text.length) {
    const mark = text.charCodeAt(at);
    if (mark === QUOTE) at = stringEnd(text, at);
    else if (isOpening(mark) || isClosing(mark)) {
      depth += isOpening(mark) ? 1 : -1;
      at++;
    } else at = depth > 0 ? at + 1 : literalEnd(text, at);
    if (depth <= 0) return at;
  }
  return text.length;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;

function isOpening(mark: number): boolean {
  return mark === 0x7b || mark === 0x5b;
}

function isClosing(mark: number): boolean {
  return mark === 0x7d || mark === 0x5d;
}

function isSpace(mark: number): boolean {
  return mark === 0x20 || mark === 0x0a || mark === 0x0d || mark === 0x09;
}

function skipSpace(text: string, start: number): number {
  let at = start;
  while (isSpace(text.charCodeAt(at))) at++;
  return at;
}

/** End of a number, `true`, `false` or `null`. */
function literalEnd(text: string, start: number): number {
  let at = start;
  while (at < text.length) {
    const mark = text.charCodeAt(at);
    if (mark === COMMA || isClosing(mark) || isSpace(mark)) break;
    at++;
  }
  return at;
}

/** The place after the closing quote of the string whose opening quote is at `start`. */
function stringEnd(text: string, start: number): number {
  let quote = start;
  for (;;) {
    const from = quote + 1;
    quote = text.indexOf('"', from);
    if (quote < 0) return text.length;
    let escapes = quote;
    while (escapes > from && text.charCodeAt(escapes - 1) === BACKSLASH) escapes--;
    if ((quote - escapes) % 2 === 0) return quote + 1;
  }
}
