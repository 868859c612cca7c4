import { describe, expect, it } from "vitest";
import { ACCESS_LENGTH_MAX } from "../../../../core/registry.ts";
import { accessText, isSalted, parseAccess, stillOpens } from "../../../../core/server/routing/access.ts";

const HASH = "0123456789abcdef".repeat(4);
const TOKEN = { type: "token" } as const;
const PUBLIC = { type: "public" } as const;
const BASIC = { type: "basic", user: "me", hash: HASH } as const;

describe("Culvert-Access", () => {
  it("says who may visit, and means token where it is missing", () => {
    expect(parseAccess(undefined)).toEqual(TOKEN);
    expect(parseAccess("token")).toEqual(TOKEN);
    expect(parseAccess("public")).toEqual(PUBLIC);
    expect(parseAccess(`basic me:${HASH}`)).toEqual(BASIC);
    const salted = `scrypt.15.8.4.0123456789_-cdefABCDEF.${"-".repeat(43)}`;
    expect(parseAccess(`basic me:${salted}`)).toEqual({ ...BASIC, hash: salted });
    expect([salted, HASH].map(isSalted)).toEqual([true, false]);
    expect(parseAccess(`basic a user's "name"\\%:${HASH}`)).toMatchObject({ user: 'a user\'s "name"\\%' });
  });

  it.each([
    "",
    "Token",
    "public ",
    "open",
    "token, public",
    "basic",
    ...[
      "scrypt.14.8.1.0123456789abcdefABCDEF",
      `scrypt.14.8.1.0123456789abcdefABCDEF.${"-".repeat(42)}`,
      `scrypt.14.8.1.0123456789abcdefABCDEF.${"-".repeat(44)}`,
      `scrypt.14.8.1.0123456789abcdefABCDE.${"-".repeat(43)}`,
      `scrypt.14.8.1.0123456789abcdefABCDE+.${"-".repeat(43)}`,
      `scrypt.13.8.1.0123456789abcdefABCDEF.${"-".repeat(43)}`,
      `scrypt.16.8.1.0123456789abcdefABCDEF.${"-".repeat(43)}`,
      `scrypt.15.16.1.0123456789abcdefABCDEF.${"-".repeat(43)}`,
      `scrypt.15.8.5.0123456789abcdefABCDEF.${"-".repeat(43)}`,
      `scrypt.15.8.0.0123456789abcdefABCDEF.${"-".repeat(43)}`,
      `bcrypt.15.8.1.0123456789abcdefABCDEF.${"-".repeat(43)}`,
    ].map((hash) => `basic me:${hash}`),
    "basic me",
    `basic :${HASH}`,
    `basic me:${HASH.toUpperCase()}`,
    `basic me:${HASH}0`,
    `basic me:${HASH.slice(1)}`,
    `basic me:x:${HASH}`,
    `basic m\u00e9:${HASH}`,
    `basic me\n:${HASH}`,
    `basic  me:${HASH} `,
    `Basic me:${HASH}`,
    `basic ${"x".repeat(ACCESS_LENGTH_MAX)}:${HASH}`,
    `basic ${"x:".repeat(100_000)}`,
  ])("A12 is not understood as %j", (text) => {
    expect(parseAccess(text)).toBeNull();
  });

  it("is written as it is read, and fits its column", () => {
    const longest = `basic ${"x".repeat(ACCESS_LENGTH_MAX - 71)}:${HASH}`;
    for (const text of ["token", "public", `basic me:${HASH}`, longest]) {
      const access = parseAccess(text);
      expect(access === null ? null : accessText(access)).toBe(text);
    }
    expect(longest).toHaveLength(ACCESS_LENGTH_MAX);
  });
});

describe("a visitor who waited for the home", () => {
  it("stays where the same door is still open, or every door is", () => {
    for (const access of [TOKEN, PUBLIC, BASIC]) {
      expect(stillOpens(access, { ...access })).toBe(true);
      expect(stillOpens(access, PUBLIC)).toBe(true);
    }
  });

  it("does not stay where the home came back with another one", () => {
    expect(stillOpens(PUBLIC, TOKEN)).toBe(false);
    expect(stillOpens(PUBLIC, BASIC)).toBe(false);
    expect(stillOpens(TOKEN, BASIC)).toBe(false);
    expect(stillOpens(BASIC, TOKEN)).toBe(false);
    expect(stillOpens(BASIC, { ...BASIC, hash: HASH.replace("0", "1") })).toBe(false);
  });
});
