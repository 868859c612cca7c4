/** A request as it goes on the wire to an origin (RFC 9112). */
import { at } from "../assert.ts";
import { type HeaderList, isToken, validHeaders } from "../http/headers.ts";

export type Request = {
  readonly method: string;
  /** In origin form, or `*`. */
  readonly target: string;
  /** Complete but for the framing of the body and `Connection`; an upgrade's are complete. */
  readonly headers: HeaderList;
  /** The whole body; `streamed` where it follows; null where there is none. */
  readonly body: Uint8Array | "streamed" | null;
  /** Length of a streamed body, null where it is not known: then it goes out chunked. */
  readonly bodyBytes: number | null;
  /** Asks for the upgrade that `headers` name. Has no body. */
  readonly upgrade: boolean;
};

/**
 * The request's head, or null where HTTP cannot carry it, such as with a line break in a header. The headers stand as they
 * are, in order; the framing of the body and `Connection` follow them, unless it is an upgrade. To be sent as Latin-1. `keeps` is
 * whether another request may follow on its connection.
 */
export function requestHead(request: Request, basePath: string, keeps: boolean): string | null {
  const { method, target, headers, upgrade } = request;
  if (!isToken(method) || !TARGET.test(target)) return null;
  const fields = fieldLines(headers);
  if (fields === null) return null;
  const path = target === "*" ? target : basePath + target;
  const connection = upgrade ? "" : keeps ? KEEP_ALIVE : CLOSE;
  return `${method} ${path} HTTP/1.1\r\n${fields}${framing(request)}${connection}\r\n`;
}

/** Before the bytes of a chunk; `\r\n` follows them (RFC 9112 section 7.1). */
export function chunkSize(length: number): string {
  return `${length.toString(16)}\r\n`;
}

/** The last chunk with the trailers, or null where HTTP cannot carry these. To be sent as Latin-1. */
export function lastChunk(trailers: HeaderList): string | null {
  const fields = fieldLines(trailers);
  return fields === null ? null : `0\r\n${fields}\r\n`;
}

function framing({ method, body, bodyBytes, upgrade }: Request): string {
  if (body === "streamed") {
    return bodyBytes === null ? "Transfer-Encoding: chunked\r\n" : `Content-Length: ${bodyBytes}\r\n`;
  }
  if (body !== null) return `Content-Length: ${body.length}\r\n`;
  return upgrade || BODILESS_METHODS.has(method) ? "" : "Content-Length: 0\r\n";
}

function fieldLines(fields: HeaderList): string | null {
  if (!validHeaders(fields)) return null;
  let lines = "";
  for (let index = 0; index + 1 < fields.length; index += 2) {
    lines += `${at(fields, index)}: ${at(fields, index + 1)}\r\n`;
  }
  return lines;
}

const KEEP_ALIVE = "Connection: keep-alive\r\n";
const CLOSE = "Connection: close\r\n";

/** Methods that anticipate no content, so that its absence needs no `Content-Length` (RFC 9110 section 8.6). */
const BODILESS_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "DELETE", "OPTIONS", "TRACE"]);

/**
 * Origin form or `*` (RFC 9112 section 3.2), without a fragment: anything else may make another request line of it. Octets
 * beyond ASCII are no URI's, but some send them, and each origin has its own idea of what they mean.
 */
const TARGET = /^(?:\/[\x21\x22\x24-\x7e\x80-\xff]*|\*)$/;
