import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { jsonMembers, jsonString, jsonValueEnd, parseJson } from "../../../core/wire/json.ts";

const anyObject = fc.dictionary(fc.string({ unit: "binary" }), fc.jsonValue({ maxDepth: 3 }), {
  noNullPrototype: true,
});
const indentation = fc.constantFrom("", " ", "\t", "\n", "\r\n \t");

/** JSON texts, and texts that a small accident made of them. */
const nearlyJson = fc
  .tuple(
    fc.oneof(anyObject, fc.jsonValue()),
    indentation,
    fc.nat(200),
    fc.constantFrom("", "{", "}", '"', "\\", ",", " "),
  )
  .map(([value, indent, at, accident]) => {
    const text = JSON.stringify(value, null, indent);
    return text.slice(0, at) + accident + text.slice(at);
  });

function parseByModel(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

describe("parseJson", () => {
  it("gives undefined for what is not JSON, and never throws", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: "binary" }), nearlyJson), (text) => {
        expect(parseJson(text)).toEqual(parseByModel(text));
      }),
    );
  });

  it("survives a text that is nothing but open brackets", () => {
    expect(parseJson("[".repeat(1_000_000))).toBeUndefined();
  });
});

describe("jsonMembers", () => {
  it("finds the members that JSON.parse finds, and none where there is no object", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: "binary" }), nearlyJson), (text) => {
        const expected = parseByModel(text);
        const members = jsonMembers(text);
        if (!isObject(expected)) {
          expect(members).toBeNull();
          return;
        }
        const parsed = [...(members ?? [])].map(([name, raw]) => [name, JSON.parse(raw)] as const);
        expect(new Map(parsed)).toEqual(new Map(Object.entries(expected)));
      }),
      { numRuns: 3_000 },
    );
  });

  it("hands out values as they were written, without the space around them", () => {
    const text = '\t{ "a" : 1.50 , "b":[ 1,{"c":"}"} ]\n,"d":"x\\"]","e":18446744073709551615 } ';
    expect(jsonMembers(text)).toEqual(
      new Map([
        ["a", "1.50"],
        ["b", '[ 1,{"c":"}"} ]'],
        ["d", '"x\\"]"'],
        ["e", "18446744073709551615"],
      ]),
    );
  });

  it("takes the last of a repeated name, however it is spelt", () => {
    expect(jsonMembers('{"a":1,"b":2,"\\u0061":3}')).toEqual(
      new Map([
        ["a", "3"],
        ["b", "2"],
      ]),
    );
  });

  it("treats names with a meaning in JavaScript as plain data", () => {
    expect(jsonMembers('{"__proto__":{"x":1},"constructor":2}')).toEqual(
      new Map([
        ["__proto__", '{"x":1}'],
        ["constructor", "2"],
      ]),
    );
  });
});

describe("jsonString", () => {
  it("reads every string that JSON can write, and nothing else", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: "binary" }), fc.jsonValue()), (value) => {
        expect(jsonString(JSON.stringify(value))).toBe(typeof value === "string" ? value : undefined);
      }),
    );
  });
});

describe("jsonValueEnd", () => {
  it("finds the end of a value whatever follows it", () => {
    fc.assert(
      fc.property(anyObject, indentation, fc.string(), (value, indent, rest) => {
        const text = JSON.stringify(value, null, indent);
        expect(jsonValueEnd(`|${text}${rest}`, 1)).toBe(text.length + 1);
      }),
    );
  });

  it("stays inside any text", () => {
    const brackets = fc.string({ unit: fc.constantFrom(...'{}[]"\\,: a') });
    fc.assert(
      fc.property(fc.oneof(fc.string(), brackets), fc.nat(20), (text, start) => {
        const from = Math.min(start, text.length);
        const end = jsonValueEnd(text, from);
        expect(end).toBeGreaterThanOrEqual(from);
        expect(end).toBeLessThanOrEqual(text.length);
      }),
    );
  });
});
