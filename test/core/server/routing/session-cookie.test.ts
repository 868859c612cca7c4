import { describe, expect, it } from "vitest";
import {
  isSessionCookie,
  type Reading,
  readSession,
  type Session,
  sessionCookieName,
  writeSession,
} from "../../../../core/server/routing/session-cookie.ts";
import { sha256 } from "../../../helpers/test-server.ts";

const SESSION: Session = { kind: "token", hash: sha256("token") };
const READING: Reading = { nowSeconds: 1_000, sha256, sign: (text) => sha256(`key ${text}`) };

function read(value: string, clientId = "home", reading: Partial<Reading> = {}): Session | null {
  return readSession(value, clientId, { ...READING, ...reading });
}

describe("a session cookie", () => {
  const value = writeSession(SESSION, "home", 1_001, READING.sign);

  it("says what was shown, at the home that it is for and until it expires", () => {
    expect(read(value)).toEqual(SESSION);
    expect(read(value, "other")).toBeNull();
    expect(read(value, "home", { nowSeconds: 1_001 })).toBeNull();
    expect(read(value, "home", { sign: (text) => sha256(`other key ${text}`) })).toBeNull();
  });

  it("has only characters that a cookie may have (RFC 6265 section 4.1.1)", () => {
    expect(value).toMatch(/^[\w.]+$/);
  });

  it("is good in no other spelling", () => {
    for (let place = 0; place < value.length; place++) {
      const changed = value[place] === "1" ? "2" : "1";
      expect(read(value.slice(0, place) + changed + value.slice(place + 1)), String(place)).toBeNull();
      expect(read(value.slice(0, place)), String(place)).toBeNull();
    }
    expect(read(`${value}0`)).toBeNull();
    expect(read(value.toUpperCase())).toBeNull();
    expect(read(value.replace("token.", "password."))).toBeNull();
  });

  it("cannot be moved to a client id that looks like the end of another", () => {
    const short = writeSession(SESSION, "b", 1_001, READING.sign);
    const long = writeSession(SESSION, "a b", 1_001, READING.sign);
    expect(short.split(".").at(-1)).not.toBe(long.split(".").at(-1));
    expect(read(short, "a b")).toBeNull();
  });

  it("has a name that other homes can set as little as the browser lets it", () => {
    const names = (["http", "https"] as const).flatMap((scheme) =>
      (["host", "path"] as const).map((way) => sessionCookieName(scheme, way)),
    );
    expect(new Set(names)).toEqual(
      new Set(["culvert-session", "__Host-culvert-session", "__Secure-culvert-session"]),
    );
    for (const name of names) {
      expect(isSessionCookie(name)).toBe(true);
      expect(isSessionCookie(name.toUpperCase())).toBe(true);
      expect(isSessionCookie(`x${name}`)).toBe(false);
      expect(isSessionCookie(`${name}s`)).toBe(false);
    }
  });
});
