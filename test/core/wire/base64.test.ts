import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeBase64, encodeBase64 } from "../../../core/wire/base64.ts";

/** Node's decoder takes nearly anything, so the model is: what it prints again is the same text. */
function decodeByModel(text: string): Uint8Array | null {
  const bytes = Buffer.from(text, "base64");
  return bytes.toString("base64") === text ? Uint8Array.from(bytes) : null;
}

const nearlyBase64 = fc.string({
  unit: fc.constantFrom(..."ABCDwxyz0189+/=", "-", "_", " ", "\n", "é"),
  maxLength: 12,
});

describe("base64", () => {
  it("encodes as Node does", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(encodeBase64(bytes)).toBe(Buffer.from(bytes).toString("base64"));
      }),
    );
  });

  it("decodes what Node encodes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(decodeBase64(Buffer.from(bytes).toString("base64"))).toEqual(bytes);
      }),
    );
  });

  it("takes exactly the texts that are the one way to write their bytes", () => {
    fc.assert(
      fc.property(fc.oneof(nearlyBase64, fc.string({ unit: "binary" })), (text) => {
        expect(decodeBase64(text)).toEqual(decodeByModel(text));
      }),
      { numRuns: 5_000 },
    );
  });

  it.each(["b2s", "b2s==", "b2s=b2s=", "=", "====", "b===", "b2t=", "b2 s=", "b2-_", "b2s=\n"])(
    "refuses %j",
    (text) => {
      expect(decodeBase64(text)).toBeNull();
    },
  );
});
