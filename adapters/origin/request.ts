/** A request as it goes on the wire to an origin (RFC 9112). */
import type { AgentEffect } from "../../core/effects.ts";
import { type HeaderList, isToken, validHeader } from "../../core/http/headers.ts";

export type OriginRequest = Extract<AgentEffect, { readonly type: "origin_request" }>;

/**
 * The request's head, or null where HTTP cannot carry it, such as with a line break in a header. The headers stand as they
 * are, in order; the framing of the body and `Connection` follow them, unless it is an upgrade. To be sent as Latin-1.
 */
export function requestHead(request: OriginRequest, basePath: string): string | null {
  const { method, target, headers, upgrade } = request;
  if (!isToken(method) || NOT_TARGET.test(target)) return null;
  const path = target === "*" ? target : basePath + target;
  let head = `${method} ${path} HTTP/1.1\r\n`;
  const fields = headerLines(headers);
  if (fields === null) return null;
  head += fields + framing(request);
  if (!upgrade) head += "Connection: keep-alive\r\n";
  return `${head}\r\n`;
}

/** Before the bytes of a chunk; `\r\n` follows them (RFC 9112 section 7.1). */
export function chunkSize(length: number): string {
  return `${length.toString(16)}\r\n`;
}

/** The last chunk with the trailers, or null where HTTP cannot carry these. To be sent as Latin-1. */
export function lastChunk(trailers: HeaderList): string | null {
  const fields = headerLines(trailers);
  return fields === null ? null : `0\r\n${fields}\r\n`;
}

function framing({ method, body, bodyBytes, upgrade }: OriginRequest): string {
  if (body === "streamed") {
    return bodyBytes === null ? "Transfer-Encoding: chunked\r\n" : `Content-Length: ${bodyBytes}\r\n`;
  }
  if (body !== null) return `Content-Length: ${body.length}\r\n`;
  return upgrade || BODILESS_METHODS.has(method) ? "" : "Content-Length: 0\r\n";
}

function headerLines(headers: HeaderList): string | null {
  let lines = "";
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const name = headers[at] ?? "";
    const value = headers[at + 1] ?? "";
    if (!validHeader(name, value)) return null;
    lines += `${name}: ${value}\r\n`;
  }
  return lines;
}

/** Methods that anticipate no content, so that its absence needs no `Content-Length` (RFC 9110 section 8.6). */
const BODILESS_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "DELETE", "OPTIONS", "TRACE"]);

const NOT_TARGET = /[^\x21-\xff]/;
