/**
 * Reads the responses of one connection as RFC 9112 has them, from the specification alone: stricter than any client, since
 * nothing that is only tolerated may come from a server. What comes is told in parts, and what was not asked for is no answer.
 */
import { headerOf } from "../tools/headers.ts";
import { latin1Text } from "../tools/text.ts";

/** What was asked, as far as the answer's form depends on it. */
export type Asked = { readonly method: string; readonly minorVersion: 0 | 1 };

export type ResponsePart =
  | { readonly type: "interim"; readonly status: number; readonly headers: readonly string[] }
  | {
      readonly type: "head";
      readonly status: number;
      readonly headers: readonly string[];
      /** No other response follows on the connection. */
      readonly closes: boolean;
    }
  | { readonly type: "body"; readonly bytes: Uint8Array }
  | { readonly type: "end"; readonly trailers: readonly string[] }
  | { readonly type: "malformed"; readonly why: string };

/** `rest`: all up to the end of the connection, which is a body's or an upgraded protocol's. */
type State = "head" | "sized" | "chunk_size" | "chunk" | "chunk_end" | "trailers" | "rest" | "over";

const NO_BYTES = new Uint8Array(0);
const NO_FIELDS: readonly string[] = [];
const CR = 13;
const LF = 10;

export class ResponseReader {
  #state: State = "head";
  #bytes: Uint8Array = NO_BYTES;
  #at = 0;
  /** Of the body, or of the chunk. */
  #left = 0;

  put(bytes: Uint8Array): void {
    const waiting = this.#bytes.length - this.#at;
    if (waiting === 0) {
      this.#bytes = bytes;
    } else {
      const joined = new Uint8Array(waiting + bytes.length);
      joined.set(this.#bytes.subarray(this.#at));
      joined.set(bytes, waiting);
      this.#bytes = joined;
    }
    this.#at = 0;
  }

  /** Whether bytes of the next response have come. */
  get begun(): boolean {
    return this.#state !== "head" || this.#bytes.length > this.#at;
  }

  /** Whether the end of the connection, where that is in order, is the end of the response. */
  get endsWithConnection(): boolean {
    return this.#state === "rest";
  }

  /** The next part of the answer to what was asked; null until more bytes have come. */
  next(asked: Asked): ResponsePart | null {
    switch (this.#state) {
      case "head":
        return this.#head(asked);
      case "sized":
        return this.#left === 0 ? this.#end(NO_FIELDS) : this.#body(this.#left);
      case "chunk_size":
        return this.#chunkSize(asked);
      case "chunk":
        if (this.#left > 0) return this.#body(this.#left);
        this.#state = "chunk_end";
        return this.next(asked);
      case "chunk_end":
        return this.#chunkEnd(asked);
      case "trailers":
        return this.#trailers();
      case "rest":
        return this.#body(Number.POSITIVE_INFINITY);
      case "over":
        return null;
    }
  }

  #head(asked: Asked): ResponsePart | null {
    const text = this.#lines();
    if (text === null) return null;
    const lineEnd = text.indexOf("\r\n");
    const line = STATUS_LINE.exec(text.slice(0, lineEnd));
    if (line === null) return this.#malformed(`a status line ${text.slice(0, lineEnd)}`);
    const status = Number(line[1]);
    const headers = fieldsOf(text.slice(lineEnd + 2));
    if (headers === null) return this.#malformed("a head with what is no field");
    const wrong = wrongWithHead(asked, status, headers);
    if (wrong !== null) return this.#malformed(wrong);
    if (status === 101) {
      this.#state = "rest";
      return { type: "head", status, headers, closes: true };
    }
    if (status < 200) return { type: "interim", status, headers };
    const length = headerOf(headers, "content-length");
    const isChunked = headerOf(headers, "transfer-encoding") !== undefined;
    const options = (headerOf(headers, "connection") ?? "").toLowerCase();
    let closes = options.split(",").some((option) => option.trim() === "close");
    if (isBodiless(asked.method, status)) {
      this.#become("sized", 0);
    } else if (isChunked) {
      this.#become("chunk_size", 0);
    } else if (length !== undefined) {
      this.#become("sized", Number(length));
    } else {
      this.#become("rest", 0);
      closes = true;
    }
    return { type: "head", status, headers, closes };
  }

  #become(state: State, left: number): void {
    this.#state = state;
    this.#left = left;
  }

  #body(most: number): ResponsePart | null {
    const bytes = this.#bytes.subarray(this.#at, Math.min(this.#bytes.length, this.#at + most));
    if (bytes.length === 0) return null;
    this.#at += bytes.length;
    this.#left -= bytes.length;
    return { type: "body", bytes };
  }

  #chunkSize(asked: Asked): ResponsePart | null {
    const end = this.#bytes.indexOf(LF, this.#at);
    if (end === -1) return null;
    const line = latin1Text(this.#bytes.subarray(this.#at, end + 1));
    if (!CHUNK_LINE.test(line)) return this.#malformed(`a chunk of the size ${JSON.stringify(line)}`);
    this.#at = end + 1;
    this.#left = Number.parseInt(line, 16);
    this.#state = this.#left === 0 ? "trailers" : "chunk";
    return this.next(asked);
  }

  #chunkEnd(asked: Asked): ResponsePart | null {
    if (this.#bytes.length < this.#at + 2) return null;
    if (this.#bytes[this.#at] !== CR || this.#bytes[this.#at + 1] !== LF)
      return this.#malformed("a chunk that is longer than its size");
    this.#at += 2;
    this.#state = "chunk_size";
    return this.next(asked);
  }

  #trailers(): ResponsePart | null {
    if (this.#bytes.length < this.#at + 2) return null;
    if (this.#bytes[this.#at] === CR && this.#bytes[this.#at + 1] === LF) {
      this.#at += 2;
      return this.#end(NO_FIELDS);
    }
    const text = this.#lines();
    if (text === null) return null;
    const trailers = fieldsOf(text);
    return trailers === null ? this.#malformed("trailers with what is no field") : this.#end(trailers);
  }

  #end(trailers: readonly string[]): ResponsePart {
    this.#state = "head";
    return { type: "end", trailers };
  }

  #malformed(why: string): ResponsePart {
    this.#state = "over";
    return { type: "malformed", why };
  }

  /** The lines up to an empty one, which is left out; null until all of them have come. */
  #lines(): string | null {
    const waiting = this.#bytes.subarray(this.#at);
    const end = Buffer.from(waiting.buffer, waiting.byteOffset, waiting.length).indexOf("\r\n\r\n");
    if (end === -1) return null;
    this.#at += end + 4;
    return latin1Text(waiting.subarray(0, end + 2));
  }
}

/** RFC 9112 section 6.3. */
function isBodiless(method: string, status: number): boolean {
  return method === "HEAD" || status === 204 || status === 304;
}

function wrongWithHead({ method, minorVersion }: Asked, status: number, headers: readonly string[]) {
  const lengths = valuesOf(headers, "content-length");
  const codings = valuesOf(headers, "transfer-encoding");
  if (minorVersion === 0 && status < 200) return "an interim response to HTTP/1.0";
  if ((status < 200 || status === 204) && lengths.length + codings.length > 0)
    return `a length of ${status}, which has no body`;
  if (lengths.length > 0 && codings.length > 0) return "two ways to tell where the body ends";
  if (lengths.length > 1 || lengths.some((length) => !/^\d{1,15}$/.test(length)))
    return `a length of ${lengths.join()}`;
  if (codings.length > 1 || (codings.length === 1 && codings[0] !== "chunked"))
    return `a coding ${codings.join()}`;
  if (codings.length > 0 && (minorVersion === 0 || isBodiless(method, status)))
    return "chunks where none can be";
  if (status >= 200 && valuesOf(headers, "date").length !== 1) return "no date, or several";
  const isFramed = isBodiless(method, status) || lengths.length + codings.length > 0 || status < 200;
  return isFramed || minorVersion === 0 ? null : "a body without an end";
}

function valuesOf(headers: readonly string[], name: string): string[] {
  const values: string[] = [];
  for (let index = 0; index + 1 < headers.length; index += 2)
    if (headers[index]?.toLowerCase() === name) values.push(headers[index + 1] ?? "");
  return values;
}

/** Names and values of lines that each end with CR LF; null where one is no field line (section 5). */
function fieldsOf(text: string): string[] | null {
  const fields: string[] = [];
  for (let at = 0; at < text.length; ) {
    const end = text.indexOf("\r\n", at);
    const field = FIELD_LINE.exec(text.slice(at, end));
    if (field === null) return null;
    fields.push(field[1] ?? "", field[2] ?? "");
    at = end + 2;
  }
  return fields;
}

const STATUS_LINE = /^HTTP\/1\.1 ([1-5]\d\d) [\t\x20-\x7e\x80-\xff]*$/;
const FIELD_LINE =
  /^([!#$%&'*+.^_`|~0-9A-Za-z-]+): ?([\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?|)$/;
const CHUNK_LINE = /^[0-9a-f]{1,8}\r\n$/;
