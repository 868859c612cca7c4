/** Requests as a visitor writes them (RFC 9112), from the specification alone. */
import { copyOf, newBytes } from "../tools/bytes.ts";
import { latin1Bytes } from "../tools/text.ts";

export type RequestLine = {
  readonly method: string;
  readonly target: string;
  readonly minorVersion: 0 | 1;
};

export function requestHead(
  { method, target, minorVersion }: RequestLine,
  fields: readonly string[],
): Uint8Array {
  return latin1Bytes(`${method} ${target} HTTP/1.${minorVersion}\r\n${fieldLines(fields)}\r\n`);
}

/** One chunk (section 7.1), of at least a byte. */
export function chunkOf(bytes: Uint8Array): Uint8Array {
  return framed(`${bytes.length.toString(16)}\r\n`, bytes, "\r\n");
}

export function lastChunk(trailers: readonly string[]): Uint8Array {
  return latin1Bytes(`0\r\n${fieldLines(trailers)}\r\n`);
}

/** In pieces of at most so many bytes, as `lengthOf` has it each time, in memory of their own. */
export function piecesOf(bytes: Uint8Array, lengthOf: () => number): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const piece = copyOf(bytes.subarray(at, at + Math.max(1, lengthOf())));
    pieces.push(piece);
    at += piece.length;
  }
  return pieces;
}

function framed(before: string, bytes: Uint8Array, after: string): Uint8Array {
  const whole = newBytes(before.length + bytes.length + after.length);
  for (let index = 0; index < before.length; index++) whole[index] = before.charCodeAt(index);
  whole.set(bytes, before.length);
  for (let index = 0; index < after.length; index++)
    whole[before.length + bytes.length + index] = after.charCodeAt(index);
  return whole;
}

function fieldLines(fields: readonly string[]): string {
  let lines = "";
  for (let index = 0; index + 1 < fields.length; index += 2)
    lines += `${fields[index]}: ${fields[index + 1]}\r\n`;
  return lines;
}
