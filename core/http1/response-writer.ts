/** Responses as they go on the wire to a visitor (RFC 9112). Text is to be sent as Latin-1. */
import { type HeaderList, headerValue, withoutHeader } from "../http/headers.ts";
import { statusLine } from "./status.ts";

/** What of its request a response depends on. */
export type Asked = {
  readonly method: string;
  readonly minorVersion: 0 | 1;
  /** Whether the visitor keeps the connection (RFC 9112 section 9.3). */
  readonly persistent: boolean;
};

export type Framing = {
  /** The head, with what HTTP/1.1 demands of this hop. */
  readonly head: string;
  /** How the body is framed: in chunks, by its length or the end of the connection, or none at all. */
  readonly body: "chunked" | "plain" | "none";
  /** Whether the connection ends with the response. */
  readonly closes: boolean;
};

export type HeadOptions = {
  readonly status: number;
  readonly headers: HeaderList;
  readonly close: boolean;
  /** As `Date` has it (RFC 9110 section 5.6.7). */
  readonly date: string;
  /** How long the connection may be idle after the response. */
  readonly idleSeconds: number;
};

/** The head of a final response. Fields stand as they are, in order; those of this hop follow them. */
export function frameResponse(asked: Asked, options: HeadOptions): Framing {
  const { status, date, idleSeconds } = options;
  const isBodiless = asked.method === "HEAD" || status === 204 || status === 304;
  const isSized = headerValue(options.headers, "content-length") !== undefined;
  const isChunked = !isBodiless && !isSized && asked.minorVersion === 1;
  // HTTP/1.0 has no chunks: what has no length ends with the connection, and announces no trailers.
  const endsBody = !isBodiless && !isSized && asked.minorVersion === 0;
  const isStripped = !isChunked && headerValue(options.headers, "trailer") !== undefined;
  const headers = isStripped ? withoutHeader(options.headers, "trailer") : options.headers;
  const closes = options.close || !asked.persistent || endsBody;
  let head = statusLine(status) + fieldLines(headers);
  if (closes) head += "connection: close\r\n";
  if (headerValue(headers, "date") === undefined) head += `Date: ${date}\r\n`;
  if (!closes && headerValue(headers, "connection") === undefined) {
    head += `Connection: keep-alive\r\nKeep-Alive: timeout=${idleSeconds}\r\n`;
  }
  if (isChunked) head += "Transfer-Encoding: chunked\r\n";
  return { head: `${head}\r\n`, body: isBodiless ? "none" : isChunked ? "chunked" : "plain", closes };
}

/** An interim response, or one that switches protocols: without a field of ours. */
export function bareHead(status: number, headers: HeaderList): string {
  return `${statusLine(status) + fieldLines(headers)}\r\n`;
}

/** Before the bytes of a chunk; `\r\n` follows them (RFC 9112 section 7.1). */
export function chunkLine(bytes: number): string {
  return `${bytes.toString(16)}\r\n`;
}

/** The last chunk, with the trailers. */
export function lastChunk(trailers: HeaderList): string {
  return `0\r\n${fieldLines(trailers)}\r\n`;
}

function fieldLines(headers: HeaderList): string {
  let lines = "";
  for (let index = 0; index + 1 < headers.length; index += 2) {
    lines += `${headers[index]}: ${headers[index + 1]}\r\n`;
  }
  return lines;
}
