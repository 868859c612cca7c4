import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { weightsOf } from "../../../core/http/weights.ts";

function weights(...values: string[]): Record<string, number> {
  return Object.fromEntries(
    weightsOf(
      values.flatMap((value) => ["Accept", value]),
      "accept",
    ),
  );
}

describe("weightsOf", () => {
  it.each([
    ["", {}],
    ["gzip", { gzip: 1 }],
    ["GZip, br", { gzip: 1, br: 1 }],
    ["gzip;q=0.5, br;q=1.000,*;q=0", { gzip: 0.5, br: 1, "*": 0 }],
    [" gzip ; Q=0.25 ,, ", { gzip: 0.25 }],
    ["text/html;level=1;q=0.3", { "text/html": 0.3 }],
    ["a;q=0.2, a;q=0.7, a;q=0.1", { a: 0.7 }],
    ["a;q=1.1, b;q=-1, c;q=0.1234, d;q=x, e;q=, f;q=0.", { f: 0 }],
  ])("reads %j", (value, expected) => {
    expect(weights(value)).toEqual(expected);
  });

  it("joins the fields of a header", () => {
    expect(weights("a;q=0.1", "b")).toEqual({ a: 0.1, b: 1 });
  });

  it("gives weights from 0 to 1 whatever comes", () => {
    const nearlyList = fc.string({ unit: fc.constantFrom(..."ab/*;,q=01.5 \t") });
    fc.assert(
      fc.property(fc.oneof(fc.string(), nearlyList), (value) => {
        for (const weight of weightsOf(["accept", value], "accept").values()) {
          expect(weight).toBeGreaterThanOrEqual(0);
          expect(weight).toBeLessThanOrEqual(1);
        }
      }),
    );
  });
});
