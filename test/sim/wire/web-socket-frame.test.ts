/** Frames of a home's WebSocket, made and read by the simulated world alone. */
import { describe, expect, test } from "vitest";
import {
  GOOD_BYE,
  GOOD_BYE_CODE,
  WebSocketReader,
  webSocketFrame,
} from "../../../sim/wire/web-socket-frame.ts";

/** What a reader makes of bytes that come in pieces of that size. */
function read(bytes: Uint8Array, pieceBytes: number) {
  const reader = new WebSocketReader();
  let length = 0;
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    for (const piece of reader.read(bytes.subarray(at, at + pieceBytes))) length += piece.length;
  }
  return { length, isBroken: reader.isBroken, closeCode: reader.closeCode };
}

describe("a frame of a home's WebSocket", () => {
  test.each([0, 1, 125, 126, 65_535, 65_536, 150_000])("of %d bytes is read as it was made", (length) => {
    const frame = webSocketFrame(new Uint8Array(length));
    for (const pieceBytes of [3, 1_000, frame.length]) {
      expect(read(frame, pieceBytes)).toEqual({ length, isBroken: false, closeCode: null });
    }
  });

  test("says good-bye with a code, and has nothing behind it", () => {
    expect(read(GOOD_BYE, 1)).toEqual({ length: 0, isBroken: false, closeCode: GOOD_BYE_CODE });
    const more = Uint8Array.of(...GOOD_BYE, ...webSocketFrame(new Uint8Array(1)));
    expect(read(more, more.length).isBroken).toBe(true);
  });
});
