/** What a node says of its answer to another one. */
import { describe, expect, test } from "vitest";
import { type Mark, markFields, readMark, withoutMark } from "../../../../core/server/peer/mark.ts";

describe("a mark", () => {
  test.each<Mark>([
    { type: "home", compressible: false },
    { type: "home", compressible: true },
    { type: "misdirected" },
    { type: "failed", code: "agent_lost", detail: null },
    { type: "failed", code: "not_json", detail: "A request body must be JSON: 100 % of it." },
  ])("is read as it was written: %o", (mark) => {
    expect(readMark(["X-A", "b", ...markFields(mark)])).toEqual(mark);
  });

  test.each(["", "HOME", "failed", "failed no_such_code", "misdirection"])("is none: %s", (text) => {
    expect(readMark(["Culvert-Peer", text])).toBeNull();
  });

  test("of a home is nobody's word", () => {
    expect(withoutMark(["culvert-PEER", "misdirected", "X-A", "b"])).toEqual(["X-A", "b"]);
  });
});
