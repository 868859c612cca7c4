import { describe, expect, it } from "vitest";
import { headerValue } from "../../../core/http/headers.ts";
import { intoHome, outOfHome } from "../../../core/http/home-path.ts";

const SITE = { scheme: "https", authority: "tunnel.test", prefix: "/t/home" } as const;

describe("a request for a home below a path", () => {
  it.each([
    ["Referer", "https://tunnel.test/t/home/a?b", "https://tunnel.test/a?b"],
    ["Referer", "https://tunnel.test/t/home", "https://tunnel.test/"],
    ["Referer", "https://tunnel.test/t/homework", null],
    ["Referer", "https://tunnel.test/t/other/a", null],
    ["Referer", "https://other.test/t/home/a", null],
    ["Destination", "https://Tunnel.test:443/t/home/a", "https://Tunnel.test:443/a"],
    ["Destination", "/t/home/a", "/a"],
    ["Destination", "/t/other/a", null],
    ["If", "<https://tunnel.test/t/home/a> (<urn:x>)", "<https://tunnel.test/a> (<urn:x>)"],
    ["Origin", "https://tunnel.test", null],
  ])("has %s: %s told as %s", (name, value, expected) => {
    expect(headerValue(intoHome([name, value], SITE), name)).toBe(expected ?? value);
  });
});

describe("an answer of a home below a path", () => {
  it.each([
    ["Location", "/login", "/t/home/login"],
    ["Location", "/", "/t/home/"],
    ["Location", "https://tunnel.test", "https://tunnel.test/t/home/"],
    ["Location", "https://tunnel.test?a", "https://tunnel.test/t/home/?a"],
    ["Location", "http://tunnel.test/login", "http://tunnel.test/t/home/login"],
    ["Location", "//tunnel.test/login", "//tunnel.test/t/home/login"],
    ["Location", "//other.test/login", null],
    ["Location", "https://other.test/login", null],
    ["Location", "https://tunnel.test:8443/login", null],
    ["Location", "login", null],
    ["Location", "?a", null],
    ["Location", "../login", null],
    ["Location", "/t/home/login", null],
    ["Location", "https://tunnel.test/t/home", null],
    ["Location", "/t/homework", "/t/home/t/homework"],
    ["Content-Location", "/a", "/t/home/a"],
    ["Refresh", "0; url=/a", "0; url=/t/home/a"],
    ["Link", "</a>; rel=next, <b>; rel=prev", "</t/home/a>; rel=next, <b>; rel=prev"],
    ["Set-Cookie", "a=b; Path=/; Secure", "a=b; Path=/t/home/; Secure"],
    ["Set-Cookie", "a=b;path=/x", "a=b;path=/t/home/x"],
    ["Set-Cookie", "a=b; Path=/t/home", null],
    ["Set-Cookie", "a=b; Path=x", null],
    ["Set-Cookie", "__Host-a=b; Secure; Path=/", null],
    ["Set-Cookie", "a=b", null],
    ["X-Other", "/a", null],
  ])("has %s: %s told as %s", (name, value, expected) => {
    expect(headerValue(outOfHome([name, value], SITE), name)).toBe(expected ?? value);
  });

  it("is the list itself where nothing is to be changed", () => {
    const headers = ["content-type", "text/html", "Location", "a"];
    expect(outOfHome(headers, SITE)).toBe(headers);
  });
});
