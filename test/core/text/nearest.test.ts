import { expect, test } from "vitest";
import { nearest } from "../../../core/text/nearest.ts";

test("suggests the nearest name, and none where none is near", () => {
  expect(nearest("acess-token", ["port", "access-token"])).toBe("access-token");
  expect(nearest("sparkle", ["port", "access-token"])).toBeUndefined();
});
