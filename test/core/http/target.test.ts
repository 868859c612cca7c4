import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  authorityOf,
  encodeTarget,
  escapedQuery,
  mayLeave,
  originForm,
  parseOriginForm,
  queryValue,
  type Target,
} from "../../../core/http/target.ts";

const anyText = fc.string({ unit: "binary", maxLength: 12 });
const anyQuery = fc.array(fc.tuple(anyText, anyText), { maxLength: 5 }).map((pairs) => new Map(pairs));
const anyPath = fc.string({ unit: fc.constantFrom(..."az/.%2F;:@!$&'()*+,=~-_\"<>[]\\^`{|}") });
const nearlyTarget = fc.string({ unit: fc.constantFrom(..."/ab?&=+%2F4 #:.é\u0000") });

/** As the server reads a target, in two steps. */
function parseTarget(target: string): Target | null {
  const local = originForm(target);
  return local === null ? null : parseOriginForm(local);
}

describe("a target", () => {
  it.each([
    ["/", ""],
    ["/a/b", "a/b"],
    ["//a//b/", "/a//b/"],
    ["/a/../b/./", "a/../b/./"],
    ["/%2e%2e/a", "%2e%2e/a"],
    ["/a%2Fb", "a%2Fb"],
    ["/a;x=1/b", "a;x=1/b"],
    ["/a%00b", "a%00b"],
    ["/%ff%fe", "%ff%fe"],
    ["/a%zz", "a%zz"],
    ["http://host", ""],
    ["http://user@[::1]:80/a", "a"],
    ["HTTPS://host//a", "/a"],
    ["http://host?a=1", ""],
  ])("H16 leaves the path of %s as it was received", (target, path) => {
    expect(parseTarget(target)?.path).toBe(path);
  });

  it.each([
    ["/a", []],
    ["/a?", []],
    ["/a?&&", []],
    ["/a?x=1&y=2", ["x", "1", "y", "2"]],
    ["/a?x=1&y=2&x=3", ["x", "3", "y", "2"]],
    ["/a?x", ["x", ""]],
    ["/a?=1", ["", "1"]],
    ["/a?x=a=b?c", ["x", "a=b?c"]],
    ["/a?x=a+b%20c%2B", ["x", "a b c+"]],
    ["/a?%C3%A9=%E2%82%AC", ["é", "€"]],
    ["/a?x=%00", ["x", "\u0000"]],
    ["/a?__proto__=1", ["__proto__", "1"]],
    ["http://host/a?x=1", ["x", "1"]],
    ["/a?x=%4", ["x", "%4"]],
    ["/a?%zz=1+1%", ["%zz", "1 1%"]],
    ["/a?x=%ff%41", ["x", "%ff%41"]],
    ["/a?x=a%41%c0%80", ["x", "a%41%c0%80"]],
    ["/a?x=%ed%a0%80", ["x", "%ed%a0%80"]],
  ])("H16 decodes the query of %s", (target, query) => {
    expect([...(parseTarget(target)?.query ?? ["no target"])].flat()).toEqual(query);
  });

  it("H16 keeps a plus sign in its query where that is decoded of escapes alone", () => {
    expect([...escapedQuery("/a?b+c=d+%2B%20e&f=1%")].flat()).toEqual(["b+c", "d++ e", "f", "1%"]);
    expect([...escapedQuery("/a")]).toEqual([]);
  });

  it.each([
    ["an empty target", ""],
    ["H17 the asterisk form", "*"],
    ["H17 the authority form", "host:443"],
    ["H07 another scheme", "ftp://host/a"],
    ["H07 an absolute form without a host", "http:///a"],
    ["a relative path", "a/b"],
    ["a query alone", "?x=1"],
    ["a fragment", "/a#b"],
    ["H16 a NUL", "/a\u0000"],
    ["H16 a space", "/a b"],
    ["H16 a line end", "/a\r\nx: y"],
    ["H16 a line end at the end", "/a\n"],
    ["H16 a character that is no byte", "/\u20ac"],
    ["H16 a host with bytes that are not ASCII", "http://h\u00e9/"],
  ])("refuses %s", (_name, target) => {
    expect(parseTarget(target)).toBeNull();
  });

  it("never throws", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: "binary" }), nearlyTarget), (target) => {
        const parsed = parseTarget(target);
        if (parsed !== null)
          expect(target).toContain(parsed.path.replaceAll("%E9", target.includes("é") ? "é" : "%E9"));
      }),
      { numRuns: 3_000 },
    );
  });
});

describe("encodeTarget", () => {
  it("H16 gives the origin the path to the letter, and a query that means the same", () => {
    fc.assert(
      fc.property(anyPath, anyQuery, (path, query) => {
        const target = encodeTarget(path, query);
        if (target === null) throw new Error("the target cannot be encoded");
        const parsed = parseTarget(target);
        expect(parsed?.path).toBe(path);
        expect([...escapedQuery(target)]).toEqual([...query]);
      }),
      { numRuns: 500 },
    );
  });

  it("adds no question mark without a query", () => {
    expect(encodeTarget("a/b", new Map())).toBe("/a/b");
    expect(encodeTarget("", new Map([["a", ""]]))).toBe("/?a=");
  });

  it.each(["a b", "a\tb", "a\r\nb", "a\n", "a\u0000", "a\u007f", "é", "€", "a?b", "a#b"])(
    "T28 refuses the path %j",
    (path) => {
      expect(encodeTarget(path, new Map())).toBeNull();
    },
  );

  it("T28 stays a path of the origin, whatever a path looks like", () => {
    expect(encodeTarget("/evil.example/x", new Map())).toBe("//evil.example/x");
    expect(encodeTarget("http://evil.example/", new Map())).toBe("/http://evil.example/");
  });

  it("refuses a lone surrogate, which has no UTF-8", () => {
    expect(encodeTarget("a", new Map([["x", "\ud800"]]))).toBeNull();
    expect(encodeTarget("a", new Map([["\udc00", "x"]]))).toBeNull();
  });
});

describe("queryValue", () => {
  it("matches in any case and prefers the exact spelling", () => {
    const query = new Map([
      ["CLIENTID", "1"],
      ["clientid", "2"],
      ["clientId", "3"],
    ]);
    expect(queryValue(query, "clientId")).toBe("3");
    query.delete("clientId");
    expect(queryValue(query, "clientId")).toBe("1");
    expect(queryValue(query, "client")).toBeUndefined();
  });
});

describe("originForm", () => {
  it.each([
    ["/", "/"],
    ["//a/../%2e?x=%ff&&y#", null],
    ["//a/../%2e?x=%ff&&y", "//a/../%2e?x=%ff&&y"],
    ['/a"<>\\^`{|}?"', '/a"<>\\^`{|}?"'],
    ["http://host", "/"],
    ["http://host/", "/"],
    ["http://host?a=1", "/?a=1"],
    ["HTTPS://host:1//a?b", "//a?b"],
    ["*", null],
    ["host:443", null],
    ["/caf\u00c3\u00a9?\u00ff=%C3\u00a9", "/caf%C3%A9?%FF=%C3%A9"],
    ["http://host/\u0080", "/%80"],
    ["http://h\u00e9/", null],
    ["/a b", null],
  ])("H16 gives of %j the bytes as they came, and those beyond ASCII as escapes, %j", (target, local) => {
    expect(originForm(target)).toBe(local);
  });
});

describe("authorityOf", () => {
  it("is there in absolute form only", () => {
    expect(authorityOf("http://User@Host:80/a@b")).toBe("User@Host:80");
    expect(authorityOf("https://host?a")).toBe("host");
    expect(authorityOf("/http://host/")).toBeUndefined();
    expect(authorityOf("*")).toBeUndefined();
  });
});

describe("a path that somebody could read as another place", () => {
  it.each([
    "files/albums/../x",
    "files/albums/./x",
    "..",
    "a/..;v=1/b",
    "a/%2e%2E/b",
    "a/.%2e/b",
    "a/%252e%252e/b",
    "a%2fb",
    "a%2Fb",
    "a%255cb",
    "a\\b",
    "a%00b",
    "a/%2e%2e%3bx/b",
  ])("is %s", (path) => {
    expect(mayLeave(path)).toBe(true);
  });

  it.each(["", "files/albums/1/300.jpg", "a..b/...", "a/..b", "%c3%a9/%20", "a//b", "100%25", "a%zz"])(
    "is not %s",
    (path) => {
      expect(mayLeave(path)).toBe(false);
    },
  );
});
