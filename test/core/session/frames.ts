/** Frames of the other side, made by hand. */
import { writeFrameHeader, writeU32, writeU48 } from "../../../core/wire/native.ts";
import { responseHeadBytes, writeResponseHead } from "../../../core/wire/native-head.ts";

export function frame(
  kind: number,
  flags: number,
  exchange: number,
  number: number,
  payload: Iterable<number> = [],
) {
  const bytes = new Uint8Array([...new Uint8Array(12), ...payload]);
  writeFrameHeader(bytes, kind, flags, exchange, number);
  return bytes;
}

export function section(bytes: Uint8Array): number[] {
  const length = new Uint8Array(4);
  writeU32(length, 0, bytes.length);
  return [...length, ...bytes];
}

export function headSection(status = 200, headers: string[] = []): number[] {
  const bytes = new Uint8Array(responseHeadBytes({ status, headers }));
  writeResponseHead(bytes, 0, { status, headers });
  return section(bytes);
}

export function entry(id: number, received: number, limit: number): number[] {
  const bytes = new Uint8Array(16);
  writeU48(bytes, 0, id);
  writeU32(bytes, 6, received);
  writeU48(bytes, 10, limit);
  return [...bytes];
}

export const text = (code: string): number[] => [...Buffer.from(code)];
