import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { addressKey, forwardedHeaders, forwardHeaders, visitorSite } from "../../../core/http/forwarded.ts";
import { type HeaderList, headerValue, headerValues, validHeader } from "../../../core/http/headers.ts";
import type { Host } from "../../../core/http/host.ts";
import { type IpBlock, parseIpBlock } from "../../../core/http/ip.ts";

const PROXIES = ["10.0.0.0/8", "fd00::/8"].map(block);
const HOST: Host = { name: "home.example.com", port: null };

/** What a proxy in front of the server says of itself. */
const STORY = [
  ...["X-Forwarded-Proto", "https", "X-Forwarded-Host", "a.example"],
  ...["X-Forwarded-Port", "8443", "X-Forwarded-Prefix", "/music"],
];

function block(text: string): IpBlock {
  return parseIpBlock(text) ?? expect.fail(`${text} is no block`);
}

/** What the home is told, by a proxy unless `peer` says otherwise. */
function told(headers: HeaderList, hop: { peer?: string; secure?: boolean; host?: Host | null } = {}) {
  const { peer = "10.1.2.3", secure = false, host = HOST } = hop;
  const list = forwardedHeaders(headers, { peer, trustedProxies: PROXIES, secure, host });
  return {
    list,
    for: headerValue(list, "x-forwarded-for"),
    proto: headerValue(list, "x-forwarded-proto"),
    host: headerValue(list, "x-forwarded-host"),
    forwarded: headerValue(list, "forwarded"),
    realIp: headerValue(list, "x-real-ip"),
  };
}

describe("a visitor who comes straight", () => {
  it("is named by its address, with what it asked for and how", () => {
    expect(told(["Accept", "*/*"], { peer: "192.0.2.7" }).list).toEqual([
      ...["Accept", "*/*"],
      ...["X-Forwarded-For", "192.0.2.7"],
      ...["X-Forwarded-Proto", "http"],
      ...["X-Forwarded-Host", "home.example.com"],
      ...["Forwarded", "for=192.0.2.7;proto=http;host=home.example.com"],
    ]);
  });

  it.each([
    ["2001:db8::7", "2001:db8::7", 'for="[2001:db8::7]";proto=http;host=home.example.com'],
    ["::ffff:192.0.2.7", "192.0.2.7", "for=192.0.2.7;proto=http;host=home.example.com"],
    ["fe80::7%eth0", "fe80::7", 'for="[fe80::7]";proto=http;host=home.example.com'],
    ["", "unknown", "for=unknown;proto=http;host=home.example.com"],
    ["/run/culvert.sock", "unknown", "for=unknown;proto=http;host=home.example.com"],
  ])("is told of as RFC 7239 has it, from %j", (peer, address, forwarded) => {
    expect(told([], { peer })).toMatchObject({ for: address, forwarded });
  });

  it("quotes a host with a port, and leaves out one that is not known", () => {
    const host = { name: "home.example.com", port: 8443 };
    expect(told([], { peer: "192.0.2.7", secure: true, host })).toMatchObject({
      proto: "https",
      host: "home.example.com:8443",
      forwarded: 'for=192.0.2.7;proto=https;host="home.example.com:8443"',
    });
    expect(told([], { peer: "192.0.2.7", host: { name: "[::1]", port: null } })).toMatchObject({
      host: "[::1]",
      forwarded: 'for=192.0.2.7;proto=http;host="[::1]"',
    });
    expect(told([], { peer: "192.0.2.7", host: null })).toMatchObject({
      host: undefined,
      forwarded: "for=192.0.2.7;proto=http",
    });
  });

  it.each([
    "X-Forwarded-For",
    "x-forwarded-for",
    "X-Forwarded-Proto",
    "X-Forwarded-Host",
    "X-Forwarded-Prefix",
    "X-Forwarded-Port",
    "X-Forwarded-Ssl",
    "X_Forwarded_For",
    "X-Forwarded_Host",
    "Forwarded",
    "X-Real-IP",
    "X_Real_IP",
  ])("A11 cannot say otherwise with %s", (name) => {
    const { list } = told([name, "127.0.0.1", name, "canary"], { peer: "192.0.2.7" });
    expect(list).toEqual(told([], { peer: "192.0.2.7" }).list);
  });

  it("A11 is not trusted for an address that only looks like a proxy's", () => {
    for (const peer of ["11.0.0.1", "010.0.0.1", "10.0.0.1.evil.test", "::ffff:11.0.0.1", "fc00::1"]) {
      expect(told(["X-Forwarded-For", "203.0.113.9"], { peer }).for, peer).not.toContain("203.0.113.9");
    }
  });
});

describe("a trusted proxy", () => {
  it.each(["10.1.2.3", "::ffff:10.1.2.3", "fd00::3", "fd00::3%eth0"])("is believed from %s", (peer) => {
    expect(told(["X-Forwarded-For", "203.0.113.9"], { peer }).for).toBe("203.0.113.9");
  });

  it("has its chain, its protocol and its host taken over, in both sorts of fields", () => {
    const headers = [
      ...["X-Forwarded-For", "203.0.113.9, 2001:db8::9"],
      ...["x-forwarded-for", "198.51.100.2:4711"],
      ...["X-Forwarded-Proto", "HTTPS"],
      ...["X-Forwarded-Host", "Public.example:8443"],
      ...["X-Real-IP", "203.0.113.9"],
      ...["Cookie", "a=b"],
    ];
    expect(told(headers).list).toEqual([
      ...["Cookie", "a=b"],
      ...["X-Real-IP", "203.0.113.9"],
      ...["X-Forwarded-For", "203.0.113.9, 2001:db8::9, 198.51.100.2"],
      ...["X-Forwarded-Proto", "https"],
      ...["X-Forwarded-Host", "public.example:8443"],
      ...[
        "Forwarded",
        'for=203.0.113.9;proto=https;host="public.example:8443", for="[2001:db8::9]", for=198.51.100.2',
      ],
    ]);
  });

  it("is read where it speaks RFC 7239 only", () => {
    const value =
      'For="[2001:db8:cafe::17]:4711" ; Proto=https;host="a.example:8443";by=203.0.113.60, for=192.0.2.43';
    expect(told(["Forwarded", value, "Forwarded", "for=198.51.100.17"])).toMatchObject({
      for: "2001:db8:cafe::17, 192.0.2.43, 198.51.100.17",
      proto: "https",
      host: "a.example:8443",
    });
  });

  it("A11 is not made to pass on a visitor's Forwarded beside its own X-Forwarded-For", () => {
    const headers = ["Forwarded", "for=127.0.0.1;host=evil.test", "X-Forwarded-For", "203.0.113.9"];
    expect(told(headers)).toMatchObject({
      for: "203.0.113.9",
      host: "home.example.com",
      forwarded: "for=203.0.113.9;proto=http;host=home.example.com",
    });
  });

  it.each([
    ["junk, 203.0.113.9", "203.0.113.9"],
    ["198.51.100.1, junk, 203.0.113.9", "203.0.113.9"],
    ["203.0.113.9, junk", "10.1.2.3"],
    ["unknown", "10.1.2.3"],
    ["0127.0.0.1", "10.1.2.3"],
    ["203.0.113.9,, ,", "203.0.113.9"],
    ["[2001:db8::9]:80, [2001:db8::8]", "2001:db8::9, 2001:db8::8"],
    ["", "10.1.2.3"],
  ])("A11 has only the addresses of %j passed on that it vouches for", (value, chain) => {
    expect(told(["X-Forwarded-For", value]).for).toBe(chain);
  });

  it.each([
    ["X-Forwarded-Proto", "gopher"],
    ["X-Forwarded-Proto", ""],
    ["X-Forwarded-Host", "a.example/evil"],
    ["X-Forwarded-Host", "user@a.example"],
    ["X-Real-IP", "localhost"],
    ["Forwarded", 'for="unterminated'],
    ["Forwarded", 'for="a\\'],
    ["Forwarded", "for=_hidden;host=a.example;proto=https"],
  ])("A11 has %s: %s replaced", (name, value) => {
    expect(told([name, value]).list).toEqual(told([]).list);
  });

  it("takes the outermost protocol and host of several", () => {
    const headers = ["X-Forwarded-Proto", "https, http", "X-Forwarded-Host", "a.example, b.example"];
    expect(told(headers)).toMatchObject({ proto: "https", host: "a.example" });
  });

  it.each([
    ["203.0.113.9, 10.9.9.9, 10.8.8.8", "203.0.113.9"],
    ["198.51.100.1, 203.0.113.9, 10.9.9.9", "198.51.100.1, 203.0.113.9"],
    ["10.9.9.9, 203.0.113.9", "10.9.9.9, 203.0.113.9"],
    ["10.9.9.9, fd00::9", "10.9.9.9"],
    ["fd00::9", "fd00::9"],
  ])("is no more named than the others of %j: the last address is the visitor's", (value, chain) => {
    expect(told(["X-Forwarded-For", value]).for).toBe(chain);
    const alone = addressKey(chain.split(", ").at(-1) ?? "", [], []);
    expect(addressKey("10.1.2.3", ["X-Forwarded-For", value], PROXIES)).toBe(alone);
  });

  it.each([
    [["X-Forwarded-Port", "8443"], { port: "8443" }],
    [["X-Forwarded-Port", "8443, 80"], { port: "8443" }],
    [["X-Forwarded-Port", "65536"], { port: undefined }],
    [["X-Forwarded-Port", "80a"], { port: undefined }],
    [["X-Forwarded-Port", "443", "X-Forwarded-Host", "a.example:8443"], { port: "8443" }],
    [["X-Forwarded-Ssl", "ON"], { ssl: "on", proto: "https" }],
    [["X-Forwarded-Ssl", "off"], { ssl: "off", proto: "http" }],
    [["X-Forwarded-Ssl", "yes"], { ssl: undefined, proto: "http" }],
    [["X-Forwarded-Ssl", "on", "X-Forwarded-Proto", "http"], { ssl: "off", proto: "http" }],
    [["X-Forwarded-Prefix", "/music"], { prefix: "/music" }],
    [["X-Forwarded-Prefix", "/music/"], { prefix: "/music" }],
    [["X-Forwarded-Prefix", "/"], { prefix: undefined }],
    [["X-Forwarded-Prefix", "/a, /b/c/"], { prefix: "/a/b/c" }],
    [["X-Forwarded-Prefix", "/a", "X-Forwarded-Prefix", "/b"], { prefix: "/a/b" }],
    [["X-Forwarded-Prefix", "music"], { prefix: undefined }],
    [["X-Forwarded-Prefix", "//evil.test"], { prefix: undefined }],
    [["X-Forwarded-Prefix", "/a\\b"], { prefix: undefined }],
    [["X-Forwarded-Prefix", "/a?b"], { prefix: undefined }],
  ])("has %j passed on where it means something, and in agreement with the rest", (headers, expected) => {
    const { list, proto } = told(headers);
    const port = headerValue(list, "x-forwarded-port");
    const ssl = headerValue(list, "x-forwarded-ssl");
    const prefix = headerValue(list, "x-forwarded-prefix");
    expect({ port, ssl, prefix, proto }).toMatchObject(expected);
  });

  it("cannot make a header that cannot be sent, whatever it says", () => {
    const value = fc.string({ unit: fc.constantFrom(...'for=proto;host,"\\[]:.% 1a\u00e9'), maxLength: 40 });
    const names = [
      "forwarded",
      "x-forwarded-for",
      "x-forwarded-host",
      "x-forwarded-proto",
      "x-forwarded-prefix",
    ];
    const name = fc.constantFrom(...names, "x-forwarded-port");
    fc.assert(
      fc.property(fc.array(fc.tuple(name, value), { maxLength: 4 }), (fields) => {
        const { list } = told(fields.flat());
        for (let index = 0; index < list.length; index += 2) {
          expect(validHeader(list[index] ?? "", list[index + 1] ?? "")).toBe(true);
        }
        expect(headerValues(list, "forwarded")).toHaveLength(1);
        expect(headerValues(list, "x-forwarded-for")).toHaveLength(1);
      }),
    );
  });
});

describe("forwardHeaders", () => {
  it("removes the fields of the visitor's connection before it adds its own, which no Connection can name", () => {
    const request = {
      target: "/",
      peer: "192.0.2.7",
      headers: [
        ...["Host", "Home.example:81", "Connection", "X-Forwarded-For, Forwarded, X-Own, close"],
        ...["X-Own", "1", "Set-Cookie", "a", "Set-Cookie", "b", "TE", "trailers"],
      ],
    };
    expect(forwardHeaders(request, { trustedProxies: PROXIES })).toEqual([
      ...["Host", "Home.example:81", "Set-Cookie", "a", "Set-Cookie", "b"],
      ...["X-Forwarded-For", "192.0.2.7", "X-Forwarded-Proto", "http"],
      ...["X-Forwarded-Host", "home.example:81"],
      ...["Forwarded", 'for=192.0.2.7;proto=http;host="home.example:81"'],
    ]);
  });

  it("H07 names the host of an absolute form", () => {
    const request = { target: "http://home.example/a", peer: "192.0.2.7", headers: ["Host", "evil.test"] };
    const headers = forwardHeaders(request, { trustedProxies: [] });
    expect(headerValue(headers, "x-forwarded-host")).toBe("home.example");
  });
});

describe("what a visitor calls a home below a path", () => {
  it.each([
    ["192.0.2.7", ["Host", "Tunnel.test:8000"], "http://tunnel.test:8000/t/home"],
    ["192.0.2.7", ["Host", "tunnel.test:80"], "http://tunnel.test/t/home"],
    ["192.0.2.7", [...STORY, "Host", "tunnel.test"], "http://tunnel.test/t/home"],
    ["10.1.2.3", [...STORY, "Host", "tunnel.test"], "https://a.example:8443/music/t/home"],
    ["10.1.2.3", ["X-Forwarded-Proto", "https", "Host", "tunnel.test:443"], "https://tunnel.test/t/home"],
    ["192.0.2.7", [], "http:///t/home"],
  ])("is, from %s with %j, %s", (peer, headers, url) => {
    const site = visitorSite({ peer, headers, target: "/t/home/x" }, { trustedProxies: PROXIES }, "/t/home");
    expect(`${site.scheme}://${site.authority}${site.prefix}`).toBe(url);
  });

  it("is told the home", () => {
    const request = { peer: "10.1.2.3", headers: [...STORY, "Host", "tunnel.test"], target: "/t/home/x" };
    const headers = forwardHeaders(request, { trustedProxies: PROXIES }, "/t/home");
    expect(headerValue(headers, "x-forwarded-prefix")).toBe("/music/t/home");
  });
});
