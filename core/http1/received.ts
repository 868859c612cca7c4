/** What came on a connection and was not read yet. Bytes are put in as they come, and taken out as views. */
import { copyBytes } from "../bytes.ts";
import { decodeLatin1 } from "../latin1.ts";

export type Received = {
  bytes: Uint8Array;
  /** Where what was not taken yet begins. */
  at: number;
  /** How much of it is known not to hold the end that is looked for. */
  searchedBytes: number;
  /** Whether nobody else has a view of their buffer. */
  alone: boolean;
};

/** `only`: nobody else has a view of their buffer, so that it may be freed when they are done with. */
export type Piece = { readonly bytes: Uint8Array; readonly only: boolean };

export function createReceived(): Received {
  return { bytes: EMPTY, at: 0, searchedBytes: 0, alone: true };
}

/** Whoever gives bytes away gives a buffer away that they fill; of another one he has to say so with `only`. */
export function put(received: Received, bytes: Uint8Array, only = false): void {
  if (unreadBytes(received) > 0) {
    received.bytes = joined(received, bytes);
    received.alone = true;
  } else {
    received.bytes = bytes;
    received.alone = only || bytes.length === bytes.buffer.byteLength;
  }
  received.at = 0;
}

export function unreadBytes({ bytes, at }: Received): number {
  return bytes.length - at;
}

/** Whether it begins with these, as far as it is there. */
export function mayBeginWith({ bytes, at }: Received, expected: Uint8Array): boolean {
  const seen = Math.min(bytes.length - at, expected.length);
  for (let index = 0; index < seen; index++) if (bytes[at + index] !== expected[index]) return false;
  return true;
}

/** The last of what came, as it is; anything before it would share a buffer with what follows, and is copied. */
export function takePiece(received: Received, count: number): Piece {
  const { bytes, at, alone } = received;
  const piece = bytes.subarray(at, at + count);
  skip(received, count);
  if (received.bytes === EMPTY) return { bytes: piece, only: alone };
  return { bytes: copyBytes(piece), only: true };
}

export function skip(received: Received, count: number): void {
  received.at += count;
  // Who took the last of it may free it.
  if (received.at === received.bytes.length) {
    received.bytes = EMPTY;
    received.at = 0;
  }
}

/** `endless`: more than so many bytes came, and not the end. */
export type TextThrough = { readonly text: string } | "unfinished" | "endless";

/** What comes before a line's end, which is taken as well and counts towards `bytesMax`. */
export function takeLine(received: Received, bytesMax: number): TextThrough {
  const end = endOfLine(received.bytes, received.at + received.searchedBytes);
  return takeThrough(received, end, end + 2, bytesMax);
}

/**
 * Lines up to an empty one, without the last line's end. That and the empty one are taken as well and count towards `bytesMax`.
 * Lines may end with LF alone (RFC 9112 section 2.2).
 */
export function takeLines(received: Received, bytesMax: number): TextThrough {
  const { bytes } = received;
  const end = endOfLines(bytes, received.at + received.searchedBytes);
  const textEnd = bytes[end - 1] === CR ? end - 1 : end;
  return takeThrough(received, textEnd, end + (bytes[end + 1] === LF ? 2 : 3), bytesMax);
}

/** `textEnd` is negative where the end has not come. */
function takeThrough(received: Received, textEnd: number, next: number, bytesMax: number): TextThrough {
  const { bytes, at } = received;
  const length = (textEnd < 0 ? bytes.length : next) - at;
  if (length > bytesMax) return "endless";
  if (textEnd < 0) {
    // Its last two bytes may begin an end.
    received.searchedBytes = Math.max(0, length - 2);
    return "unfinished";
  }
  received.searchedBytes = 0;
  skip(received, length);
  return { text: decodeLatin1(bytes, at, textEnd) };
}

function endOfLine(bytes: Uint8Array, from: number): number {
  let at = bytes.indexOf(CR, from);
  while (at !== -1 && bytes[at + 1] !== LF) at = bytes.indexOf(CR, at + 1);
  return at;
}

/**
 * Where the first LF is that an empty line follows; -1 where there is none. Looks at the byte behind it first: what is
 * neither CR nor LF rules out that an end is there or one byte further, and nearly every byte of a head is neither.
 */
function endOfLines(bytes: Uint8Array, from: number): number {
  for (let at = from + 1; at < bytes.length; ) {
    const byte = bytes[at];
    if (byte === LF) {
      if (bytes[at - 1] === LF) return at - 1;
      if (bytes[at - 1] === CR && at - 2 >= from && bytes[at - 2] === LF) return at - 2;
      at++;
    } else {
      at += byte === CR ? 1 : 2;
    }
  }
  return -1;
}

function joined({ bytes, at }: Received, more: Uint8Array): Uint8Array {
  const whole = new Uint8Array(bytes.length - at + more.length);
  whole.set(bytes.subarray(at));
  whole.set(more, bytes.length - at);
  return whole;
}

const EMPTY = new Uint8Array(0);
const CR = 0x0d;
const LF = 0x0a;
