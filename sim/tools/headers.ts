/** Lists of headers: name, value, name, value, as they came. */

/** The first value under a name, which is given in lower case. */
export function headerOf(headers: readonly string[], name: string): string | undefined {
  for (let index = 0; index + 1 < headers.length; index += 2) {
    if (headers[index]?.toLowerCase() === name) return headers[index + 1];
  }
  return undefined;
}
