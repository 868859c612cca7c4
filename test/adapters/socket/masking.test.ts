import fc from "fast-check";
import { expect, test } from "vitest";
import { KEY_BYTES, mask, unmaskInScript } from "../../../adapters/socket/masking.ts";
import { nativeMasking } from "../../../adapters/socket/native-masking.ts";

test("masks with native code where it is installed", () => {
  expect(nativeMasking).not.toBeNull();
});

test("masks in JavaScript as native code does, wherever the bytes begin", () => {
  fc.assert(
    fc.property(
      fc.nat(9),
      fc.uint8Array({ maxLength: 100 }),
      fc.uint8Array({ minLength: KEY_BYTES, maxLength: KEY_BYTES }),
      (before, payload, key) => {
        const [scripted, native] = [0, 1].map(() =>
          Buffer.from(Buffer.alloc(before + payload.length + 9, 0xee)),
        );
        scripted?.set(payload, before);
        native?.set(payload, before);
        unmaskInScript(scripted?.subarray(before, before + payload.length) ?? payload, key);
        nativeMasking?.unmask(native?.subarray(before, before + payload.length) ?? payload, key);
        expect(scripted).toEqual(native);
      },
    ),
  );
});

test("masks what lies between the key and the end, and nothing else (RFC 6455 section 5.3)", () => {
  fc.assert(
    fc.property(fc.nat(20), fc.uint8Array({ maxLength: 300 }), fc.nat(20), (before, payload, behind) => {
      const start = before + KEY_BYTES;
      const end = start + payload.length;
      const bytes = Buffer.alloc(end + behind, 0xee);
      bytes.set(payload, start);
      mask(bytes, before, end);
      const key = bytes.subarray(before, start);
      expect(bytes.subarray(start, end)).toEqual(
        Buffer.from(payload.map((byte, index) => byte ^ (key[index % KEY_BYTES] ?? 0))),
      );
      expect(bytes.subarray(0, before)).toEqual(Buffer.alloc(before, 0xee));
      expect(bytes.subarray(end)).toEqual(Buffer.alloc(behind, 0xee));
    }),
  );
});

test("makes a new key for each frame", () => {
  const keys = new Set<number>();
  for (let index = 0; index < 3_000; index++) {
    const bytes = Buffer.alloc(KEY_BYTES);
    mask(bytes, 0, KEY_BYTES);
    keys.add(bytes.readUInt32BE());
  }
  // Two of them may well be equal by chance.
  expect(keys.size).toBeGreaterThan(2_990);
});
