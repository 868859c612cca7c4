import { describe, expect, it } from "vitest";
import { bearerToken, shownIn } from "../../../core/http/authorization.ts";

const NOTHING = { bearer: null, basic: null };

function shown(value: string) {
  return shownIn(["AUTHORIZATION", value], "authorization");
}

function basic(text: string): string {
  return `Basic ${Buffer.from(text).toString("base64")}`;
}

describe("shownIn", () => {
  it("reads a bearer token, whatever the case of the scheme", () => {
    for (const value of ["Bearer t", "bearer t", " BEARER   t "]) {
      expect(shown(value)).toEqual({ bearer: "t", basic: null });
    }
  });

  it.each([
    ["me:secret", { user: "me", password: "secret" }],
    ["me:", { user: "me", password: "" }],
    [":secret", { user: "", password: "secret" }],
    ["me:a:b", { user: "me", password: "a:b" }],
    ["mé:pässwörd €", { user: "mé", password: "pässwörd €" }],
  ])("reads user and password of %s, which are UTF-8", (text, basicShown) => {
    expect(shown(basic(text))).toEqual({ bearer: null, basic: basicShown });
  });

  it.each([
    "",
    "t",
    "Bearer",
    "Bearer t t",
    "Basic",
    "Basic !!!",
    basic("no colon"),
    `Basic ${Buffer.from([0x61, 0x3a, 0xff]).toString("base64")}`,
    "Digest username=me",
  ])("A02 reads nothing in %j", (value) => {
    expect(shown(value)).toEqual(NOTHING);
  });

  it("A02 reads nothing where the field is missing or comes twice", () => {
    expect(shownIn(["x-authorization", "Bearer t"], "authorization")).toEqual(NOTHING);
    expect(shownIn(["authorization", "Bearer t", "Authorization", "Bearer t"], "authorization")).toEqual(
      NOTHING,
    );
  });
});

describe("bearerToken", () => {
  it("takes a bare token too, as deployed agents send it", () => {
    expect(bearerToken(["Authorization", "t"])).toBe("t");
    expect(bearerToken(["Authorization", "Bearer t"])).toBe("t");
    expect(bearerToken(["Authorization", basic("me:secret")])).toBeNull();
  });
});
