/** Trailer sections (RFC 9110 section 6.5). */
import { asRead, endToEnd, type HeaderList, validHeaders, withoutHeaders } from "./headers.ts";

/**
 * What of a trailer section may be passed on: nothing of a message's framing, route, rights or condition (RFC 9110 section
 * 6.5.1), for a recipient may merge it into the head; and nothing at all of one that is no HTTP.
 */
export function passedTrailers(trailers: HeaderList): HeaderList {
  if (trailers.length === 0 || !validHeaders(trailers)) return [];
  return withoutHeaders(endToEnd(trailers), (name) => {
    const meant = asRead(name);
    return NOT_IN_TRAILERS.has(meant) || OF_THIS_HOP.test(meant);
  });
}

const NOT_IN_TRAILERS: ReadonlySet<string> = new Set([
  "age",
  "authorization",
  "cache-control",
  "content-encoding",
  "content-length",
  "content-range",
  "content-type",
  "cookie",
  "date",
  "expect",
  "expires",
  "host",
  "if-match",
  "if-modified-since",
  "if-none-match",
  "if-range",
  "if-unmodified-since",
  "location",
  "max-forwards",
  "pragma",
  "range",
  "retry-after",
  "set-cookie",
  "vary",
  "www-authenticate",
]);

/** Who asks is for the server to say, and what is Culvert's own is for nobody behind it. */
const OF_THIS_HOP = /^(?:forwarded$|x-forwarded|x-real-ip$|culvert-)/;
