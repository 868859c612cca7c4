import { describe, expect, test } from "vitest";
import { alteredEntries, KIND, readEntries, readNativeFrame } from "../../../sim/wire/native.ts";
import { entry, frame, responseHead } from "../checkers/native-steps.ts";

describe("the simulator's own codec", () => {
  test("reads a piece", () => {
    expect(readNativeFrame(frame(KIND.piece, 3, 5, new Uint8Array([...responseHead, 1, 2])))).toMatchObject({
      kind: KIND.piece,
      exchange: 1,
      number: 3,
      hasHead: true,
      last: true,
      headBytes: 3,
      bodyBytes: 2,
    });
  });

  test("raises credit", () => {
    expect(
      readEntries(alteredEntries(entry(KIND.credit, 2, 50), ({ limit }) => ({ limit: limit + 1_000 }))),
    ).toEqual([{ exchange: 1, received: 2, limit: 1_050 }]);
  });
});
