import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeUtf8, encodeUtf8, utf8Length } from "../../../core/wire/utf8.ts";

const encoder = new TextEncoder();

function decodeByModel(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

/** Any UTF-16, lone surrogates included. */
const anyUnits = fc
  .array(fc.oneof(fc.nat(0x7f), fc.nat(0xffff), fc.integer({ min: 0xd800, max: 0xdfff })))
  .map((units) => String.fromCharCode(...units));

/** The bytes at which the rules of RFC 3629 section 4 change. */
const edgeBytes = fc
  .array(
    fc.constantFrom(
      ...[0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0],
      ...[0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xf7, 0xf8, 0xff],
    ),
    { maxLength: 12 },
  )
  .map((bytes) => Uint8Array.from(bytes));

function everyScalarValue(): string {
  const parts: string[] = [];
  for (let point = 0; point <= 0x10ffff; point++) {
    if (point < 0xd800 || point > 0xdfff) parts.push(String.fromCodePoint(point));
  }
  return parts.join("");
}

describe("utf8", () => {
  it("encodes what the platform's encoder encodes, lone surrogates as U+FFFD", () => {
    fc.assert(
      fc.property(anyUnits, (text) => {
        expect(encodeUtf8(text)).toEqual(encoder.encode(text));
      }),
      { numRuns: 1_000 },
    );
  });

  it("knows the length of what it would encode", () => {
    fc.assert(
      fc.property(anyUnits, (text) => {
        expect(utf8Length(text)).toBe(encoder.encode(text).length);
      }),
      { numRuns: 1_000 },
    );
  });

  it("carries every character of Unicode both ways", () => {
    const text = everyScalarValue();
    const bytes = encodeUtf8(text);
    expect(Buffer.compare(bytes, encoder.encode(text))).toBe(0);
    expect(decodeUtf8(bytes) === text).toBe(true);
  });

  it("decodes and refuses exactly what the platform's strict decoder does", () => {
    const anyBytes = fc.oneof(
      edgeBytes,
      fc.uint8Array(),
      anyUnits.map((text) => encoder.encode(text)),
    );
    fc.assert(
      fc.property(anyBytes, (bytes) => {
        expect(decodeUtf8(bytes)).toBe(decodeByModel(bytes));
      }),
      { numRuns: 5_000 },
    );
  });

  it.each([
    ["a continuation without a lead", "80"],
    ["a sequence of two that is cut", "c3"],
    ["a sequence of three that is cut", "e282"],
    ["a sequence of four that is cut", "f09f98"],
    ["a sequence that a letter cuts", "e28241"],
    ["an overlong sequence of two", "c1bf"],
    ["an overlong sequence of three", "e09fbf"],
    ["an overlong sequence of four", "f08fbfbf"],
    ["a surrogate", "eda080"],
    ["a code point above U+10FFFF", "f4908080"],
    ["a lead that no sequence has", "f8888080"],
  ])("refuses %s", (_name, digits) => {
    expect(decodeUtf8(Buffer.from(digits, "hex"))).toBeNull();
  });

  it("decodes long text whose characters lie across its chunks", () => {
    for (const filler of [4093, 4094, 4095, 4096, 4097, 8191]) {
      const text = `${"a".repeat(filler)}😀é${"b".repeat(5000)}😀`;
      expect(decodeUtf8(encoder.encode(text)) === text).toBe(true);
    }
  });

  it("does not look beyond the view it is given", () => {
    const bytes = encoder.encode("abc€");
    expect(decodeUtf8(bytes.subarray(1, 3))).toBe("bc");
    expect(decodeUtf8(bytes.subarray(3, 5))).toBeNull();
  });

  it("keeps a byte order mark as the character it is", () => {
    expect(decodeUtf8(Uint8Array.of(0xef, 0xbb, 0xbf, 0x7b))).toBe("\ufeff{");
  });
});
