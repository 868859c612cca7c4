import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AgentConfig } from "../../../../core/agent/config.ts";
import { placesOf, towardsService, towardsVisitor } from "../../../../core/agent/exchange/places.ts";
import { originHeaders } from "../../../../core/agent/exchange/request-headers.ts";
import { at } from "../../../../core/assert.ts";
import { type HeaderList, headerValue, validHeaders } from "../../../../core/http/headers.ts";
import { config } from "../harness.ts";

const OWN = "127.0.0.1:3000";
const VISITOR = ["Host", "home.example", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "home.example"];

type Setup = {
  readonly received?: HeaderList;
  readonly hostHeader?: AgentConfig["hostHeader"];
  readonly origins?: AgentConfig["origins"];
  readonly origin?: number;
};

function agent({ hostHeader = { type: "origin" }, origins = [{ prefix: "/", authority: OWN }] }: Setup) {
  return { ...config, hostHeader, origins };
}

/** What the service is told of the fields. */
function told(fields: HeaderList, setup: Setup = {}): HeaderList {
  const { received = VISITOR, origin = 0 } = setup;
  const all = [...received, ...fields];
  return towardsService(all, placesOf(agent(setup), origin, all), agent(setup));
}

/** What the visitor is told of the one field, null where that is nothing. */
function heard(name: string, value: string, setup: Setup = {}): string | undefined {
  const { received = VISITOR, origin = 0 } = setup;
  const list = towardsVisitor([name, value], placesOf(agent(setup), origin, received), agent(setup));
  return headerValue(list, name);
}

describe("a request for a service that is told its own host", () => {
  it.each([
    ["Origin", "https://home.example", `http://${OWN}`],
    ["Origin", "https://HOME.example:443", `http://${OWN}`],
    ["Origin", "https://other.example", null],
    ["Origin", "https://home.example:8443", null],
    ["Origin", "http://home.example", null],
    ["Origin", "https://home.example.evil.test", null],
    ["Origin", "https://evil.test/https://home.example", null],
    ["Origin", "https://home.example@evil.test", null],
    ["Origin", "null", null],
    ["Referer", "https://home.example/a?b=https://home.example/", `http://${OWN}/a?b=https://home.example/`],
    ["Referer", "https://home.example", `http://${OWN}`],
    ["Referer", "https://search.example/?q=home.example", null],
    ["Destination", "https://home.example/a%20b", `http://${OWN}/a%20b`],
    ["Destination", "/a", null],
    ["Destination", "https://other.example/a", null],
    [
      "If",
      '<https://home.example/a> (<urn:uuid:1> ["<https://home.example/b>)"]) <https://other.example/> (Not <x>)',
      `<http://${OWN}/a> (<urn:uuid:1> ["<https://home.example/b>)"]) <https://other.example/> (Not <x>)`,
    ],
    ["If", '(<https://home.example/token>) (["https://home.example"])', null],
    ["X-Other", "https://home.example/", null],
  ])("has %s: %s told as %s", (name, value, expected) => {
    expect(headerValue(told([name, value]), name)).toBe(expected ?? value);
  });

  it("is told of the visitor's host where it has nothing to compare it with", () => {
    const forwarded = ["Forwarded", "for=192.0.2.7;proto=https;host=home.example"];
    const fields = ["X-Forwarded-Port", "443", ...forwarded, "Referer", "https://home.example/"];
    const list = told(fields);
    expect(headerValue(list, "x-forwarded-host")).toBe("home.example");
    expect(headerValue(list, "x-forwarded-port")).toBe("443");
    expect(headerValue(list, "forwarded")).toBe(forwarded[1]);
  });

  it.each(["Origin", "Destination", "If"])("is told of no other host beside its %s", (name) => {
    const place = "https://home.example:8443";
    const value = name === "If" ? `<${place}/a> (<x>)` : place;
    const received = [
      ...["X-Forwarded-For", "192.0.2.7", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "home.example"],
      ...["X-Forwarded-Port", "8443"],
      ...["Forwarded", 'for=192.0.2.7;proto=https;host="home.example:8443", for=192.0.2.8'],
    ];
    const list = told([name, value], { received });
    expect(list.join("\n")).not.toContain("home.example");
    expect(list.slice(0, 4)).toEqual(received.slice(0, 4));
    expect(headerValue(list, "x-forwarded-port")).toBeUndefined();
    expect(headerValue(list, "forwarded")).toBe("for=192.0.2.7;proto=https, for=192.0.2.8");
  });

  it("agrees with itself where its proxy's TLS was not told of", () => {
    const received = ["X-Forwarded-Proto", "http", "X-Forwarded-Host", "home.example"];
    const list = told(["Origin", "https://home.example"], { received });
    expect(headerValue(list, "origin")).toBe(`http://${OWN}`);
  });

  it("names a service that is called over TLS so", () => {
    const origins = [{ prefix: "/", authority: "nas.local", secure: true }];
    expect(headerValue(told(["Origin", "https://home.example"], { origins }), "origin")).toBe(
      "https://nas.local",
    );
  });

  it("is left alone by a server that does not say who asks", () => {
    const received = ["accept", "*/*", "Origin", "https://home.example"];
    expect(told([], { received })).toEqual(received);
  });

  it("has a place moved to where the service has it, and none that another service has", () => {
    const origins = [
      { prefix: "/", authority: OWN },
      { prefix: "/music", authority: "127.0.0.1:4000" },
    ];
    const destination = (path: string, origin: number) =>
      headerValue(told(["Destination", `https://home.example${path}`], { origins, origin }), "destination");
    expect(destination("/music/a", 1)).toBe("http://127.0.0.1:4000/music/a");
    expect(destination("/photos/a", 1)).toBe("https://home.example/photos/a");
    expect(destination("/music/../a", 1)).toBe("https://home.example/music/../a");
    expect(destination("/music/a", 0)).toBe("https://home.example/music/a");
  });
});

describe("an answer of a service that is told its own host", () => {
  it.each([
    ["Location", `http://${OWN}/dir/?a#b`, "https://home.example/dir/?a#b"],
    ["Location", `http://${OWN}`, "https://home.example"],
    ["Location", `https://${OWN}/`, "https://home.example/"],
    ["Location", `//${OWN}/a`, "https://home.example/a"],
    ["Location", "http://localhost:3000/a", "https://home.example/a"],
    ["Location", "http://0.0.0.0:3000/a", "https://home.example/a"],
    ["Location", "http://127.0.0.1/a", "https://home.example/a"],
    ["Location", "http://127.0.0.1:4000/callback", null],
    ["Location", "/login", null],
    ["Location", "login", null],
    ["Location", "", null],
    ["Location", `https://login.example/?next=http://${OWN}/`, null],
    ["Location", `http://${OWN}@evil.test/`, null],
    ["Location", `myapp://${OWN}/`, null],
    ["Content-Location", `http://${OWN}/a`, "https://home.example/a"],
    ["Refresh", `5; url=http://${OWN}/a`, "5; url=https://home.example/a"],
    ["Refresh", `0;URL='http://${OWN}/a'`, "0;URL='https://home.example/a'"],
    ["Refresh", `0, "http://${OWN}/a" and more`, '0, "https://home.example/a" and more'],
    ["Refresh", "5", null],
    ["Refresh", "5; url=/a", null],
    [
      "Link",
      `<http://${OWN}/a,b>; rel="next <http://${OWN}/>", </c>; rel=prev, <http://${OWN}/d>`,
      `<https://home.example/a,b>; rel="next <http://${OWN}/>", </c>; rel=prev, <https://home.example/d>`,
    ],
    ["Link", "<unfinished", null],
    ["Access-Control-Allow-Origin", `http://${OWN}`, "https://home.example"],
    ["Access-Control-Allow-Origin", "*", null],
    ["Set-Cookie", "a=b; Domain=127.0.0.1; Path=/", "a=b; Path=/"],
    ["Set-Cookie", "a=Domain=localhost; domain=.localhost;Secure", "a=Domain=localhost;Secure"],
    ["Set-Cookie", "a=b; Domain=home.example", null],
    ["Set-Cookie", "a=b; Domain=example", null],
    ["Set-Cookie", "a=b; Path=/; HttpOnly", null],
    ["Set-Cookie", "domain=localhost", null],
    ["X-Other", `http://${OWN}/`, null],
  ])("has %s: %s told as %s", (name, value, expected) => {
    expect(heard(name, value)).toBe(expected ?? value);
  });

  it("may name it by its own name, in any spelling and as a part of a domain", () => {
    const origins = [{ prefix: "/", authority: "nas.local" }];
    expect(heard("Location", "http://NAS.local:80/a", { origins })).toBe("https://home.example/a");
    expect(heard("Location", "http://nas.local:8080/a", { origins })).toBe("http://nas.local:8080/a");
    expect(heard("Location", "http://localhost:80/a", { origins })).toBe("https://home.example/a");
    expect(heard("Location", "http://localhost/a", { origins })).toBe("http://localhost/a");
    expect(heard("Set-Cookie", "a=b; Domain=nas.local", { origins })).toBe("a=b");
    expect(heard("Set-Cookie", "a=b; Domain=.local", { origins })).toBe("a=b");
    expect(heard("Set-Cookie", "a=b; Domain=other.local", { origins })).toBe("a=b; Domain=other.local");
  });

  it("names the visitor's port as he knows it", () => {
    const proxied = [
      "X-Forwarded-Proto",
      "https",
      "X-Forwarded-Host",
      "home.example",
      "X-Forwarded-Port",
      "8443",
    ];
    expect(heard("Location", `http://${OWN}/a`, { received: proxied })).toBe("https://home.example:8443/a");
    const direct = ["X-Forwarded-Proto", "http", "X-Forwarded-Host", "home.example:8000"];
    expect(heard("Location", `http://${OWN}/a`, { received: direct })).toBe("http://home.example:8000/a");
  });

  it("names a path where the server does not tell the visitor's host", () => {
    expect(heard("Location", `http://${OWN}/a?b`, { received: [] })).toBe("/a?b");
    expect(heard("Location", `http://${OWN}`, { received: [] })).toBe("/");
    expect(heard("Set-Cookie", "a=b; Domain=localhost", { received: [] })).toBe("a=b");
  });
});

describe("a service that is told another host", () => {
  it("finds it in the request, and has it and its address taken from the answer", () => {
    const setup = { hostHeader: { type: "fixed", value: "music.local:3000" } } as const;
    expect(headerValue(told(["Origin", "https://home.example"], setup), "origin")).toBe(
      "http://music.local:3000",
    );
    expect(heard("Location", "http://music.local:3000/a", setup)).toBe("https://home.example/a");
    expect(heard("Location", `http://${OWN}/a`, setup)).toBe("https://home.example/a");
  });

  it("is told the truth by both if that is the visitor's", () => {
    const fields = ["Origin", "https://home.example", "Destination", "https://home.example/a"];
    for (const hostHeader of [{ type: "visitor" }, { type: "fixed", value: "home.example" }] as const) {
      expect(told(fields, { hostHeader })).toEqual([...VISITOR, ...fields]);
      expect(heard("Location", `http://${OWN}/a`, { hostHeader })).toBe(`http://${OWN}/a`);
    }
  });
});

describe("a service below a path", () => {
  const below = { origins: [{ prefix: "/", authority: OWN, basePath: "/app" }] };

  it.each(["origin", "visitor"] as const)("is named with it, and the visitor without it, with %s", (type) => {
    const setup = { ...below, hostHeader: { type } };
    const place = type === "origin" ? `http://${OWN}` : "https://home.example";
    const destination = (value: string) => headerValue(told(["Destination", value], setup), "destination");
    expect(destination("https://home.example/a")).toBe(`${place}/app/a`);
    expect(destination("/a")).toBe("/app/a");
    expect(destination("https://home.example/../a")).toBe("https://home.example/../a");
    expect(heard("Location", `${place}/app/a`, setup)).toBe("https://home.example/a");
    expect(heard("Location", "/app/a", setup)).toBe("/a");
    expect(heard("Location", "/app?a", setup)).toBe("/?a");
    expect(heard("Location", "/apple", setup)).toBe("/apple");
    expect(heard("Set-Cookie", "a=b; Path=/app/x", setup)).toBe("a=b; Path=/x");
    expect(heard("Set-Cookie", "a=b; path=/app", setup)).toBe("a=b; path=/");
    expect(heard("Set-Cookie", "a=b; Path=/", setup)).toBe("a=b; Path=/");
  });

  it("has the host left as it was written where the two call it the same", () => {
    // The proxy's TLS was not told of, so the visitor knows the scheme better.
    const received = [
      "Host",
      "home.example",
      "X-Forwarded-Proto",
      "http",
      "X-Forwarded-Host",
      "home.example",
    ];
    const setup = { ...below, received, hostHeader: { type: "visitor" } } as const;
    const origin = ["Origin", "https://home.example"];
    expect(told([...origin, "Destination", "https://home.example/a"], setup)).toEqual([
      ...[...received, ...origin],
      ...["Destination", "https://home.example/app/a"],
    ]);
    expect(heard("Location", "https://home.example/app/a", setup)).toBe("https://home.example/a");
    expect(heard("Location", `http://${OWN}/app/a`, setup)).toBe(`http://${OWN}/app/a`);
    expect(heard("Set-Cookie", "a=b; Domain=localhost", setup)).toBe("a=b; Domain=localhost");
  });
});

describe("whatever is said", () => {
  const text = fc.string({
    unit: fc.constantFrom(...'ahomexple127.0:3/?#<>()[]";=,\\ ', "https://home.example"),
    maxLength: 60,
  });
  const names = ["origin", "referer", "destination", "if", "location", "refresh", "link", "set-cookie"];

  it("can be sent on, comes to the same if it is moved twice, and has kept its other fields", () => {
    fc.assert(
      fc.property(fc.constantFrom(...names), text, (name, value) => {
        const list = told(["x-before", "1", name, value, "x-after", "2"]);
        expect(validHeaders(list)).toBe(true);
        expect(list).toContain("x-after");
        expect(originHeaders(agent({}), 0, list)).toContain(OWN);
        const once = heard(name, value) ?? "";
        expect(heard(name, once) ?? "").toBe(once);
        expect(validHeaders([name, once])).toBe(true);
        expect(at(list, list.indexOf("x-before") + 1)).toBe("1");
      }),
    );
  });
});
