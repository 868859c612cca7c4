import { describe, expect, it } from "vitest";
import { cookiesNamed, withoutCookies, withoutSetCookies } from "../../../core/browser/cookies.ts";

const isOurs = (name: string) => name.toLowerCase() === "ours";

describe("the cookies of a request", () => {
  it("are read from all its fields, to the letter of their name", () => {
    const headers = ["Cookie", "a=1; ours=x=y ;OURS=2", "x", "ours=0", "cookie", "ours=;\tours = z"];
    expect(cookiesNamed(headers, "ours")).toEqual(["x=y", "", "z"]);
    expect(cookiesNamed(["cookie", "ours"], "ours")).toEqual([]);
  });

  it.each([
    ["ours=1", null],
    ["ours=1; a=2", "a=2"],
    ["a=2; ours=1", "a=2"],
    ["a=2;ours=1;  b=3", "a=2;  b=3"],
    ["a=2; OURS=1; Ours=2; b=ours=4", "a=2; b=ours=4"],
    ["a=2; ours = 1", "a=2"],
    ["=ours=1; a=2", "a=2"],
    ["ours; a=2", "a=2"],
  ])("leave out ours and nothing else: %s", (value, rest) => {
    const passed = withoutCookies(["X", "1", "Cookie", value, "Y", "2"], isOurs);
    expect(passed).toEqual(["X", "1", ...(rest === null ? [] : ["Cookie", rest]), "Y", "2"]);
  });

  it.each(["", "  a=1 ;; b ; =", "yours=1; oursx=2", "a=ours"])(
    "stay byte by byte where none is ours: %j",
    (value) => {
      const headers = ["cOOkie", value, "Ours", "ours=1"];
      expect(withoutCookies(headers, isOurs)).toBe(headers);
    },
  );
});

describe("the cookies of an answer", () => {
  it("are not set where they are ours, in any case and without a name", () => {
    const ours = ["ours=1; Path=/", "OURS=1", " ours =1", "=ours=1", "ours"];
    const others = ["a=1; ours=2", "oursx=1", "a=ours"];
    const headers = [...ours, ...others].flatMap((value) => ["Set-Cookie", value]);
    expect(withoutSetCookies(headers, isOurs)).toEqual(others.flatMap((value) => ["Set-Cookie", value]));
  });
});
