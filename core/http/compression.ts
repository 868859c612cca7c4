/** Which responses the server compresses itself, and how (RFC 9110 sections 8.4 and 12.5.3). */
import { at } from "../assert.ts";
import { contentLength, type HeaderList, headerValue, withoutHeaders } from "./headers.ts";
import { hasElement } from "./lists.ts";
import { weightsOf } from "./weights.ts";
import { trimmed } from "./whitespace.ts";

/** A content coding that the server can apply itself (RFC 9110 section 8.4.1). */
export type ContentCoding = "br" | "gzip";

/** The coding to send a response with, null where it goes out as it is. */
export function chooseCoding(exchange: {
  readonly method: string;
  readonly status: number;
  readonly requestHeaders: HeaderList;
  readonly responseHeaders: HeaderList;
}): ContentCoding | null {
  if (!isCompressible(exchange.status, exchange.responseHeaders)) return null;
  // The bytes of a range count from the uncoded body, so a visitor that asks for ranges never sees another one.
  if (exchange.method === "HEAD" || headerValue(exchange.requestHeaders, "range") !== undefined) return null;
  return preferredCoding(exchange.requestHeaders);
}

/** The headers of a response that is sent with that coding. */
export function compressedHeaders(headers: HeaderList, coding: ContentCoding): HeaderList {
  const kept = withoutHeaders(headers, (name) => OF_THE_UNCODED_BODY.has(name));
  for (let index = 0; index + 1 < kept.length; index += 2) {
    // A strong validator promises equal bytes (RFC 9110 section 8.8.1), which the uncoded body has not.
    if (at(kept, index).toLowerCase() === "etag") kept[index + 1] = weakened(at(kept, index + 1));
  }
  kept.push("content-encoding", coding);
  if (!variesByEncoding(headers)) kept.push("vary", "Accept-Encoding");
  return kept;
}

/** Below this the coding's own overhead and the CPU time outweigh what the wire saves. */
const CODED_BYTES_MIN = 1024;

/** Ranges of the uncoded body must not be joined with pieces of a coded one, so they are not offered. */
const OF_THE_UNCODED_BODY: ReadonlySet<string> = new Set(["content-length", "accept-ranges"]);

/** Already coded, a part, or with a digest of the bytes as they are (RFC 9530). */
const FIXED_BY = ["content-encoding", "content-range", "content-digest", "digest", "content-md5"] as const;

const COMPRESSIBLE_TYPE =
  /^(?:text\/[^\t ;]+|[^\t ;]+\+(?:json|xml|text)|application\/(?:json|javascript|x-javascript|ecmascript|xml|wasm|x-ndjson|jsonl|rtf|vnd\.ms-fontobject|x-mpegurl|vnd\.apple\.mpegurl)|font\/(?:ttf|otf)|image\/(?:bmp|x-icon|vnd\.microsoft\.icon))(?:[\t ;]|$)/i;

function isCompressible(status: number, headers: HeaderList): boolean {
  if (status < 200 || status === 204 || status === 206 || status === 304) return false;
  if (!COMPRESSIBLE_TYPE.test(trimmed(headerValue(headers, "content-type") ?? ""))) return false;
  if (FIXED_BY.some((name) => headerValue(headers, name) !== undefined)) return false;
  if (hasElement(headers, "cache-control", "no-transform")) return false;
  const length = contentLength(headers);
  return length === null || (length !== "invalid" && length >= CODED_BYTES_MIN);
}

function preferredCoding(requestHeaders: HeaderList): ContentCoding | null {
  const weights = weightsOf(requestHeaders, "accept-encoding");
  const any = weights.get("*") ?? 0;
  const br = weights.get("br") ?? any;
  const gzip = weights.get("gzip") ?? weights.get("x-gzip") ?? any;
  const best = Math.max(br, gzip);
  if (best === 0 || best < (weights.get("identity") ?? 0)) return null;
  return br === best ? "br" : "gzip";
}

function variesByEncoding(headers: HeaderList): boolean {
  return hasElement(headers, "vary", "accept-encoding") || hasElement(headers, "vary", "*");
}

function weakened(etag: string): string {
  return etag.startsWith('"') ? `W/${etag}` : etag;
}
