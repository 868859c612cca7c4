/** What of the head of a home's answer is passed on, whatever carries it as HTTP has it. */
import { contentLength, endToEnd, type HeaderList, headerValues, validHeaders } from "../http/headers.ts";
import { takesHandshake } from "../http/upgrade.ts";
import type { NativeResponseHead } from "../wire/native-head.ts";
import type { CarriedHead } from "./carrier.ts";

/**
 * What is passed on of a head; null where it is not a final response's. 101 is one where it takes the handshake that
 * `accept` answers; null where there was none.
 */
export function responseHead(
  { status, headers }: NativeResponseHead,
  accept: string | null,
): CarriedHead | null {
  const declaredBytes = contentLength(headers);
  const isTaken = status === 101 && accept !== null && takesHandshake(headers, accept);
  const isFinal = isTaken || (status >= 200 && status <= 599);
  if (!isFinal || declaredBytes === "invalid" || !validHeaders(headers)) return null;
  return {
    status,
    headers: withFraming(headers, status, declaredBytes),
    declaredBytes,
    // Only what goes out in chunks has trailers to announce (RFC 9110 section 6.6.2).
    trailerNames: declaredBytes === null ? headerValues(headers, "trailer").join(", ") : "",
    compressible: false,
  };
}

/**
 * What may be passed on, with one way at most to tell where the body ends: its length, or else the chunks of the next hop.
 * RFC 9110 section 8.6: a 1xx and a 204 have no content-length; one value remains of a repeated one.
 */
function withFraming(headers: HeaderList, status: number, declaredBytes: number | null): HeaderList {
  const passed: string[] = [];
  const list = endToEnd(headers);
  let isFramed = status === 101 || status === 204;
  for (let index = 0; index + 1 < list.length; index += 2) {
    const name = list[index] ?? "";
    const isLength = name.toLowerCase() === "content-length";
    if (isLength && isFramed) continue;
    if (isLength) isFramed = true;
    passed.push(name, isLength ? String(declaredBytes) : (list[index + 1] ?? ""));
  }
  return passed;
}
