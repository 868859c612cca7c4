import { describe, expect, it } from "vitest";
import { parseRange } from "./range.ts";

describe("parseRange", () => {
  it("takes the range from the first to the last byte, both included", () => {
    expect(parseRange("bytes=0-0", 100)).toEqual({ first: 0, last: 0 });
    expect(parseRange("bytes=10-19", 100)).toEqual({ first: 10, last: 19 });
  });

  it("ends a range at the end of the file", () => {
    expect(parseRange("bytes=90-", 100)).toEqual({ first: 90, last: 99 });
    expect(parseRange("bytes=90-1000", 100)).toEqual({ first: 90, last: 99 });
  });

  it("counts a suffix from the end, and takes the whole file where the suffix is longer", () => {
    expect(parseRange("bytes=-5", 100)).toEqual({ first: 95, last: 99 });
    expect(parseRange("bytes=-500", 100)).toEqual({ first: 0, last: 99 });
  });

  it("refuses a range that holds no byte of the file", () => {
    expect(parseRange("bytes=100-", 100)).toBe("unsatisfiable");
    expect(parseRange("bytes=-0", 100)).toBe("unsatisfiable");
    expect(parseRange("bytes=-5", 0)).toBe("unsatisfiable");
  });

  it.each([undefined, "", "bytes=", "bytes=-", "bytes=5-2", "items=0-5", "bytes=0-1,4-5", "bytes=a-b"])(
    "ignores %s",
    (header) => {
      expect(parseRange(header, 100)).toBe("whole");
    },
  );
});
