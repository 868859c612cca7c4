import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { homeOfHost, hostText, requestHost } from "../../../core/http/host.ts";

function hostOf(value: string): string | null | undefined {
  const host = requestHost("/", ["Host", value]);
  return host === null || host === undefined ? host : hostText(host);
}

describe("requestHost", () => {
  it.each([
    ["home.example.com", "home.example.com"],
    ["HOME.Example.COM", "home.example.com"],
    ["home.example.com.", "home.example.com"],
    ["home.example.com:8443", "home.example.com:8443"],
    ["home.example.com.:80", "home.example.com:80"],
    ["home.example.com:", "home.example.com"],
    ["xn--bcher-kva.example", "xn--bcher-kva.example"],
    ["a_b.example", "a_b.example"],
    ["__proto__", "__proto__"],
    ["127.0.0.1:8000", "127.0.0.1:8000"],
    ["[::1]", "[::1]"],
    ["[2001:DB8::1]:8000", "[2001:db8::1]:8000"],
    [`${"x".repeat(63)}.example`, `${"x".repeat(63)}.example`],
  ])("H07 reads %s as %s", (value, host) => {
    expect(hostOf(value)).toBe(host);
  });

  it.each([
    "user@home.example.com",
    "user:password@home.example.com",
    "home.example.com, other.example.com",
    "home.example.com/path",
    "home..example.com",
    ".example.com",
    "home.example.com..",
    ".",
    "home.example.com:http",
    "home.example.com:65536",
    "home.example.com:80:80",
    "home%2eexample.com",
    "b\u00fccher.example",
    "home example.com",
    "home.example.com\t",
    "::1",
    "[::1",
    "[::g]",
    "[127.0.0.1]",
    "[fe80::1%25eth0]",
    "[v1.x]",
    `${"x".repeat(64)}.example`,
    "x.".repeat(128),
    "x.".repeat(100_000),
  ])("H07 takes %j for no host", (value) => {
    expect(hostOf(value)).toBeNull();
  });

  it("H07 takes the authority of an absolute form, whatever the Host header says", () => {
    const headers = ["host", "other.example"];
    expect(requestHost("http://Home.example:81/a?b=http://c", headers)).toEqual({
      name: "home.example",
      port: 81,
    });
    expect(requestHost("http://home.example?b", headers)).toEqual({ name: "home.example", port: null });
    expect(requestHost("http://user@home.example/", headers)).toBeNull();
    expect(requestHost("/http://home.example/", headers)).toEqual({ name: "other.example", port: null });
  });

  it("H07 knows none without a Host header, and refuses two", () => {
    expect(requestHost("/", [])).toBeUndefined();
    expect(requestHost("/", ["host", ""])).toBeUndefined();
    expect(requestHost("/", ["host", "a.example", "HOST", "a.example"])).toBeNull();
    expect(requestHost("http://a.example/", ["host", "a.example", "HOST", "b.example"])).toBeNull();
  });

  it("gives one spelling, which it reads as itself", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(..."aZ09-_.:[]@%") }), (text) => {
        const host = hostOf(text);
        if (typeof host === "string") expect(hostOf(host)).toBe(host);
      }),
    );
  });
});

describe("homeOfHost", () => {
  it.each([
    ["home.example.com", "home"],
    ["xn--bcher-kva.example.com", "xn--bcher-kva"],
    ["_.example.com", "_"],
    ["__proto__.example.com", "__proto__"],
    ["constructor.example.com", "constructor"],
    ["ws.example.com", "ws"],
    ["t.example.com", "t"],
    ["1.example.com", "1"],
    [`${"x".repeat(63)}.example.com`, "x".repeat(63)],
  ])("H29 takes %s for the name of %s", (host, clientId) => {
    expect(homeOfHost(host, "example.com")).toBe(clientId);
  });

  it.each([
    "example.com",
    ".example.com",
    "a.b.example.com",
    "homeexample.com",
    "home.example.org",
    "home.example.com.evil.test",
    "evil.test.home-example.com",
    "www.example.com",
    "api.example.com",
    "admin.example.com",
    `${"x".repeat(64)}.example.com`,
    "[::1]",
    "127.0.0.1",
    "",
  ])("H29 takes %j for no home's name", (host) => {
    expect(homeOfHost(host, "example.com")).toBeNull();
  });
});
