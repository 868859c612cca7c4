/** What Node would do to a header list that it should only write. */
import type { HeaderList } from "../../core/http/headers.ts";

/**
 * The list as Node may have it. Behind a `Content-Length` Node reads the value of `Content-Disposition` anew as UTF-8, and
 * throws where it is not. There the `Content-Length` goes last, which changes no meaning; every other list stays as it is.
 */
export function nodeHeaders(headers: HeaderList): string[] {
  const given = [...headers];
  for (let index = 0; index + 1 < given.length; index += 2) {
    if (isNamed(given[index], "content-disposition") && NOT_ASCII.test(given[index + 1] ?? "")) {
      return withLengthLast(given);
    }
  }
  return given;
}

function withLengthLast(headers: readonly string[]): string[] {
  const others: string[] = [];
  const lengths: string[] = [];
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const field = headers.slice(index, index + 2);
    if (isNamed(field[0], "content-length")) lengths.push(...field);
    else others.push(...field);
  }
  return [...others, ...lengths];
}

function isNamed(name: string | undefined, lowerCase: string): boolean {
  return name?.length === lowerCase.length && name.toLowerCase() === lowerCase;
}

const NOT_ASCII = /[\x80-\xff]/;
