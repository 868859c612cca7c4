/**
 * Reads the responses of one HTTP/1.1 connection (RFC 9112), as strict as a proxy must be: what two readers could
 * understand in two ways is malformed.
 *
 * Bytes are put in as they come and parts are taken out until there are no more, so that who reads may stop in between.
 */
import { assert } from "../../core/assert.ts";
import {
  contentLength,
  type HeaderList,
  headerValue,
  headerValues,
  validHeader,
} from "../../core/http/headers.ts";

export type ResponsePart =
  /** 1xx but 101 (RFC 9110 section 15.2): the response proper is still to come. */
  | { readonly type: "interim"; readonly status: number; readonly headers: HeaderList }
  | { readonly type: "head"; readonly status: number; readonly headers: HeaderList }
  /** 101 to a request for an upgrade: the last part. What follows is no HTTP; `takeRest` has what came of it. */
  | { readonly type: "switched"; readonly headers: HeaderList }
  /** Nobody else has a view of their buffer. */
  | { readonly type: "body"; readonly bytes: Uint8Array }
  | { readonly type: "end"; readonly trailers: HeaderList };

/** What came is no response that HTTP knows, or could be read in two ways. Nothing can be read on its connection any more. */
export class MalformedResponse extends Error {
  override readonly name = "MalformedResponse";
}

/** A head, or the trailers, beyond this many bytes are malformed. */
export const HEAD_BYTES_MAX = 64 * 1024;

/** A chunk's size with its extensions (RFC 9112 section 7.1.1), which nobody uses. */
const CHUNK_LINE_BYTES_MAX = 4 * 1024;

type State = "head" | "sized" | "chunk_size" | "chunk_end" | "trailers" | "until_end" | "end" | "done";

export class ResponseReader {
  #state: State = "done";
  #method = "";
  #isUpgrade = false;
  /** What came and was not taken yet begins at `#at`. */
  #bytes: Buffer = EMPTY;
  #at = 0;
  /** How much of it is known not to hold the end of the head or line that is looked for. */
  #searched = 0;
  /** Bytes to come of a body, or of a chunk, whose size is known. */
  #left = 0;
  #isChunked = false;
  #isBodiless = false;
  #isPersistent = true;
  #isConnectionEnded = false;

  /** To be told of each request before its response is read. */
  begin(method: string, isUpgrade: boolean): void {
    assert(this.#state === "done", "a request follows one whose response is not over");
    this.#state = "head";
    this.#method = method;
    this.#isUpgrade = isUpgrade;
  }

  push(bytes: Buffer): void {
    this.#bytes = this.#hasBytes ? joined(this.takeRest(), bytes) : bytes;
    this.#at = 0;
  }

  /** No more bytes will come, and all that did are here: the end of a body that has no other. */
  endConnection(): void {
    this.#isConnectionEnded = true;
  }

  /** The next part; null until more bytes have come. Throws `MalformedResponse`. */
  next(): ResponsePart | null {
    switch (this.#state) {
      case "head":
        return this.#readHead();
      case "sized":
        return this.#readSized();
      case "chunk_size":
        return this.#readChunkSize();
      case "chunk_end":
        return this.#readChunkEnd();
      case "trailers":
        return this.#readTrailers();
      case "until_end":
        return this.#readUntilEnd();
      case "end":
        return this.#end([]);
      case "done":
        return null;
    }
  }

  get isInBody(): boolean {
    return this.#state !== "head" && this.#state !== "done" && !this.#isBodiless;
  }

  /** After the end: whether the connection may carry another request (RFC 9112 section 9.3). */
  get isPersistent(): boolean {
    return this.#isPersistent;
  }

  /** All that came and is not read. */
  takeRest(): Buffer {
    return this.#take(this.#bytes.length - this.#at);
  }

  #readHead(): ResponsePart | null {
    // What is no HTTP at all may never have the end of a head, and nobody should wait for it.
    if (!this.#beginsResponse) throw malformed("a beginning");
    const text = this.#takeTextThrough(HEAD_END, HEAD_BYTES_MAX);
    if (text === null) return null;
    const found = text.indexOf("\r\n");
    const lineEnd = found === -1 ? text.length : found;
    const [, minor, digits] = STATUS_LINE.exec(text.slice(0, lineEnd)) ?? [];
    if (minor === undefined || digits === undefined) throw malformed("a status line");
    const status = Number(digits);
    const headers = parseFields(text, lineEnd + 2);
    if (status === 101) {
      if (!this.#isUpgrade || !isSwitch(headers)) throw malformed("a switch of protocols");
      this.#state = "done";
      this.#isPersistent = false;
      return { type: "switched", headers };
    }
    if (status < 200) return { type: "interim", status, headers };
    this.#frame(status, headers, minor === "1");
    return { type: "head", status, headers };
  }

  /** Whether some of what came is still to be read. */
  get #hasBytes(): boolean {
    return this.#at < this.#bytes.length;
  }

  /** Whether what is to be read next may be a response, as far as it is there. */
  get #beginsResponse(): boolean {
    const seen = Math.min(this.#bytes.length - this.#at, HTTP_1.length);
    return HTTP_1.compare(this.#bytes, this.#at, this.#at + seen, 0, seen) === 0;
  }

  /** How the body ends (RFC 9112 section 6.3), and whether the connection stays. */
  #frame(status: number, headers: HeaderList, isLatest: boolean): void {
    const codings = headerValues(headers, "transfer-encoding");
    const length = contentLength(headers);
    this.#isPersistent = isLatest
      ? !hasOption(headers, "connection", "close")
      : hasOption(headers, "connection", "keep-alive");
    this.#isBodiless = this.#method === "HEAD" || status === 204 || status === 304;
    this.#isChunked = codings.length > 0;
    if (length === "invalid") throw malformed("a length");
    // A coding that nobody asked for cannot be undone here, and would be lost on the way (RFC 9110 section 7.6.1).
    if (this.#isChunked && (length !== null || codings.join().toLowerCase() !== "chunked")) {
      throw malformed("a transfer coding");
    }
    if (this.#isBodiless) {
      this.#state = "end";
    } else if (this.#isChunked) {
      this.#state = "chunk_size";
      // HTTP/1.0 has no chunks, so that its sender may mean something else by them (RFC 9112 section 6.1).
      this.#isPersistent &&= isLatest;
    } else if (length !== null) {
      this.#left = length;
      this.#state = length === 0 ? "end" : "sized";
    } else {
      this.#state = "until_end";
      this.#isPersistent = false;
    }
  }

  #readSized(): ResponsePart | null {
    const taken = Math.min(this.#left, this.#bytes.length - this.#at);
    if (taken === 0) return null;
    this.#left -= taken;
    if (this.#left === 0) this.#state = this.#isChunked ? "chunk_end" : "end";
    return { type: "body", bytes: this.#takePiece(taken) };
  }

  #readChunkSize(): ResponsePart | null {
    const line = this.#takeTextThrough(LINE_END, CHUNK_LINE_BYTES_MAX);
    if (line === null) return null;
    const digits = CHUNK_LINE.exec(line)?.[1];
    if (digits === undefined) throw malformed("the size of a chunk");
    this.#left = Number.parseInt(digits, 16);
    this.#state = this.#left === 0 ? "trailers" : "sized";
    return this.next();
  }

  #readChunkEnd(): ResponsePart | null {
    const line = this.#takeTextThrough(LINE_END, LINE_END.length);
    if (line === null) return null;
    this.#state = "chunk_size";
    return this.next();
  }

  #readTrailers(): ResponsePart | null {
    // With trailers their last line is followed by an empty one; without, the empty one is all there is.
    const { length } = LINE_END;
    if (this.#bytes.length - this.#at < length) return null;
    if (LINE_END.compare(this.#bytes, this.#at, this.#at + length) === 0) {
      this.#take(length);
      return this.#end([]);
    }
    const text = this.#takeTextThrough(HEAD_END, HEAD_BYTES_MAX);
    if (text === null) return null;
    const trailers = parseFields(text, 0);
    if (headerValue(trailers, "content-length") !== undefined) throw malformed("a second length");
    return this.#end(trailers);
  }

  #readUntilEnd(): ResponsePart | null {
    if (this.#hasBytes) return { type: "body", bytes: this.#takePiece(this.#bytes.length - this.#at) };
    return this.#isConnectionEnded ? this.#end([]) : null;
  }

  #end(trailers: HeaderList): ResponsePart {
    if (this.#hasBytes) {
      // A body that its request or status rules out is no part of this response, nor is another response that nobody asked
      // for. Anything else makes the length a lie, and what came before it untrustworthy.
      if (!this.#isBodiless && !this.#beginsResponse) throw malformed("a body longer than its length");
      this.#isPersistent = false;
    }
    this.#state = "done";
    return { type: "end", trailers };
  }

  #take(count: number): Buffer {
    const bytes = this.#bytes.subarray(this.#at, this.#at + count);
    this.#at += count;
    // Who takes the last of it may free it.
    if (this.#at === this.#bytes.length) {
      this.#bytes = EMPTY;
      this.#at = 0;
    }
    return bytes;
  }

  /** The last of what came, as it is; anything before it would share a buffer with what follows, and is copied. */
  #takePiece(count: number): Uint8Array {
    const bytes = this.#take(count);
    return this.#hasBytes ? new Uint8Array(bytes) : bytes;
  }

  /** What comes before that end as Latin-1, and takes the end as well; null while it is not there. */
  #takeTextThrough(end: Buffer, bytesMax: number): string | null {
    const found = this.#bytes.indexOf(end, this.#at + this.#searched);
    const bytes = found === -1 ? this.#bytes.length - this.#at : found + end.length - this.#at;
    if (bytes > bytesMax) throw malformed("something without an end");
    if (found === -1) {
      this.#searched = Math.max(0, bytes - end.length + 1);
      return null;
    }
    this.#searched = 0;
    return this.#take(bytes).toString("latin1", 0, bytes - end.length);
  }
}

/** Header fields or trailers, the line breaks between them included (RFC 9112 section 5). */
function parseFields(text: string, from: number): string[] {
  const headers: string[] = [];
  for (let at = from; at < text.length; ) {
    const found = text.indexOf("\r\n", at);
    const end = found === -1 ? text.length : found;
    const colon = text.indexOf(":", at);
    if (isWhitespace(text.charCodeAt(at))) {
      // A value that goes on, which a gateway makes one line (RFC 9112 section 5.2).
      const before = headers.pop();
      if (before === undefined) throw malformed("a header");
      const value = `${before} ${trimmed(text, at, end)}`;
      headers.push(trimmed(value, 0, value.length));
    } else {
      if (colon === -1 || colon >= end) throw malformed("a header");
      headers.push(text.slice(at, colon), trimmed(text, colon + 1, end));
    }
    at = end + 2;
  }
  for (let at = 0; at < headers.length; at += 2) {
    if (!validHeader(headers[at] ?? "", headers[at + 1] ?? "")) throw malformed("a header");
  }
  return headers;
}

/** Without spaces and tabs around it; `trim` would take more, such as the no-break space of Latin-1. */
function trimmed(text: string, from: number, to: number): string {
  let start = from;
  let end = to;
  while (start < end && isWhitespace(text.charCodeAt(start))) start++;
  while (end > start && isWhitespace(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

function isWhitespace(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

/** In a buffer of its own, which those that `Buffer.concat` makes need not have. */
function joined(first: Buffer, second: Buffer): Buffer {
  const whole = Buffer.allocUnsafeSlow(first.length + second.length);
  first.copy(whole);
  second.copy(whole, first.length);
  return whole;
}

function isSwitch(headers: HeaderList): boolean {
  return headerValue(headers, "upgrade") !== undefined && hasOption(headers, "connection", "upgrade");
}

function hasOption(headers: HeaderList, name: string, option: string): boolean {
  return headerValues(headers, name).some((value) =>
    value.split(",").some((each) => each.trim().toLowerCase() === option),
  );
}

function malformed(what: string): MalformedResponse {
  return new MalformedResponse(`the origin's response has ${what} that HTTP does not allow`);
}

const EMPTY = Buffer.alloc(0);
const HTTP_1 = Buffer.from("HTTP/1.");
const LINE_END = Buffer.from("\r\n");
const HEAD_END = Buffer.from("\r\n\r\n");

/** RFC 9112 section 4. The reason is of no use to anyone and may be missing, with its space or without. */
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/;

/** So many digits fit a number exactly. */
const CHUNK_LINE = /^0*([0-9a-f]{1,13})[\t ]*(?:;[\t\x20-\x7e\x80-\xff]*)?$/i;
