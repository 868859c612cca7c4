/**
 * Reads the requests of one HTTP/1.1 connection (RFC 9112), as strict as a proxy must be: what two readers could understand
 * in two ways is no request. Bytes are put in as they come, and parts are taken out until there are no more, so that who
 * reads may stop in between; what was not taken waits.
 */
import { byteAt } from "../bytes.ts";
import { contentLength, type HeaderList, headerValue, headerValues, isToken } from "../http/headers.ts";
import { decodeLatin1 } from "../latin1.ts";
import { parseFields } from "./fields.ts";
import { createReceived, put, type Received, skip, takeLine, takePiece, unreadBytes } from "./received.ts";

export type RequestHead = {
  readonly method: string;
  /** Any form of RFC 9112 section 3.2, as received. */
  readonly target: string;
  /** Of HTTP/1.0 and HTTP/1.1. */
  readonly minorVersion: 0 | 1;
  readonly headers: HeaderList;
  /** Whether a body follows (RFC 9112 section 6.3). */
  readonly hasBody: boolean;
};

export type RequestPart =
  | { readonly type: "head"; readonly head: RequestHead }
  /** Nobody else has a view of the buffer. */
  | { readonly type: "body"; readonly bytes: Uint8Array }
  /** The request is complete; the next part is another's head. */
  | { readonly type: "end"; readonly trailers: HeaderList }
  /** Nothing can be read on the connection any more. */
  | { readonly type: "broken"; readonly fault: RequestFault };

export type RequestFault =
  /** No request that HTTP knows, or one that could be read in two ways. */
  | "bad_request"
  /** A request line of another HTTP than 1.0 and 1.1. */
  | "version_not_supported"
  /** The head, or the trailers, are beyond their limit. */
  | "head_too_large";

/** Plain data; only the functions of this file change it. */
export type RequestReader = {
  readonly headBytesMax: number;
  state: "head" | "sized" | "chunk_size" | "chunk_end" | "trailers" | "broken";
  fault: RequestFault;
  readonly received: Received;
  /** Of the lines that are looked through: where the latest one begins, counted from what was not taken yet. */
  lineAt: number;
  /** Bytes to come of a body, or of a chunk, whose size is known. */
  bodyBytesLeft: number;
  chunked: boolean;
};

/** A chunk's size with its extensions (RFC 9112 section 7.1.1), which nobody uses. */
const CHUNK_LINE_BYTES_MAX = 4 * 1024;

export function createRequestReader(headBytesMax: number): RequestReader {
  return {
    headBytesMax,
    state: "head",
    fault: "bad_request",
    received: createReceived(),
    lineAt: 0,
    bodyBytesLeft: 0,
    chunked: false,
  };
}

export function putRequestBytes(reader: RequestReader, bytes: Uint8Array): void {
  if (reader.state !== "broken") put(reader.received, bytes);
}

/** Bytes that came and were not taken. */
export function waitingBytes({ received }: RequestReader): number {
  return unreadBytes(received);
}

/** Whether some of a head has come. Half of an empty line is none: such lines may stand before a head, and say nothing. */
export function isInHead({ state, received: { bytes, at } }: RequestReader): boolean {
  return state === "head" && at < bytes.length && !isHalfLineEnd(bytes, at);
}

/** Whether a request's head was read and the request is not complete. */
export function isInRequest({ state }: RequestReader): boolean {
  return state !== "head" && state !== "broken";
}

/** All that came and was not taken: what follows a handshake is no HTTP any more. */
export function takeRest({ received }: RequestReader): Uint8Array {
  return takePiece(received, unreadBytes(received)).bytes;
}

/** The next part; null until more bytes have come. */
export function nextRequestPart(reader: RequestReader): RequestPart | null {
  switch (reader.state) {
    case "head":
      return readHead(reader);
    case "sized":
      return readSized(reader);
    case "chunk_size":
      return readChunkSize(reader);
    case "chunk_end":
      return readChunkEnd(reader);
    case "trailers":
      return readTrailers(reader);
    case "broken":
      return { type: "broken", fault: reader.fault };
  }
}

function readHead(reader: RequestReader): RequestPart | null {
  const { received } = reader;
  skipEmptyLines(reader);
  const { bytes, at } = received;
  if (at === bytes.length || isHalfLineEnd(bytes, at)) return null;
  const hadLine = reader.lineAt > 0;
  const length = linesLength(reader);
  if (typeof length !== "number") {
    const fault = hadLine ? null : firstLineFault(reader);
    if (fault !== null) return broken(reader, fault);
    return length === null ? null : broken(reader, length);
  }
  const text = decodeLatin1(bytes, at, at + length - 4);
  take(reader, length);
  const found = text.indexOf("\r\n");
  const lineEnd = found < 0 ? text.length : found;
  const line = text.slice(0, lineEnd);
  const [, method, target, minor] = REQUEST_LINE.exec(line) ?? [];
  if (method === undefined || target === undefined) return broken(reader, faultOf(line));
  const headers = parseFields(text, lineEnd + 2, "refused");
  if (headers === null) return broken(reader, "bad_request");
  const minorVersion = minor === "0" ? 0 : 1;
  const hasBody = frame(reader, headers, minorVersion);
  if (hasBody === null) return broken(reader, "bad_request");
  return { type: "head", head: { method, target, minorVersion, headers, hasBody } };
}

/**
 * How the body ends (RFC 9112 section 6.3), and whether there is one; null where that is not beyond doubt. A list of equal
 * lengths is refused too: others may take its first element, or its last. So are chunks in HTTP/1.0, which has none: whoever
 * passed the request on may not have seen them (RFC 9112 section 6.1).
 */
function frame(reader: RequestReader, headers: HeaderList, minorVersion: 0 | 1): boolean | null {
  const codings = headerValues(headers, "transfer-encoding");
  const lengths = headerValues(headers, "content-length");
  reader.chunked = codings.length > 0;
  if (reader.chunked) {
    if (
      minorVersion === 0 ||
      lengths.length > 0 ||
      codings.length > 1 ||
      codings[0]?.toLowerCase() !== "chunked"
    )
      return null;
    reader.state = "chunk_size";
    return true;
  }
  if (lengths.length === 0) return false;
  const length = contentLength(headers);
  if (lengths.length > 1 || length === "invalid" || length === null || lengths[0]?.includes(",")) return null;
  if (length === 0) return false;
  reader.bodyBytesLeft = length;
  reader.state = "sized";
  return true;
}

function readSized(reader: RequestReader): RequestPart | null {
  if (reader.bodyBytesLeft === 0) {
    if (reader.chunked) return readChunkEnd(reader);
    reader.state = "head";
    return END;
  }
  const taken = Math.min(reader.bodyBytesLeft, waitingBytes(reader));
  if (taken === 0) return null;
  reader.bodyBytesLeft -= taken;
  return { type: "body", bytes: takePiece(reader.received, taken).bytes };
}

function readChunkSize(reader: RequestReader): RequestPart | null {
  const line = takeLine(reader.received, CHUNK_LINE_BYTES_MAX);
  if (line === "endless") return broken(reader, "bad_request");
  if (line === "unfinished") return null;
  const digits = CHUNK_LINE.exec(line.text)?.[1];
  if (digits === undefined) return broken(reader, "bad_request");
  reader.bodyBytesLeft = Number.parseInt(digits, 16);
  reader.state = reader.bodyBytesLeft === 0 ? "trailers" : "sized";
  return nextRequestPart(reader);
}

function readChunkEnd(reader: RequestReader): RequestPart | null {
  reader.state = "chunk_end";
  const { bytes, at } = reader.received;
  if (bytes.length > at && bytes[at] !== CR) return broken(reader, "bad_request");
  if (bytes.length < at + 2) return null;
  if (bytes[at + 1] !== LF) return broken(reader, "bad_request");
  take(reader, 2);
  reader.state = "chunk_size";
  return readChunkSize(reader);
}

function readTrailers(reader: RequestReader): RequestPart | null {
  const { bytes, at } = reader.received;
  const length = linesLength(reader);
  if (length === null) return null;
  if (typeof length !== "number") return broken(reader, length);
  take(reader, length);
  const text = length === 2 ? "" : decodeLatin1(bytes, at, at + length - 4);
  const trailers = parseFields(text, 0, "refused");
  // What says where a body ends comes before it, and whoever joins the trailers to the head must not read it there.
  if (trailers === null || FRAMING.some((name) => headerValue(trailers, name) !== undefined)) {
    return broken(reader, "bad_request");
  }
  reader.state = "head";
  return { type: "end", trailers };
}

/** RFC 9112 section 2.2: a client may have sent an empty line behind a body. */
function skipEmptyLines({ received }: RequestReader): void {
  const { bytes } = received;
  let { at } = received;
  if (received.searchedBytes > 0) return;
  while (bytes[at] === CR && bytes[at + 1] === LF) at += 2;
  if (at > received.at) skip(received, at - received.at);
}

/**
 * The length of the lines up to an empty one, which is counted; what they come to where that is not known yet, or never will
 * be. Lines end with CR LF and with nothing else: a lone LF is a line's end to some and not to others.
 */
function linesLength(reader: RequestReader): number | null | RequestFault {
  const { received, headBytesMax } = reader;
  const { bytes, at } = received;
  for (;;) {
    const end = bytes.indexOf(LF, at + received.searchedBytes) - at;
    if (end < 0) {
      const length = bytes.length - at;
      received.searchedBytes = length;
      return length > headBytesMax ? "head_too_large" : null;
    }
    if (end + 1 > headBytesMax) return "head_too_large";
    if (end === 0 || bytes[at + end - 1] !== CR) return "bad_request";
    const { lineAt } = reader;
    received.searchedBytes = end + 1;
    reader.lineAt = end + 1;
    if (end - 1 === lineAt) return end + 1;
  }
}

/**
 * What is no HTTP at all may never have the end of a head, or of a line, and nobody should wait for it: of a head that is
 * not whole its first byte is looked at, and its first line when that is. Null where nothing is wrong with them.
 */
function firstLineFault({ received: { bytes, at }, lineAt }: RequestReader): RequestFault | null {
  if (lineAt === 0) return isToken(String.fromCharCode(byteAt(bytes, at))) ? null : "bad_request";
  const line = decodeLatin1(bytes, at, bytes.indexOf(LF, at) - 1);
  return REQUEST_LINE.test(line) ? null : faultOf(line);
}

function faultOf(line: string): RequestFault {
  return OTHER_VERSION.test(line) ? "version_not_supported" : "bad_request";
}

function isHalfLineEnd(bytes: Uint8Array, at: number): boolean {
  return bytes[at] === CR && at + 1 === bytes.length;
}

function broken(reader: RequestReader, fault: RequestFault): RequestPart {
  reader.state = "broken";
  reader.fault = fault;
  skip(reader.received, unreadBytes(reader.received));
  return { type: "broken", fault };
}

function take(reader: RequestReader, count: number): void {
  skip(reader.received, count);
  reader.received.searchedBytes = 0;
  reader.lineAt = 0;
}

const CR = 0x0d;
const LF = 0x0a;
const END: RequestPart = { type: "end", trailers: [] };

/**
 * RFC 9112 section 3. Every registered method is made of capital letters and a dash; what else is a token is taken for a
 * mistake of the sender's. What a target may hold beyond having no white space is for who routes it.
 */
const REQUEST_LINE = /^([A-Z][A-Z-]{0,31}) ([\x21-\x7e\x80-\xff]+) HTTP\/1\.([01])$/;
const OTHER_VERSION = /^[A-Z][A-Z-]{0,31} [\x21-\x7e\x80-\xff]+ HTTP\/\d\.\d$/;

/**
 * So many digits fit a number exactly. White space behind them, which RFC 9112 section 7.1.1 calls bad and has senders leave
 * out, is part of the size to some readers and not to others.
 */
const CHUNK_LINE = /^0*([0-9a-f]{1,13})(?:;[\t\x20-\x7e\x80-\xff]*)?$/i;

const FRAMING = ["content-length", "transfer-encoding"];
