import { readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { describe, expect, it } from "vitest";
import { admit } from "../../../core/edge/head.ts";
import { bearerToken } from "../../../core/http/authorization.ts";
import { endToEnd } from "../../../core/http/headers.ts";
import { elementsOf, hasElement } from "../../../core/http/lists.ts";
import { weightsOf } from "../../../core/http/weights.ts";
import { trimmed } from "../../../core/http/whitespace.ts";
import { filesIn, withoutTextAndComments } from "../../helpers/source-text.ts";

/** What JavaScript calls white space and HTTP does not, as far as a field can have it. */
const NO_SPACES = ["\xa0", "\x0b", "\x0c", "\r", "\n", "\ufeff", "\u2003"];

describe("white space", () => {
  it("is spaces and tabs", () => {
    expect(trimmed(" \t a b\t ")).toBe("a b");
    expect(trimmed(" \t ")).toBe("");
    expect(trimmed("xx a yy", 2, 5)).toBe("a");
  });

  it.each(NO_SPACES)("is not %j", (text) => {
    expect(trimmed(`${text}a${text}`)).toBe(`${text}a${text}`);
  });
});

describe("a list", () => {
  it("has the elements of all its fields, in any case, without the empty ones", () => {
    const headers = ["A", "x,\ty ,,", "b", "no", "a", " Z "];
    expect(elementsOf(headers, "a")).toEqual(["x", "y", "Z"]);
    expect(["x", "y", "z"].map((element) => hasElement(headers, "a", element))).toEqual([true, true, true]);
    expect(hasElement(headers, "a", "no")).toBe(false);
  });
});

describe("a word with a no-break space at its side is another word", () => {
  it.each(["close\xa0", "\xa0close", "keep-alive, \xa0close"])("as an element of a list: %j", (value) => {
    expect(hasElement(["Connection", value], "connection", "close")).toBe(false);
  });

  it("as the name of a field of this hop, which then goes on", () => {
    expect(endToEnd(["Connection", "x-a\xa0", "X-A", "1"])).toEqual(["X-A", "1"]);
  });

  it("as a token that opens a door", () => {
    expect(bearerToken(["Authorization", "Bearer t\xa0"])).toBe("t\xa0");
    expect(bearerToken(["Authorization", "\xa0Bearer t"])).toBe(null);
  });

  it("as a coding, however it is weighed", () => {
    expect([...weightsOf(["Accept-Encoding", "br\xa0;q=1, gzip;\xa0q=0.5"], "accept-encoding")]).toEqual([
      ["br\xa0", 1],
      ["gzip", 1],
    ]);
  });

  it("as a protocol to upgrade to", () => {
    const headers = ["Host", "a", "Connection", "Upgrade", "Upgrade", "websocket\xa0"];
    expect(admit({ method: "GET", target: "/", minorVersion: 1, headers, hasBody: false }).type).toBe(
      "request",
    );
  });
});

describe("white space is told by that rule alone in", () => {
  const core = join(import.meta.dirname, "../../../core");
  const rooms = ["http", "http1", "edge", "origins", "server", "agent"];
  const files = rooms.flatMap((room) => filesIn(join(core, room)));

  it.each(files.map((file) => relative(core, file)))("%s", (name) => {
    const source = readFileSync(join(core, name), "utf8");
    expect(withoutTextAndComments(source)).not.toMatch(/\.\s*trim(?:Start|End)?\s*\(/);
    expect(source).not.toMatch(/\\s/);
  });
});
