/**
 * Frames of the native protocol as the simulator knows them, written from the protocol's description and apart from
 * `core/wire` and `core/session`: faults take them apart, and checkers read them.
 */
import { latin1Text } from "../tools/text.ts";

export const KIND = {
  piece: 1,
  reset: 2,
  credit: 3,
  resume: 4,
  hello: 5,
  welcome: 6,
  drain: 7,
  ping: 8,
  pong: 9,
  moved: 10,
  nodes: 11,
} as const;

export type NativeFrame = {
  readonly kind: number;
  readonly exchange: number;
  /** As on the wire, modulo 2^32. */
  readonly number: number;
  readonly bytes: number;
  /** Of a piece. */
  readonly hasHead: boolean;
  readonly interim: boolean;
  readonly last: boolean;
  readonly bodyBytes: number;
  /** Where the head begins, and its length; 0 where there is none. */
  readonly headAt: number;
  readonly headBytes: number;
};

/** One entry of a credit or resume frame. */
export type NativeEntry = { readonly exchange: number; readonly received: number; readonly limit: number };

export type SeenRequestHead = {
  readonly upgrade: boolean;
  readonly creditBytes: number;
  readonly method: string;
  readonly target: string;
  readonly peer: string;
  readonly headers: readonly string[];
};

export const NATIVE_HEADER_BYTES = 12;
const ENTRY_BYTES = 16;
const FLAG_HEAD = 1;
const FLAG_INTERIM = 2;
const FLAG_LAST = 4;
const FLAG_TRAILERS = 8;

/**
 * A frame whose first `bytes.length` bytes are these, of `total` in all: what is behind its sections may be elsewhere.
 * Null where the bytes are none.
 */
export function readNativeFrame(bytes: Uint8Array, total = bytes.length): NativeFrame | null {
  if (bytes.length < NATIVE_HEADER_BYTES) return null;
  const kind = bytes[0] ?? 0;
  const flags = bytes[1] ?? 0;
  let at = NATIVE_HEADER_BYTES;
  let headAt = 0;
  let headBytes = 0;
  const isPiece = kind === KIND.piece;
  if (isPiece && (flags & FLAG_HEAD) !== 0) {
    headAt = at + 4;
    headBytes = uint32(bytes, at);
    at = headAt + headBytes;
  }
  if (isPiece && (flags & FLAG_TRAILERS) !== 0) at += 4 + uint32(bytes, at);
  return {
    kind,
    exchange: uint48(bytes, 2),
    number: uint32(bytes, 8),
    bytes: total,
    hasHead: headAt > 0 && (flags & FLAG_INTERIM) === 0,
    interim: isPiece && (flags & FLAG_INTERIM) !== 0,
    last: isPiece && (flags & FLAG_LAST) !== 0,
    bodyBytes: isPiece ? Math.max(0, total - at) : 0,
    headAt,
    headBytes,
  };
}

/** Which exchange a frame is about, and its number: for who wants no more of very many. */
export function exchangeOf(bytes: Uint8Array): number {
  return uint48(bytes, 2);
}

export function numberOf(bytes: Uint8Array): number {
  return uint32(bytes, 8);
}

export function readEntries(bytes: Uint8Array): NativeEntry[] {
  const entries: NativeEntry[] = [];
  for (let at = NATIVE_HEADER_BYTES; at + ENTRY_BYTES <= bytes.length; at += ENTRY_BYTES) {
    entries.push({
      exchange: uint48(bytes, at),
      received: uint32(bytes, at + 6),
      limit: uint48(bytes, at + 10),
    });
  }
  return entries;
}

/** The head of a request in its first piece. */
export function readRequestHead(bytes: Uint8Array, at: number): SeenRequestHead {
  // All is made text at once, and cut then: there are many strings, and each would be a call of the runtime.
  const cursor = { bytes, all: latin1Text(bytes), at: at + 7 };
  const method = text(cursor);
  const target = text(cursor);
  const peer = text(cursor);
  return {
    upgrade: (bytes[at] ?? 0) === 1,
    creditBytes: creditOf(bytes, at),
    method,
    target,
    peer,
    headers: headerList(cursor),
  };
}

/** What the head of a request that begins at `at` gives the response: for who wants no more of it. */
export function creditOf(bytes: Uint8Array, at: number): number {
  return uint48(bytes, at + 1);
}

/** The status of a response's head. */
export function readStatus(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}

/** The JSON object of a hello or welcome; null where it is none. */
export function readGreeting(bytes: Uint8Array): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes.subarray(NATIVE_HEADER_BYTES)).toString());
    return typeof value === "object" && value !== null ? { ...value } : null;
  } catch {
    return null;
  }
}

/** A hello or welcome with these members. */
export function greeting(kind: number, members: object): Uint8Array {
  const json = Buffer.from(JSON.stringify(members));
  const bytes = new Uint8Array(NATIVE_HEADER_BYTES + json.length);
  bytes[0] = kind;
  bytes.set(json, NATIVE_HEADER_BYTES);
  return bytes;
}

/** The same credit or resume frame, with each of its entries changed. */
export function alteredEntries(
  bytes: Uint8Array,
  change: (entry: NativeEntry) => Partial<NativeEntry>,
): Uint8Array {
  const copy = bytes.slice();
  const view = new DataView(copy.buffer);
  readEntries(bytes).forEach((entry, index) => {
    const { exchange, received, limit } = { ...entry, ...change(entry) };
    const at = NATIVE_HEADER_BYTES + index * ENTRY_BYTES;
    writeUint48(view, at, exchange);
    view.setUint32(at + 6, received % 2 ** 32);
    writeUint48(view, at + 10, limit);
  });
  return copy;
}

function writeUint48(view: DataView, at: number, value: number): void {
  view.setUint16(at, Math.floor(value / 2 ** 32));
  view.setUint32(at + 2, value % 2 ** 32);
}

function uint32(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] ?? 0) << 24) |
      ((bytes[at + 1] ?? 0) << 16) |
      ((bytes[at + 2] ?? 0) << 8) |
      (bytes[at + 3] ?? 0)) >>>
    0
  );
}

function uint48(bytes: Uint8Array, at: number): number {
  return (((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)) * 2 ** 32 + uint32(bytes, at + 2);
}

type Cursor = { readonly bytes: Uint8Array; readonly all: string; at: number };

function varint(cursor: Cursor): number {
  let value = 0;
  for (let shift = 0; shift < 28; shift += 7) {
    const byte = cursor.bytes[cursor.at++] ?? 0;
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  return value;
}

function text(cursor: Cursor): string {
  const length = varint(cursor);
  const { all, at } = cursor;
  cursor.at += length;
  // What a fault has cut may end before its strings do.
  return all.slice(at, at + length);
}

function headerList(cursor: Cursor): string[] {
  const fields = varint(cursor);
  const headers: string[] = [];
  for (let index = 0; index < 2 * fields && cursor.at < cursor.bytes.length; index++)
    headers.push(text(cursor));
  return headers;
}
