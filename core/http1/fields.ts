/** Field lines (RFC 9112 section 5). */
import { validHeaders } from "../http/headers.ts";
import { isWhitespace, trimmed } from "../http/whitespace.ts";

/**
 * Header or trailer fields, the line breaks between them included; null where they are not HTTP's. A value may go on in the
 * next line, which a gateway makes one line, or refuses (RFC 9112 section 5.2).
 */
export function parseFields(text: string, from: number, folds: "joined" | "refused"): string[] | null {
  const fields: string[] = [];
  for (let at = from; at < text.length; ) {
    const found = text.indexOf("\r\n", at);
    const end = found === -1 ? text.length : found;
    if (isWhitespace(text.charCodeAt(at))) {
      const before = fields.pop();
      if (before === undefined || folds === "refused") return null;
      const value = `${before} ${trimmed(text, at, end)}`;
      fields.push(trimmed(value, 0, value.length));
    } else {
      const colon = text.indexOf(":", at);
      if (colon === -1 || colon >= end) return null;
      fields.push(text.slice(at, colon), trimmed(text, colon + 1, end));
    }
    at = end + 2;
  }
  return validHeaders(fields) ? fields : null;
}
