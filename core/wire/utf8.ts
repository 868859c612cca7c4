/**
 * UTF-8 (RFC 3629) without a Node or browser type. Nearly all that crosses the tunnel as text is ASCII, so both directions
 * try that first and fall back to the general form at the first other character.
 */
import { byteAt } from "../bytes.ts";

/** Encodes text; a lone surrogate becomes U+FFFD, as in every web encoder. */
export function encodeUtf8(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit > 0x7f) return encodeAny(text);
    bytes[index] = unit;
  }
  return bytes;
}

/** How many bytes `encodeUtf8` would make of the text. */
export function utf8Length(text: string): number {
  let length = text.length;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit < 0x80) continue;
    length += unit < 0x800 ? 1 : 2;
    // A pair's second unit is counted already: four bytes for two units.
    if (isHigh(unit) && isLow(text.charCodeAt(index + 1))) index++;
  }
  return length;
}

/** Decodes strictly: null for overlong forms, surrogates, code points above U+10FFFF and cut sequences. A BOM is kept. */
export function decodeUtf8(bytes: Uint8Array): string | null {
  let text = "";
  for (let start = 0; start < bytes.length; start += CHUNK_UNITS) {
    const end = Math.min(start + CHUNK_UNITS, bytes.length);
    if (!isAscii(bytes, start, end)) {
      const rest = decodeAny(bytes, start);
      return rest === null ? null : text + rest;
    }
    text += fromUnits(bytes.subarray(start, end));
  }
  return text;
}

/** Arguments of one call go on the stack, so a long text is put together from chunks. */
const CHUNK_UNITS = 4096;

/** The smallest code point that needs a sequence of so many bytes; a smaller one in it is overlong (RFC 3629 section 3). */
const SEQUENCE_POINT_MIN = [0, 0, 0x80, 0x800, 0x10000] as const;

function encodeAny(text: string): Uint8Array {
  const wellFormed = text.toWellFormed();
  const bytes = new Uint8Array(utf8Length(wellFormed));
  let at = 0;
  for (let index = 0; index < wellFormed.length; index++) {
    const point = wellFormed.codePointAt(index) ?? 0;
    if (point < 0x80) {
      bytes[at++] = point;
      continue;
    }
    if (point < 0x800) {
      bytes[at++] = 0xc0 | (point >> 6);
    } else if (point < 0x10000) {
      bytes[at++] = 0xe0 | (point >> 12);
      bytes[at++] = 0x80 | ((point >> 6) & 0x3f);
    } else {
      index++;
      bytes[at++] = 0xf0 | (point >> 18);
      bytes[at++] = 0x80 | ((point >> 12) & 0x3f);
      bytes[at++] = 0x80 | ((point >> 6) & 0x3f);
    }
    bytes[at++] = 0x80 | (point & 0x3f);
  }
  return bytes;
}

function decodeAny(bytes: Uint8Array, start: number): string | null {
  const units = new Uint16Array(Math.min(bytes.length - start, CHUNK_UNITS) + 1);
  let text = "";
  let used = 0;
  let at = start;
  while (at < bytes.length) {
    if (used >= units.length - 1) {
      text += fromUnits(units.subarray(0, used));
      used = 0;
    }
    const lead = byteAt(bytes, at);
    if (lead < 0x80) {
      units[used++] = lead;
      at++;
      continue;
    }
    const length = sequenceLength(lead);
    if (length === 0) return null;
    let point = lead & (0x7f >> length);
    for (let index = at + 1; index < at + length; index++) {
      // Past the end there is nothing, which continues no sequence.
      const next = byteAt(bytes, index);
      if ((next & 0xc0) !== 0x80) return null;
      point = (point << 6) | (next & 0x3f);
    }
    if (point < SEQUENCE_POINT_MIN[length] || point > 0x10ffff || isSurrogate(point)) return null;
    if (point < 0x10000) {
      units[used++] = point;
    } else {
      units[used++] = 0xd7c0 + (point >> 10);
      units[used++] = 0xdc00 | (point & 0x3ff);
    }
    at += length;
  }
  return text + fromUnits(units.subarray(0, used));
}

/** How many bytes a sequence has by its first one, 0 where no sequence begins so. */
function sequenceLength(lead: number): 0 | 2 | 3 | 4 {
  if (lead >= 0xc0 && lead < 0xe0) return 2;
  if (lead >= 0xe0 && lead < 0xf0) return 3;
  return lead >= 0xf0 && lead < 0xf8 ? 4 : 0;
}

function isSurrogate(unit: number): boolean {
  return (unit & ~0x7ff) === 0xd800;
}

function isHigh(unit: number): boolean {
  return (unit & ~0x3ff) === 0xd800;
}

function isLow(unit: number): boolean {
  return (unit & ~0x3ff) === 0xdc00;
}

function isAscii(bytes: Uint8Array, start: number, end: number): boolean {
  let union = 0;
  for (let index = start; index < end; index++) union |= byteAt(bytes, index);
  return union < 0x80;
}

function fromUnits(units: Uint8Array | Uint16Array): string {
  return Reflect.apply(String.fromCharCode, undefined, units);
}
