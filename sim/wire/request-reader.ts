/**
 * Reads the requests of one connection as a home's service does (RFC 9112), from the specification alone: what an agent sends
 * has to be right to the letter, so nothing is tolerated.
 */
import { latin1Text } from "../tools/text.ts";

export type RequestPart =
  | {
      readonly type: "head";
      readonly method: string;
      readonly target: string;
      readonly headers: readonly string[];
      /** Whether more of the message follows (section 6.3). */
      readonly hasBody: boolean;
    }
  | { readonly type: "body"; readonly bytes: Uint8Array }
  | { readonly type: "end"; readonly trailers: readonly string[] }
  | { readonly type: "malformed"; readonly why: string };

type State = "head" | "sized" | "chunk_size" | "chunk" | "chunk_end" | "trailers" | "raw" | "over";

const NO_BYTES = new Uint8Array(0);
const NO_FIELDS: readonly string[] = [];
const CR = 13;
const LF = 10;

export class RequestReader {
  #state: State = "head";
  #bytes: Uint8Array = NO_BYTES;
  #at = 0;
  /** Of the body, or of the chunk. */
  #left = 0;

  put(bytes: Uint8Array): void {
    const unread = this.#bytes.subarray(this.#at);
    this.#at = 0;
    if (unread.length === 0) {
      this.#bytes = bytes;
      return;
    }
    this.#bytes = new Uint8Array(unread.length + bytes.length);
    this.#bytes.set(unread);
    this.#bytes.set(bytes, unread.length);
  }

  /** From now on bytes are no HTTP any more. */
  switch(): void {
    this.#state = "raw";
  }

  /** The next part; null until more bytes have come. */
  next(): RequestPart | null {
    for (;;) {
      switch (this.#state) {
        case "head":
          return this.#head();
        case "sized":
          return this.#left === 0 ? this.#end(NO_FIELDS) : this.#body(this.#left);
        case "chunk":
          if (this.#left > 0) return this.#body(this.#left);
          this.#state = "chunk_end";
          break;
        case "chunk_size":
        case "chunk_end": {
          const line = this.#line();
          if (line === null) return null;
          const why = this.#state === "chunk_end" ? this.#endChunk(line) : this.#beginChunk(line);
          if (why !== null) return this.#malformed(why);
          break;
        }
        case "trailers":
          return this.#trailers();
        case "raw":
          return this.#body(Number.POSITIVE_INFINITY);
        case "over":
          return null;
      }
    }
  }

  #head(): RequestPart | null {
    const text = this.#section();
    if (text === null) return null;
    const lineEnd = text.indexOf("\r\n");
    const [, method, target] = REQUEST_LINE.exec(text.slice(0, lineEnd)) ?? [];
    const headers = fieldsOf(text.slice(lineEnd + 2));
    if (method === undefined || target === undefined)
      return this.#malformed(`a request line ${JSON.stringify(text.slice(0, lineEnd))}`);
    if (headers === null) return this.#malformed("a head with what is no field");
    const hosts = valuesOf(headers, "host");
    const lengths = valuesOf(headers, "content-length");
    const codings = valuesOf(headers, "transfer-encoding");
    if (hosts.length !== 1) return this.#malformed(`${hosts.length} hosts`);
    if (lengths.length + codings.length > 1) return this.#malformed("a body that ends in two ways");
    const [length = "0"] = lengths;
    if (!/^\d{1,15}$/.test(length)) return this.#malformed(`a body of ${length} bytes`);
    if (codings.length === 1 && codings[0] !== "chunked") return this.#malformed(`a coding ${codings[0]}`);
    this.#left = Number(length);
    const hasBody = codings.length === 1 || this.#left > 0;
    if (hasBody) this.#state = codings.length === 1 ? "chunk_size" : "sized";
    return { type: "head", method, target, headers, hasBody };
  }

  #body(most: number): RequestPart | null {
    const bytes = this.#bytes.subarray(this.#at, Math.min(this.#bytes.length, this.#at + most));
    if (bytes.length === 0) return null;
    this.#at += bytes.length;
    this.#left -= bytes.length;
    return { type: "body", bytes };
  }

  /** What is wrong with it; null for nothing. */
  #beginChunk(line: string): string | null {
    if (!/^[0-9a-f]{1,8}$/i.test(line)) return `a chunk of the size ${JSON.stringify(line)}`;
    this.#left = Number.parseInt(line, 16);
    this.#state = this.#left === 0 ? "trailers" : "chunk";
    return null;
  }

  #endChunk(line: string): string | null {
    if (line !== "") return "a chunk that is longer than its size";
    this.#state = "chunk_size";
    return null;
  }

  #trailers(): RequestPart | null {
    const { length } = this.#bytes;
    if (length < this.#at + 2) return null;
    if (this.#bytes[this.#at] === CR && this.#bytes[this.#at + 1] === LF) {
      this.#at += 2;
      return this.#end(NO_FIELDS);
    }
    const text = this.#section();
    if (text === null) return null;
    const trailers = fieldsOf(text);
    return trailers === null ? this.#malformed("trailers with what is no field") : this.#end(trailers);
  }

  #end(trailers: readonly string[]): RequestPart {
    this.#state = "head";
    return { type: "end", trailers };
  }

  #malformed(why: string): RequestPart {
    this.#state = "over";
    return { type: "malformed", why };
  }

  /** A line without its end, which is CR LF; null until all of it has come. */
  #line(): string | null {
    const end = this.#bytes.indexOf(LF, this.#at);
    if (end === -1) return null;
    const line = latin1Text(this.#bytes.subarray(this.#at, end));
    this.#at = end + 1;
    return line.endsWith("\r") ? line.slice(0, -1) : `${line}\n`;
  }

  /** Lines up to an empty one, which is left out; null until all of them have come. */
  #section(): string | null {
    const unread = this.#bytes.subarray(this.#at);
    const end = Buffer.from(unread.buffer, unread.byteOffset, unread.length).indexOf("\r\n\r\n");
    if (end === -1) return null;
    this.#at += end + 4;
    return latin1Text(unread.subarray(0, end + 2));
  }
}

function valuesOf(headers: readonly string[], name: string): string[] {
  return headers.filter((_, index) => index % 2 === 1 && headers[index - 1]?.toLowerCase() === name);
}

/** Names and values of lines that each end with CR LF; null where one is no field line (section 5). */
function fieldsOf(text: string): string[] | null {
  const fields: string[] = [];
  for (let at = 0; at < text.length; ) {
    const end = text.indexOf("\r\n", at);
    const [, name, value] = FIELD_LINE.exec(text.slice(at, end)) ?? [];
    if (name === undefined || value === undefined) return null;
    fields.push(name, value.trimEnd());
    at = end + 2;
  }
  return fields;
}

const REQUEST_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([\x21-\x7e]+) HTTP\/1\.1$/;
const FIELD_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+): ?([\t\x20-\x7e\x80-\xff]*)$/;
