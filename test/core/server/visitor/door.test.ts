import { describe, expect, it } from "vitest";
import { headerValues } from "../../../../core/http/headers.ts";
import { serverLimits } from "../../../../core/limits.ts";
import { CLIENT_TOKEN, SIGNATURE, TestServer } from "../../../helpers/test-server.ts";

const { tokenFreshMs, tokenTrustMs, registryVisitorMs, registryRetryMs, registryCallMs } = serverLimits;

describe("the Authorization header", () => {
  it.each([
    `Bearer ${CLIENT_TOKEN}`,
    `bearer ${CLIENT_TOKEN}`,
    `BEARER   ${CLIENT_TOKEN} `,
    CLIENT_TOKEN,
    ` ${CLIENT_TOKEN}`,
  ])("carries a token as %j", (value) => {
    const server = new TestServer();
    server.grant("client_access", CLIENT_TOKEN, "home");
    expect(server.open({ target: "/x?clientId=home", headers: ["Authorization", value] }).status).toBe(424);
  });

  it.each([
    "",
    "Bearer",
    "Bearer ",
    `Basic ${CLIENT_TOKEN}`,
    `Bearer ${CLIENT_TOKEN} x`,
    `Bearer: ${CLIENT_TOKEN}`,
    `Bearer ${CLIENT_TOKEN}é`,
    "é".repeat(1_000),
    "x".repeat(1_000_000),
  ])("A02 is answered with the one shape of 401", (value) => {
    const server = new TestServer();
    server.grant("client_access", CLIENT_TOKEN, "home");
    const visit = server.open({ target: "/x?clientId=home", headers: ["Authorization", value] });
    const missing = server.open({ target: "/x?clientId=home" });
    expect(visit.status).toBe(401);
    expect(visit.headers).toEqual(missing.headers);
    expect({ ...JSON.parse(visit.text), requestId: 0 }).toEqual({
      ...JSON.parse(missing.text),
      requestId: 0,
    });
  });

  it("A02 is refused when it comes twice, even with good tokens", () => {
    const server = new TestServer();
    server.grant("client_access", CLIENT_TOKEN, "home");
    const headers = ["authorization", CLIENT_TOKEN, "Authorization", CLIENT_TOKEN];
    expect(server.open({ target: "/x?clientId=home", headers }).status).toBe(401);
  });

  it("A04 is good for its own client id only", () => {
    const server = new TestServer();
    server.tunnel("home");
    server.tunnel("other");
    server.grant("client_access", CLIENT_TOKEN, "home");
    const headers = ["authorization", `Bearer ${CLIENT_TOKEN}`];
    for (const clientId of ["other", "Home", "home%20", "hom%65x", "*", "home.other"]) {
      expect(server.open({ target: `/x?clientId=${clientId}`, headers }).status, clientId).toBe(401);
    }
    expect(server.open({ target: "/x?clientId=hom%65", headers }).status).toBe(0);
  });

  it("A08 leaves nothing behind for a refused token", () => {
    const server = new TestServer();
    for (let attempt = 0; attempt < 500; attempt++) {
      server.open({ target: "/x?clientId=home", headers: ["authorization", `secret-${attempt}`] });
    }
    expect(server.state.trusted.size).toBe(0);
    server.expectEmpty();
  });
});

describe("an accepted token", () => {
  it("is not looked up again while it is fresh, and is from then on", () => {
    const server = new TestServer();
    server.visit();
    server.advance(tokenFreshMs - 1);
    server.visit();
    expect(server.registry.count("check_visitor")).toBe(1);
    server.advance(1);
    server.visit();
    expect(server.registry.count("check_visitor")).toBe(2);
  });

  it("A03 is refused once it is revoked, and then for good", () => {
    const server = new TestServer();
    server.visit();
    server.revoke("client_access", CLIENT_TOKEN);
    server.advance(tokenFreshMs);
    const headers = ["authorization", `Bearer ${CLIENT_TOKEN}`];
    expect(server.open({ target: "/x?clientId=home", headers }).status).toBe(401);
    server.registry.mode = "unavailable";
    const later = server.open({ target: "/x?clientId=home", headers });
    server.advance(registryVisitorMs);
    expect(later.status).toBe(503);
  });

  it("D02 still opens the door while the registry is down, for as long as it is trusted", () => {
    const server = new TestServer();
    server.visit();
    server.registry.mode = "unavailable";
    server.advance(tokenTrustMs - 1);
    expect(server.visit().status).toBe(424);
    server.advance(1);
    const late = server.visit();
    server.advance(registryVisitorMs);
    expect(late).toMatchObject({ status: 503, code: "registry_down" });
  });

  it("D03 waits for one attempt only at a registry that hangs", () => {
    const server = new TestServer();
    server.visit();
    server.advance(tokenFreshMs);
    server.registry.mode = "holds";
    const visit = server.visit();
    server.advance(registryCallMs);
    expect(visit.status).toBe(424);
    server.registry.held[0]?.answer();
    server.expectEmpty();
  });

  it("is trusted as the kind it is and for its client id, nothing else", () => {
    const server = new TestServer();
    server.visit();
    server.registry.mode = "unavailable";
    server.advance(1);
    const headers = ["authorization", `Bearer ${CLIENT_TOKEN}`];
    const visits = [
      server.open({ target: "/x?clientId=other", headers }),
      server.open({ target: `/files/track?clientId=home&signature=${CLIENT_TOKEN}` }),
    ];
    server.advance(registryVisitorMs);
    for (const visit of visits) expect(visit.status).toBe(503);
  });

  it("is the first to be forgotten when it is the oldest of too many", () => {
    const server = new TestServer({ trustedTokensMax: 2 });
    for (const clientId of ["a", "b", "a", "c", "b"]) {
      server.visit({ clientId });
      server.advance(1);
    }
    expect(server.state.trusted.size).toBe(2);
    // `a` was pushed out by `c`, `b` was not.
    expect(server.registry.count("check_visitor")).toBe(3);
  });
});

describe("a registry that fails", () => {
  it.each(["unavailable", "unknown", "refused", "holds"] as const)(
    "PB09 opens no door when it is %s",
    (mode) => {
      const server = new TestServer();
      const tunnel = server.tunnel();
      server.registry.mode = mode;
      const visits = [
        server.visit(),
        server.visit({ method: "POST", body: "{}" }),
        server.open({ target: `/files/track?clientId=home&signature=${SIGNATURE}` }),
      ];
      server.advance(registryVisitorMs);
      for (const visit of visits) {
        expect(visit).toMatchObject({ status: 503, code: "registry_down" });
        expect(visit.header("retry-after")).toBe("5");
      }
      expect(tunnel.requests).toEqual([]);
      for (const call of [...server.registry.held]) call.answer();
      expect(tunnel.requests).toEqual([]);
      server.expectEmpty();
    },
  );

  it("is asked again within the visitor's patience", () => {
    const server = new TestServer();
    server.registry.mode = "unavailable";
    const visit = server.visit();
    server.advance(registryRetryMs * 3);
    server.registry.mode = "answers";
    server.advance(registryRetryMs);
    expect(visit.status).toBe(424);
  });

  it("is asked for nothing more than so many calls at once", () => {
    const server = new TestServer({ registryCallsMax: 3 });
    server.registry.mode = "holds";
    const visits = [1, 2, 3, 4].map((n) => server.visit({ clientId: `home-${n}` }));
    expect(visits.map((visit) => visit.code)).toEqual([
      undefined,
      undefined,
      undefined,
      "limit_registry_calls",
    ]);
    expect(server.upgrade(`/ws?clientId=x&signature=${SIGNATURE}`).refusal?.status).toBe(503);
    while (server.registry.held.length > 0) server.registry.held[0]?.answer();
    expect(visits.slice(0, 3).every((visit) => visit.status === 424)).toBe(true);
    server.expectEmpty();
  });

  it("that answers another question than it was asked grants nothing", () => {
    const server = new TestServer();
    server.registry.mode = "holds";
    const visit = server.visit();
    const [call] = server.state.calls.keys();
    if (call === undefined) return expect.fail("nobody was asked");
    server.dispatch({ type: "registry_answered", call, outcome: { type: "swept" } });
    expect(visit.status).toBe(401);
  });
});

describe("CORS", () => {
  const ORIGIN = ["Origin", "https://player.example"];

  it("echoes any origin, with credentials, and replaces what the home says", () => {
    const server = new TestServer();
    const tunnel = server.tunnel();
    const visit = server.visit({ headers: ORIGIN });
    const headers = { "Access-Control-Allow-Origin": "*", "x-own": "1" };
    tunnel.send({ requestId: visit.requestId, packetId: 1, last: true, headers });
    expect(headerValues(visit.headers, "access-control-allow-origin")).toEqual(["https://player.example"]);
    expect(visit.header("access-control-allow-credentials")).toBe("true");
    expect(visit.header("access-control-expose-headers")).toContain("hx-trigger");
    expect(visit.header("vary")).toBe("Origin");
    expect(visit.header("x-own")).toBe("1");
  });

  it("lets a page read a problem, so that it can tell why", () => {
    const visit = new TestServer().open({ target: "/x?clientId=home", headers: ORIGIN });
    expect(visit.status).toBe(401);
    expect(visit.header("access-control-allow-origin")).toBe("https://player.example");
  });

  it("answers a preflight itself, on every path and without a token", () => {
    const server = new TestServer();
    server.tunnel();
    const asked = server.registry.asked.length;
    for (const target of ["/files/track?clientId=home", "/x", "/auth/register-client", "/health"]) {
      const visit = server.open({
        method: "OPTIONS",
        target,
        headers: [...ORIGIN, "access-control-request-method", "PUT"],
      });
      expect(visit.status, target).toBe(204);
      expect(visit.header("access-control-allow-methods")).toBe("GET, POST, OPTIONS, DELETE, PUT, PATCH");
      expect(visit.header("access-control-max-age")).toBe("3600");
    }
    expect(server.registry.asked).toHaveLength(asked);
    server.expectEmpty();
  });

  it("says nothing to an origin that the operator does not allow", () => {
    const server = new TestServer({}, { corsOrigins: ["https://other.example"] });
    const visit = server.visit({ headers: ORIGIN });
    expect(visit.headers.join()).not.toContain("access-control");
    const preflight = server.open({
      method: "OPTIONS",
      headers: [...ORIGIN, "access-control-request-method", "PUT"],
    });
    expect(preflight).toMatchObject({ status: 204, headers: [] });
  });
});
