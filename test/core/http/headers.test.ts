import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  contentLength,
  endToEnd,
  headerValue,
  headerValues,
  validHeader,
  withoutHeader,
} from "../../../core/http/headers.ts";

const HOP_BY_HOP = [
  ...["connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection"],
  ...["te", "trailer", "transfer-encoding", "upgrade"],
];

const anyName = fc.constantFrom(
  ...[
    "Set-Cookie",
    "set-cookie",
    "Link",
    "WWW-Authenticate",
    "X-Odd",
    "x-odd",
    "Connection",
    "TE",
    "x-private",
  ],
);
const anyValue = fc.constantFrom(
  "a",
  "",
  "close",
  "x-private",
  "X-ODD, close",
  "set-cookie",
  "content-length",
);
const anyHeaders = fc.array(fc.tuple(anyName, anyValue), { maxLength: 12 });

describe("headerValue and headerValues", () => {
  const headers = ["Set-Cookie", "a=1", "X-Odd", "1", "SET-COOKIE", "b=2", "set-cookie", ""];

  it("find a header in any case, the first or all in order", () => {
    expect(headerValue(headers, "set-cookie")).toBe("a=1");
    expect(headerValues(headers, "Set-cookie")).toEqual(["a=1", "b=2", ""]);
  });

  it("find nothing where there is nothing", () => {
    expect(headerValue(headers, "set-cooki")).toBeUndefined();
    expect(headerValues([], "x")).toEqual([]);
  });

  it("do not take a value for a name", () => {
    expect(headerValue(["a", "b", "c", "d"], "b")).toBeUndefined();
  });
});

describe("endToEnd", () => {
  it("H14 keeps count, order and odd casing of what it passes on", () => {
    const headers = [
      ...["Set-Cookie", "a=1", "Set-Cookie", "b=2", "X-Dup", "1", "set-cookie", "c=3", "Set-Cookie", "d=4"],
      ...["Link", "<1>", "SET-COOKIE", "e=5", "Link", "<2>", "x-dup", "2", "Link", "<3>"],
      ...["WWW-Authenticate", "Basic", "WWW-Authenticate", "Bearer", "x-eMPTY", ""],
    ];
    expect(endToEnd(headers)).toEqual(headers);
  });

  it.each(HOP_BY_HOP)("H08 removes %s", (name) => {
    expect(endToEnd(["a", "1", name.toUpperCase(), "x", "b", "2", name, "y"])).toEqual(["a", "1", "b", "2"]);
  });

  it("H08 removes what Connection nominates, in any case and any of its fields", () => {
    const headers = [
      "Connection",
      "close, X-One",
      "X-ONE",
      "1",
      "x-two",
      "2",
      "connection",
      ",x-Two ,",
      "x-three",
      "3",
    ];
    expect(endToEnd(headers)).toEqual(["x-three", "3"]);
  });

  it("H08 lets nobody nominate what the message needs", () => {
    const needed = [
      ...[
        "content-length",
        "5",
        "Content-Type",
        "a/b",
        "content-encoding",
        "br",
        "host",
        "h",
        "Authorization",
        "x",
      ],
      ...["cookie", "c", "set-cookie", "s", "cache-control", "no-store"],
    ];
    const nominated = needed.filter((_, index) => index % 2 === 0).join(", ");
    expect(endToEnd(["connection", nominated, ...needed])).toEqual(needed);
  });

  it("drops whole fields and nothing else", () => {
    fc.assert(
      fc.property(anyHeaders, (pairs) => {
        const nominated = pairs
          .filter(([name]) => name === "Connection")
          .flatMap(([, value]) => value.toLowerCase().split(", "))
          .filter((name) => name !== "set-cookie");
        const gone = new Set([...HOP_BY_HOP, ...nominated]);
        const expected = pairs.filter(([name]) => !gone.has(name.toLowerCase())).flat();
        expect(endToEnd(pairs.flat())).toEqual(expected);
      }),
    );
  });
});

describe("withoutHeader", () => {
  it("removes every field of the name and keeps the rest as it was", () => {
    expect(withoutHeader(["A", "1", "b", "2", "a", "3"], "a")).toEqual(["b", "2"]);
  });
});

describe("validHeader", () => {
  it("H10 takes every byte of a value but control characters, tab excepted", () => {
    for (let code = 0; code <= 0x110; code++) {
      const isControl = code < 0x20 || code === 0x7f;
      const allowed = code === 0x09 || (!isControl && code <= 0xff);
      expect([code, validHeader("x", `a${String.fromCharCode(code)}b`)]).toEqual([code, allowed]);
    }
  });

  it("H10 takes the characters of a token for a name, and at least one", () => {
    const token = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    for (let code = 0; code <= 0x110; code++) {
      const character = String.fromCharCode(code);
      expect([code, validHeader(`a${character}b`, "")]).toEqual([code, token.includes(character)]);
    }
    expect(validHeader("", "a")).toBe(false);
  });

  it("H10 is not deceived by a line end at the very end", () => {
    expect(validHeader("x\n", "a")).toBe(false);
    expect(validHeader("x", "a\n")).toBe(false);
  });
});

describe("contentLength", () => {
  it.each([
    ["no field", [], null],
    ["one length", ["content-length", "5"], 5],
    ["zero", ["Content-Length", "0"], 0],
    ["leading zeros", ["content-length", "007"], 7],
    ["white space around", ["content-length", " \t5\t "], 5],
    ["equal lengths in a list", ["content-length", "5, 5"], 5],
    ["equal lengths in two fields", ["content-length", "5", "CONTENT-LENGTH", "5"], 5],
    ["the largest safe one", ["content-length", "9007199254740991"], 9007199254740991],
    ["H01 differing lengths in a list", ["content-length", "5, 6"], "invalid"],
    ["H01 differing lengths in two fields", ["content-length", "5", "content-length", "6"], "invalid"],
    ["H01 a plus sign", ["content-length", "+5"], "invalid"],
    ["H01 hexadecimal", ["content-length", "0x5"], "invalid"],
    ["a minus sign", ["content-length", "-5"], "invalid"],
    ["a fraction", ["content-length", "5.0"], "invalid"],
    ["an empty field", ["content-length", ""], "invalid"],
    ["an empty element", ["content-length", "5,"], "invalid"],
    ["two numbers without a comma", ["content-length", "5 5"], "invalid"],
    ["more than a number can count", ["content-length", "9007199254740992"], "invalid"],
    ["digits of another script", ["content-length", "٥"], "invalid"],
    ["a good one before a bad one", ["content-length", "5", "content-length", "x"], "invalid"],
  ] as const)("reads %s", (_name, headers, expected) => {
    expect(contentLength(headers)).toBe(expected);
  });
});
