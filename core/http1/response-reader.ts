/**
 * Reads the responses of one HTTP/1.1 connection (RFC 9112), as strict as a proxy must be: what two readers could
 * understand in two ways is malformed. Lines of a head that end with LF alone are taken: small servers and their scripts write
 * them so, and nobody behind this reader sees them.
 *
 * Bytes are put in as they come and parts are taken out until there are no more, so that who reads may stop in between.
 */
import { assert } from "../assert.ts";
import { contentLength, type HeaderList, headerValue, headerValues } from "../http/headers.ts";
import { hasElement } from "../http/lists.ts";
import { parseFields } from "./fields.ts";
import {
  createReceived,
  mayBeginWith,
  put,
  type Received,
  skip,
  takeLine,
  takeLines,
  takePiece,
  unreadBytes,
} from "./received.ts";

export type ResponsePart =
  /** 1xx but 101 (RFC 9110 section 15.2): the response proper is still to come. */
  | { readonly type: "interim"; readonly status: number; readonly headers: HeaderList }
  /** 101 only to a request for an upgrade. What follows it is no HTTP: body until the origin ends its side. */
  | { readonly type: "head"; readonly status: number; readonly headers: HeaderList }
  /** `only`: nobody else has a view of their buffer. */
  | { readonly type: "body"; readonly bytes: Uint8Array; readonly only: boolean }
  | { readonly type: "end"; readonly trailers: HeaderList }
  /** What came is no response that HTTP knows, or could be read in two ways. Nothing can be read on its connection any more. */
  | { readonly type: "malformed"; readonly fault: ResponseFault };

export type ResponseFault = "malformed" | "head_too_large";

/** Plain data; only the functions of this file change it. */
export type ResponseReader = {
  /** Of a head, and of the trailers; beyond it they are too long. */
  readonly headBytesMax: number;
  state: ReaderState;
  /** Of the request that is answered. */
  method: string;
  upgrade: boolean;
  readonly received: Received;
  /** Bytes to come of a body, or of a chunk, whose size is known. */
  bodyBytesLeft: number;
  chunked: boolean;
  /** Whether the request or the status rules a body out. */
  bodiless: boolean;
  /** Whether anything was read that began as a response does, since the request. */
  begun: boolean;
  /** After the end: whether the connection may carry another request (RFC 9112 section 9.3). */
  persistent: boolean;
  /** After the end: whether more came than was asked for. */
  surplus: boolean;
  /** Whether no more bytes will come. */
  ended: boolean;
};

/** `raw` is after a switch of protocols, `done` between a response and the next request. */
type ReaderState =
  | "head"
  | "sized"
  | "chunk_size"
  | "chunk_end"
  | "trailers"
  | "until_end"
  | "raw"
  | "end"
  | "done"
  | "malformed";

/** A chunk's size with its extensions (RFC 9112 section 7.1.1), which nobody uses. */
const CHUNK_LINE_BYTES_MAX = 4 * 1024;

export function createReader(headBytesMax: number): ResponseReader {
  return {
    headBytesMax,
    state: "done",
    method: "",
    upgrade: false,
    received: createReceived(),
    bodyBytesLeft: 0,
    chunked: false,
    bodiless: false,
    begun: false,
    persistent: true,
    surplus: false,
    ended: false,
  };
}

/** To be told of each request before its response is read. */
export function expectResponse(reader: ResponseReader, method: string, upgrade: boolean): void {
  assert(reader.state === "done", "a request follows one whose response is not over");
  reader.state = "head";
  reader.method = method;
  reader.upgrade = upgrade;
  reader.begun = false;
}

/** `only`: nobody else has a view of the buffer of these bytes. */
export function putBytes(reader: ResponseReader, bytes: Uint8Array, only = false): void {
  put(reader.received, bytes, only);
}

/** No more bytes will come, and all that did are here: the end of a body that has no other. */
export function endBytes(reader: ResponseReader): void {
  reader.ended = true;
}

/** Whether a body is read, which may be more than there is room for. */
export function isInBody({ state, bodiless }: ResponseReader): boolean {
  return state !== "head" && state !== "done" && state !== "malformed" && !bodiless;
}

/** The next part; null until more bytes have come. */
export function nextPart(reader: ResponseReader): ResponsePart | null {
  for (;;) {
    switch (reader.state) {
      case "head":
        return readHead(reader);
      case "sized":
        return readSized(reader);
      case "chunk_size":
      case "chunk_end": {
        const stop = reader.state === "chunk_size" ? readChunkSize(reader) : readChunkEnd(reader);
        if (stop !== "read") return stop;
        break;
      }
      case "trailers":
        return readTrailers(reader);
      case "until_end":
      case "raw":
        return readUntilEnd(reader);
      case "end":
        return endResponse(reader, []);
      case "done":
      case "malformed":
        return null;
    }
  }
}

function readHead(reader: ResponseReader): ResponsePart | null {
  // What is no HTTP at all may never have the end of a head, and nobody should wait for it.
  if (!mayBeginWith(reader.received, HTTP_1)) return malformed(reader);
  const through = takeLines(reader.received, reader.headBytesMax);
  if (through === "unfinished") return null;
  reader.begun = true;
  if (through === "endless") return malformed(reader, TOO_LARGE);
  const head = parseEither(through.text, parseHead);
  if (head === null) return malformed(reader);
  const { status, headers } = head;
  if (status === 101) return readSwitch(reader, headers);
  if (status < 200) return { type: "interim", status, headers };
  if (!frameBody(reader, head)) return malformed(reader);
  return { type: "head", status, headers };
}

function parseHead(text: string): Head | null {
  const found = text.indexOf("\r\n");
  const lineEnd = found === -1 ? text.length : found;
  const [, minor, digits] = STATUS_LINE.exec(text.slice(0, lineEnd)) ?? [];
  const headers = parseFields(text, lineEnd + 2, "joined");
  if (minor === undefined || digits === undefined || headers === null) return null;
  return { status: Number(digits), headers, latest: minor === "1" };
}

function parseTrailers(text: string): HeaderList | null {
  return parseFields(text, 0, "joined");
}

/** With the line ends that HTTP has, or else with each LF for one: what has a lone one inside is nothing to who expects CR LF. */
function parseEither<Parsed>(text: string, parse: (text: string) => Parsed | null): Parsed | null {
  return parse(text) ?? parse(text.replaceAll(LF_WITH_ITS_CR, "\r\n"));
}

function readSwitch(reader: ResponseReader, headers: HeaderList): ResponsePart {
  // An empty name of a protocol is none, and others take such a response for one that switches nothing.
  const isSwitch =
    (headerValue(headers, "upgrade") ?? "") !== "" && hasElement(headers, "connection", "upgrade");
  if (!reader.upgrade || !isSwitch) return malformed(reader);
  reader.state = "raw";
  reader.bodiless = false;
  reader.persistent = false;
  return { type: "head", status: 101, headers };
}

type Head = { readonly status: number; readonly headers: HeaderList; readonly latest: boolean };

/** How the body ends (RFC 9112 section 6.3), and whether the connection stays. False where that is not one thing. */
function frameBody(reader: ResponseReader, { status, headers, latest }: Head): boolean {
  const codings = headerValues(headers, "transfer-encoding");
  const length = contentLength(headers);
  reader.persistent = latest
    ? !hasElement(headers, "connection", "close")
    : hasElement(headers, "connection", "keep-alive");
  reader.bodiless = reader.method === "HEAD" || status === 204 || status === 304;
  reader.chunked = codings.length > 0;
  if (length === "invalid") return false;
  // A coding that nobody asked for cannot be undone here, and would be lost on the way (RFC 9110 section 7.6.1).
  if (reader.chunked && (length !== null || codings.join().toLowerCase() !== "chunked")) return false;
  if (reader.bodiless) {
    reader.state = "end";
  } else if (reader.chunked) {
    reader.state = "chunk_size";
    // HTTP/1.0 has no chunks, so that its sender may mean something else by them (RFC 9112 section 6.1).
    reader.persistent &&= latest;
  } else if (length !== null) {
    reader.bodyBytesLeft = length;
    reader.state = length === 0 ? "end" : "sized";
  } else {
    reader.state = "until_end";
    reader.persistent = false;
  }
  return true;
}

function readSized(reader: ResponseReader): ResponsePart | null {
  const taken = Math.min(reader.bodyBytesLeft, unreadBytes(reader.received));
  if (taken === 0) return null;
  reader.bodyBytesLeft -= taken;
  if (reader.bodyBytesLeft === 0) reader.state = reader.chunked ? "chunk_end" : "end";
  const { bytes, only } = takePiece(reader.received, taken);
  return { type: "body", bytes, only };
}

function readChunkSize(reader: ResponseReader): ResponsePart | null | "read" {
  const through = takeLine(reader.received, CHUNK_LINE_BYTES_MAX);
  if (through === "unfinished") return null;
  const digits = through === "endless" ? undefined : CHUNK_LINE.exec(through.text)?.[1];
  if (digits === undefined) return malformed(reader);
  reader.bodyBytesLeft = Number.parseInt(digits, 16);
  reader.state = reader.bodyBytesLeft === 0 ? "trailers" : "sized";
  return "read";
}

function readChunkEnd(reader: ResponseReader): ResponsePart | null | "read" {
  if (!mayBeginWith(reader.received, LINE_END)) return malformed(reader);
  if (unreadBytes(reader.received) < LINE_END.length) return null;
  skip(reader.received, LINE_END.length);
  reader.state = "chunk_size";
  return "read";
}

function readTrailers(reader: ResponseReader): ResponsePart | null {
  const { received } = reader;
  // With trailers their last line is followed by an empty one; without, the empty one is all there is.
  const first = received.bytes[received.at];
  if (first === LF) return endBehind(reader, 1);
  if (unreadBytes(received) < LINE_END.length) return null;
  if (mayBeginWith(received, LINE_END)) return endBehind(reader, LINE_END.length);
  const through = takeLines(received, reader.headBytesMax);
  if (through === "unfinished") return null;
  if (through === "endless") return malformed(reader, TOO_LARGE);
  const trailers = parseEither(through.text, parseTrailers);
  // A second length would leave open which one counts.
  if (trailers === null || headerValue(trailers, "content-length") !== undefined) return malformed(reader);
  return endResponse(reader, trailers);
}

function endBehind(reader: ResponseReader, emptyLineBytes: number): ResponsePart {
  skip(reader.received, emptyLineBytes);
  return endResponse(reader, []);
}

function readUntilEnd(reader: ResponseReader): ResponsePart | null {
  const count = unreadBytes(reader.received);
  if (count === 0) return reader.ended ? endResponse(reader, []) : null;
  const { bytes, only } = takePiece(reader.received, count);
  return { type: "body", bytes, only };
}

function endResponse(reader: ResponseReader, trailers: HeaderList): ResponsePart {
  reader.surplus = unreadBytes(reader.received) > 0;
  if (reader.surplus) {
    // A body that its request or status rules out is no part of this response, nor is another response that nobody asked
    // for. Anything else makes the length a lie, and what came before it untrustworthy.
    if (!reader.bodiless && !mayBeginWith(reader.received, HTTP_1)) return malformed(reader);
    reader.persistent = false;
  }
  reader.state = "done";
  return { type: "end", trailers };
}

function malformed(reader: ResponseReader, part: ResponsePart = MALFORMED): ResponsePart {
  reader.state = "malformed";
  reader.persistent = false;
  return part;
}

const MALFORMED: ResponsePart = { type: "malformed", fault: "malformed" };
const TOO_LARGE: ResponsePart = { type: "malformed", fault: "head_too_large" };

const HTTP_1 = Uint8Array.of(0x48, 0x54, 0x54, 0x50, 0x2f, 0x31, 0x2e);
const LF = 0x0a;
const LINE_END = Uint8Array.of(0x0d, LF);
const LF_WITH_ITS_CR = /\r?\n/g;

/** RFC 9112 section 4. The reason is of no use to anyone and may be missing, with its space or without. */
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/;

/** So many digits fit a number exactly. */
const CHUNK_LINE = /^0*([0-9a-f]{1,13})[\t ]*(?:;[\t\x20-\x7e\x80-\xff]*)?$/i;
