import { expect, test } from "vitest";
import { copyBytes, retain } from "../../core/bytes.ts";

const ofNode = () => Buffer.from(Uint8Array.of(1, 2, 3, 4, 5, 6).buffer);
const plain = () => Uint8Array.of(1, 2, 3, 4, 5, 6);

test.each([ofNode, plain])(
  "a small view is retained in a buffer of its own, whatever its class: %s",
  (make) => {
    const whole = make();
    const view = whole.subarray(1, 3);
    const kept = retain(view);
    whole.fill(0);
    expect([...kept]).toEqual([2, 3]);
    expect(kept.buffer.byteLength).toBe(2);
  },
);

test.each([ofNode, plain])("a view of at least half of its buffer is retained as it is: %s", (make) => {
  const view = make().subarray(1, 4);
  expect(retain(view)).toBe(view);
});

test.each([ofNode, plain])("a copy shares nothing with what it is of: %s", (make) => {
  const whole = make();
  const copy = copyBytes(whole);
  whole.fill(0);
  expect([...copy]).toEqual([1, 2, 3, 4, 5, 6]);
});
