/**
 * Heads and header lists inside the frames of culvert.1 (`native.md`, Piece): strings with their lengths, nothing folded, nothing
 * parsed. A section is the bytes from `start` up to `end`, so that none has to be cut out of its frame. It is decoded as one
 * text and cut into its strings, which costs less than a text for each of them.
 */
import { byteAt } from "../bytes.ts";
import type { HeaderList } from "../http/headers.ts";
import { decodeLatin1 } from "../latin1.ts";
import { readU48, writeU48 } from "./native.ts";

export type NativeRequestHead = {
  readonly upgrade: boolean;
  /** Credit for the body of the response. */
  readonly creditBytes: number;
  readonly method: string;
  /** Raw, as the visitor sent it, in origin form or `*`. */
  readonly target: string;
  /** IP address of the visitor. */
  readonly peer: string;
  readonly headers: HeaderList;
};

export type NativeResponseHead = { readonly status: number; readonly headers: HeaderList };

export function requestHeadBytes(head: NativeRequestHead): number {
  return (
    REQUEST_FIXED_BYTES +
    stringBytes(head.method) +
    stringBytes(head.target) +
    stringBytes(head.peer) +
    headerListBytes(head.headers)
  );
}

/** Writes the head and returns the place behind it. */
export function writeRequestHead(bytes: Uint8Array, at: number, head: NativeRequestHead): number {
  bytes[at] = head.upgrade ? UPGRADE : 0;
  writeU48(bytes, at + 1, head.creditBytes);
  let end = writeString(bytes, at + REQUEST_FIXED_BYTES, head.method);
  end = writeString(bytes, end, head.target);
  end = writeString(bytes, end, head.peer);
  return writeHeaderList(bytes, end, head.headers);
}

/** Null where the section is not exactly one request head. */
export function decodeRequestHead(
  bytes: Uint8Array,
  start = 0,
  end = bytes.length,
): NativeRequestHead | null {
  const flags = byteAt(bytes, start);
  if (end - start < REQUEST_FIXED_BYTES || flags > UPGRADE) return null;
  const cursor = createCursor(bytes, start + REQUEST_FIXED_BYTES, end);
  const method = readString(cursor);
  const target = readString(cursor);
  const peer = readString(cursor);
  const headers = readHeaderList(cursor);
  if (method === null || target === null || peer === null || headers === null) return null;
  const creditBytes = readU48(bytes, start + 1);
  return { upgrade: flags === UPGRADE, creditBytes, method, target, peer, headers };
}

export function responseHeadBytes(head: NativeResponseHead): number {
  return RESPONSE_FIXED_BYTES + headerListBytes(head.headers);
}

/** Writes the head and returns the place behind it. */
export function writeResponseHead(bytes: Uint8Array, at: number, head: NativeResponseHead): number {
  bytes[at] = head.status >>> 8;
  bytes[at + 1] = head.status;
  return writeHeaderList(bytes, at + RESPONSE_FIXED_BYTES, head.headers);
}

/** Null where the section is not exactly one response head. The status is any number of 16 bits. */
export function decodeResponseHead(
  bytes: Uint8Array,
  start = 0,
  end = bytes.length,
): NativeResponseHead | null {
  if (end - start < RESPONSE_FIXED_BYTES) return null;
  const headers = readHeaderList(createCursor(bytes, start + RESPONSE_FIXED_BYTES, end));
  if (headers === null) return null;
  return { status: (byteAt(bytes, start) << 8) | byteAt(bytes, start + 1), headers };
}

export function headerListBytes(headers: HeaderList): number {
  let length = varintBytes(headers.length >>> 1);
  for (const text of headers) length += stringBytes(text);
  return length;
}

/** Writes the list and returns the place behind it. */
export function writeHeaderList(bytes: Uint8Array, at: number, headers: HeaderList): number {
  let end = writeVarint(bytes, at, headers.length >>> 1);
  for (const text of headers) end = writeString(bytes, end, text);
  return end;
}

/** Null where the section is not exactly one header list. */
export function decodeHeaderList(bytes: Uint8Array, start = 0, end = bytes.length): HeaderList | null {
  return readHeaderList(createCursor(bytes, start, end));
}

const REQUEST_FIXED_BYTES = 7;
const RESPONSE_FIXED_BYTES = 2;
const UPGRADE = 1;

function stringBytes(text: string): number {
  return varintBytes(text.length) + text.length;
}

/** What is beyond Latin-1, which no HTTP message holds, becomes a question mark: cut to a byte it could be a line break. */
function writeString(bytes: Uint8Array, at: number, text: string): number {
  const start = writeVarint(bytes, at, text.length);
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    bytes[start + index] = unit > 0xff ? QUESTION_MARK : unit;
  }
  return start + text.length;
}

const QUESTION_MARK = 0x3f;

function varintBytes(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  return value < 0x200000 ? 3 : 4;
}

function writeVarint(bytes: Uint8Array, start: number, value: number): number {
  let at = start;
  let rest = value;
  while (rest >= 0x80) {
    bytes[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  bytes[at++] = rest;
  return at;
}

/** Walks through a section; `text` is what is between `start` and `end`. */
type Cursor = {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
  readonly text: string;
  at: number;
};

function createCursor(bytes: Uint8Array, start: number, end: number): Cursor {
  return { bytes, start, end, text: decodeLatin1(bytes, start, end), at: start };
}

/** A varint of at most 4 bytes, -1 where there is none. A longer form than needed is taken. */
function readVarint(cursor: Cursor): number {
  let value = 0;
  for (let shift = 0; shift < 28; shift += 7) {
    if (cursor.at >= cursor.end) return -1;
    const byte = byteAt(cursor.bytes, cursor.at++);
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  return -1;
}

function readString(cursor: Cursor): string | null {
  const length = readVarint(cursor);
  const from = cursor.at;
  if (length < 0 || from + length > cursor.end) return null;
  cursor.at = from + length;
  return cursor.text.slice(from - cursor.start, cursor.at - cursor.start);
}

/** The list that fills the rest of the section. */
function readHeaderList(cursor: Cursor): HeaderList | null {
  const fields = readVarint(cursor);
  // Each field takes two bytes at least, so that a false count cannot make a long list.
  if (fields < 0 || fields * 2 > cursor.end - cursor.at) return null;
  const headers: string[] = [];
  for (let index = 0; index < fields * 2; index++) {
    const text = readString(cursor);
    if (text === null) return null;
    headers.push(text);
  }
  return cursor.at === cursor.end ? headers : null;
}
