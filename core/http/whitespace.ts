/** What HTTP calls white space: spaces and tabs, and nothing else (RFC 9110 section 5.6.3). */

/**
 * The text from `from` to `to` without spaces and tabs around it. JavaScript's own `trim` would take more, such as the
 * no-break space of Latin-1, which makes two readers of a field understand two things.
 */
export function trimmed(text: string, from = 0, to = text.length): string {
  let start = from;
  let end = to;
  while (start < end && isWhitespace(text.charCodeAt(start))) start++;
  while (end > start && isWhitespace(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

export function isWhitespace(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
