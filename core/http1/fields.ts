/** Field lines (RFC 9112 section 5), and what some of them list. */
import { type HeaderList, headerValues, validHeaders } from "../http/headers.ts";

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

/** Whether one of the values of such a field lists this option. */
export function hasOption(headers: HeaderList, name: string, option: string): boolean {
  return headerValues(headers, name).some((value) =>
    // Most fields list one thing.
    value.includes(",") ? value.split(",").some((each) => isOption(each, option)) : isOption(value, option),
  );
}

function isOption(text: string, option: string): boolean {
  return text.trim().toLowerCase() === option;
}

/** Without spaces and tabs around it; `trim` would take more, such as the no-break space of Latin-1. */
function trimmed(text: string, from: number, to: number): string {
  let start = from;
  let end = to;
  while (start < end && isWhitespace(text.charCodeAt(start))) start++;
  while (end > start && isWhitespace(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

function isWhitespace(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
