/** How a home's service puts its answers into bytes, each way under a name that a scenario lists. */

/** All of them are HTTP, and mean the same. */
export const DELIVERIES = [
  /** HTTP/1.0: the end of the connection is that of the body, unless its length is declared. */
  "old",
  /** HTTP/1.0, and kept where the length is declared. */
  "old_kept",
  /** Without a length there are no chunks: the connection ends with the body. */
  "until_close",
  "says_close",
  /** The connection ends right behind the answer, which does not say so. */
  "closes",
  /** It says how long the connection is kept, and ends it then. */
  "announces_timeout",
  /** Sizes of chunks in capitals, behind zeros, and with extensions. */
  "odd_chunks",
  /** Names of fields in any spelling, spaces around values, a value on two lines. */
  "odd_fields",
  /** Delimiters of every kind inside of values. */
  "delimiters",
  "no_reason",
  /** Interim responses that nobody asked for. */
  "goes_on",
  /** The head leaves byte by byte. */
  "bytewise",
  /** Behind an answer that was early it ends its side, and hears the request out. */
  "half_closes",
] as const;

export type Delivery = (typeof DELIVERIES)[number];

/** Only chunks have a place for trailers. */
export function hasChunks(deliveries: readonly Delivery[]): boolean {
  return !deliveries.some((each) => each === "old" || each === "old_kept" || each === "until_close");
}

/** A value that quotes all that could end something, and a field that only looks like one that frames. */
export const DELIMITERS = [
  "x-quoted",
  '"a;b, c=\\"d\\"", chunked; q=0 \t HTTP/1.1 200 OK, Content-Length: 0',
  "x-content-length",
  "5",
  "x-transfer-encoding",
  "chunked",
] as const;

/** A connection that is announced is kept for so many seconds. */
export const ANNOUNCED_SECONDS = 3;
