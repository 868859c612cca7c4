/** The doors of homes that are visited by their own host name or path, and what such a visitor is told. */
import { describe, expect, it } from "vitest";
import { headerValues } from "../../../core/http/headers.ts";
import { serverLimits } from "../../../core/limits.ts";
import { CLIENT_TOKEN, SIGNATURE, sha256, TestServer } from "../../helpers/test-server.ts";

const HOME = ["Host", "home.example.com"];
const BEARER = ["Authorization", `Bearer ${CLIENT_TOKEN}`];
const PASSWORD = "secret-password";
const BASIC_ACCESS = `basic me:${sha256(`me:${PASSWORD}`)}`;
const ORIGIN = ["Origin", "https://player.example"];

function serverWith(access?: string) {
  const server = new TestServer({}, { domain: "example.com", pathRouting: true });
  server.grant("signature", SIGNATURE, "home");
  const tunnel = server.tunnel("home", true, access === undefined ? [] : ["Culvert-Access", access]);
  expect(tunnel.isOpen).toBe(true);
  return { server, tunnel };
}

function basic(text: string, field = "Authorization"): string[] {
  return [field, `Basic ${Buffer.from(text).toString("base64")}`];
}

describe.each([undefined, "token"])("a home whose agent says %s", (access) => {
  it("A02 asks for a client access token, by either field", () => {
    const { server, tunnel } = serverWith(access);
    const visits = [
      server.open({ target: "/a", headers: [...HOME, ...BEARER] }),
      server.open({ target: "/t/home/a", headers: BEARER }),
      server.open({ target: "/a", headers: [...HOME, "Culvert-Authorization", `Bearer ${CLIENT_TOKEN}`] }),
    ];
    expect(visits.map((visit) => visit.status)).toEqual([0, 0, 0]);
    expect(tunnel.requests.map((request) => request.path)).toEqual(["a", "a", "a"]);
  });

  it("A02 refuses everything else in one shape", () => {
    const { server, tunnel } = serverWith(access);
    const refused = [
      [],
      ["Authorization", "Bearer secret-wrong"],
      ["Authorization", CLIENT_TOKEN],
      basic(`me:${PASSWORD}`),
      [...BEARER, ...BEARER],
      [...BEARER, "Culvert-Authorization", "Bearer secret-wrong"],
    ];
    for (const headers of refused) {
      const visit = server.open({ target: "/a", headers: [...HOME, ...headers] });
      expect(visit.status, headers.join()).toBe(401);
      expect(headerValues(visit.headers, "www-authenticate")).toEqual(["Bearer"]);
    }
    expect(tunnel.requests).toEqual([]);
    server.expectEmpty();
  });

  it("A04 is not opened by the token of another home, nor by a signature", () => {
    const { server } = serverWith(access);
    server.grant("client_access", "secret-other", "other");
    for (const token of ["secret-other", SIGNATURE]) {
      const headers = [...HOME, "Authorization", `Bearer ${token}`];
      expect(server.open({ target: "/files/track", headers }).status).toBe(401);
    }
    const signed = { target: `/files/track?signature=${SIGNATURE}`, headers: HOME };
    expect(server.open(signed).status).toBe(401);
  });
});

describe("a public home", () => {
  it("takes everybody, and asks no registry", () => {
    const { server, tunnel } = serverWith("public");
    const asked = server.registry.asked.length;
    server.open({ target: "/a", headers: HOME });
    server.open({ target: "/t/home/a", headers: ["Authorization", "Bearer secret-of-the-home"] });
    expect(tunnel.requests).toHaveLength(2);
    expect(server.registry.asked).toHaveLength(asked);
  });

  it("is still asked for a token by those who come with its client id", () => {
    const { server } = serverWith("public");
    expect(server.open({ target: "/a?clientId=home" }).status).toBe(401);
  });
});

describe("a home with a password", () => {
  it("takes who knows it", () => {
    const { server, tunnel } = serverWith(BASIC_ACCESS);
    server.open({ target: "/a", headers: [...HOME, ...basic(`me:${PASSWORD}`)] });
    server.open({ target: "/b", headers: [...HOME, ...basic(`me:${PASSWORD}`, "Culvert-Authorization")] });
    expect(tunnel.requests.map((request) => request.path)).toEqual(["a", "b"]);
  });

  it("A02 asks everybody else for it, each home in a realm of its own", () => {
    const { server, tunnel } = serverWith(BASIC_ACCESS);
    const refused = [[], basic("me:wrong"), basic(`you:${PASSWORD}`), basic("me"), basic(":"), BEARER];
    for (const headers of refused) {
      const visit = server.open({ target: "/a", headers: [...HOME, ...headers] });
      expect(visit, headers.join()).toMatchObject({ status: 401, code: "unauthorized" });
      const challenge = 'Basic realm="home", charset="UTF-8"';
      expect(headerValues(visit.headers, "www-authenticate")).toEqual([challenge]);
    }
    expect(tunnel.requests).toEqual([]);
    server.expectEmpty();
  });

  it("has its mode kept in the registry", () => {
    const { server } = serverWith(BASIC_ACCESS);
    const claim = server.registry.asked.find((operation) => operation.type === "upsert_connection");
    expect(claim).toMatchObject({ clientId: "home", access: BASIC_ACCESS });
  });
});

describe("an access mode", () => {
  it("is that of the home's newest tunnel", () => {
    const { server, tunnel } = serverWith("public");
    server.tunnel("home", true, ["Culvert-Access", "token"]);
    expect(tunnel.isOpen).toBe(false);
    expect(server.open({ target: "/a", headers: HOME }).status).toBe(401);
  });

  it("A12 that nobody knows refuses the tunnel", () => {
    const { server } = serverWith();
    expect(server.tunnel("home", true, ["Culvert-Access", "all"]).refusal).toMatchObject({ status: 400 });
  });
});

describe("a home that is not there", () => {
  it("cannot be told from one that wants a token, without a token", () => {
    const { server } = serverWith();
    const there = server.open({ target: "/a", headers: HOME });
    const missing = server.open({ target: "/a", headers: ["Host", "nobody.example.com"] });
    expect(missing.status).toBe(401);
    expect(missing.headers).toEqual(there.headers);
  });

  it("T04 gives 503 with Retry-After to who has its token, and 424 to who comes with its client id", () => {
    const server = new TestServer({ waitMs: 0 }, { domain: "example.com", pathRouting: true });
    server.grant("client_access", CLIENT_TOKEN, "home");
    for (const options of [
      { target: "/a", headers: [...HOME, ...BEARER] },
      { target: "/t/home/a", headers: BEARER },
    ]) {
      const visit = server.open(options);
      expect(visit).toMatchObject({ status: 503, code: "agent_not_connected" });
      expect(visit.header("retry-after")).toBe("5");
      expect(JSON.parse(visit.text)).toMatchObject({ status: 503 });
    }
    expect(server.open({ target: "/a?clientId=home", headers: BEARER }).status).toBe(424);
    server.expectEmpty();
  });
});

describe("CORS on a home's own name", () => {
  it("is the home's: its headers pass, none are added", () => {
    const { server, tunnel } = serverWith("public");
    const visit = server.open({ target: "/a", headers: [...HOME, ...ORIGIN] });
    const headers = { "Access-Control-Allow-Origin": "*", "x-own": "1" };
    tunnel.send({ requestId: visit.requestId, packetId: 1, last: true, headers });
    expect(headerValues(visit.headers, "access-control-allow-origin")).toEqual(["*"]);
    expect(visit.header("vary")).toBeUndefined();
  });

  it("lets preflights through, behind the same door", () => {
    const { server, tunnel } = serverWith("public");
    const preflight = ["access-control-request-method", "PUT"];
    const visit = server.open({
      method: "OPTIONS",
      target: "/a",
      headers: [...HOME, ...ORIGIN, ...preflight],
    });
    expect(visit.status).toBe(0);
    expect(tunnel.requests.map((request) => request.method)).toEqual(["OPTIONS"]);
    const other = serverWith().server;
    const headers = [...HOME, ...ORIGIN, ...preflight];
    expect(other.open({ method: "OPTIONS", target: "/a", headers }).status).toBe(401);
  });

  it("is not touched by the server's own problems", () => {
    const { server } = serverWith();
    const visit = server.open({ target: "/a", headers: [...HOME, ...ORIGIN] });
    expect(visit.status).toBe(401);
    expect(visit.headers.join()).not.toContain("access-control");
  });
});

describe("a target that MoosicBox's protocol cannot carry", () => {
  it("H16 is refused on a tunnel that speaks it", () => {
    const { server, tunnel } = serverWith("public");
    expect(server.open({ method: "OPTIONS", target: "*", headers: HOME })).toMatchObject({ status: 400 });
    expect(tunnel.requests).toEqual([]);
    server.expectEmpty();
  });
});

describe("the registry's part", () => {
  it("PB09 opens no door of a home's own while the registry fails, save a public one", () => {
    const { server } = serverWith();
    server.registry.mode = "unavailable";
    const visit = server.open({ target: "/a", headers: [...HOME, ...BEARER] });
    server.advance(serverLimits.registryVisitorMs);
    expect(visit).toMatchObject({ status: 503, code: "registry_down" });
    const open = serverWith("public");
    open.server.registry.mode = "unavailable";
    open.server.open({ target: "/a", headers: HOME });
    expect(open.tunnel.requests).toHaveLength(1);
  });
});

describe("trusted proxies", () => {
  it("A12 that are no addresses stop the start", () => {
    expect(() => new TestServer({}, { trustedProxies: ["10.0.0.0/8", "proxy.example"] })).toThrow(
      /trusted proxy/,
    );
  });

  it("are read once", () => {
    const server = new TestServer({}, { trustedProxies: ["10.0.0.0/8", "::1"] });
    expect(server.state.trustedProxies.map((block) => block.prefixBits)).toEqual([8, 128]);
  });
});

it("says nothing of other ways to its service, whichever way a visitor came", () => {
  const { server, tunnel } = serverWith("public");
  for (const request of [
    { target: "/a", headers: HOME },
    { target: "/t/home/a", headers: [] },
    { target: "/a?clientId=home", headers: BEARER },
  ]) {
    const visit = server.open(request);
    const headers = { "Alt-Svc": 'h3=":443"', "x-own": "1" };
    tunnel.send({ requestId: visit.requestId, packetId: 1, body: "", last: true, headers });
    expect([visit.header("alt-svc"), visit.header("x-own")]).toEqual([undefined, "1"]);
  }
});

it("claims what a whole web origin has on the home's own name only, for by path and by client id it shares one", () => {
  const { server, tunnel } = serverWith("public");
  const wide = { "service-worker-allowed": "/", "clear-site-data": '"*"', "x-own": "1" };
  const asked = [
    { target: "/a", headers: HOME, expected: "/" },
    { target: "/t/home/a", headers: [], expected: undefined },
    { target: "/a?clientId=home", headers: BEARER, expected: undefined },
  ];
  for (const { expected, ...request } of asked) {
    const visit = server.open(request);
    tunnel.send({ requestId: visit.requestId, packetId: 1, body: "", last: true, headers: wide });
    expect(visit.status).toBe(200);
    expect(visit.header("service-worker-allowed")).toBe(expected);
    expect(visit.header("clear-site-data")).toBe(expected === undefined ? undefined : '"*"');
    expect(visit.header("x-own")).toBe("1");
  }
});
