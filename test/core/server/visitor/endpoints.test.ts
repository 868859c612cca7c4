import { describe, expect, it } from "vitest";
import { serverLimits } from "../../../../core/limits.ts";
import {
  ACCESS_TOKEN,
  CLIENT_TOKEN,
  MEDIA_SIGNATURE,
  sha256,
  TestServer,
} from "../../../helpers/test-server.ts";
import type { Visit } from "../../../helpers/test-visit.ts";

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] as const;

/** One row of the table in protocol-moosicbox.md, HTTP endpoints. */
type Endpoint = {
  readonly target: string;
  readonly token: "none" | "access" | "client" | "signature";
  /** Methods that the server answers itself, */
  readonly own: readonly string[];
  /** and those that go to the home. All others are refused with 405. */
  readonly tunnelled: readonly string[];
};

const ENDPOINTS: readonly Endpoint[] = [
  { target: "/health", token: "none", own: ["GET", "HEAD"], tunnelled: [] },
  { target: "/auth/register-client?clientId=home", token: "access", own: ["POST", "HEAD"], tunnelled: [] },
  { target: "/auth/signature-token?clientId=home", token: "client", own: ["POST", "HEAD"], tunnelled: [] },
  {
    target: "/auth/validate-signature-token?clientId=home",
    token: "signature",
    own: ["POST", "HEAD"],
    tunnelled: [],
  },
  {
    target: "/files/track?clientId=home",
    token: "signature",
    own: [],
    tunnelled: ["GET", "HEAD", "OPTIONS"],
  },
  { target: "/files/artists/1/640?clientId=home", token: "signature", own: [], tunnelled: ["GET", "HEAD"] },
  { target: "/files/albums/1/640?clientId=home", token: "signature", own: [], tunnelled: ["GET", "HEAD"] },
  {
    target: "/files/track?clientId=home",
    token: "client",
    own: [],
    tunnelled: ["POST", "PUT", "PATCH", "DELETE"],
  },
  {
    target: "/files/albums/1/640?clientId=home",
    token: "client",
    own: [],
    tunnelled: ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"],
  },
  { target: "/files/albums/1/640/x?clientId=home", token: "client", own: [], tunnelled: METHODS },
  { target: "/music?clientId=home", token: "client", own: [], tunnelled: METHODS },
  { target: "/?clientId=home", token: "client", own: [], tunnelled: METHODS },
  { target: "//health?clientId=home", token: "client", own: [], tunnelled: METHODS },
];

const TOKENS = { access: ACCESS_TOKEN, client: CLIENT_TOKEN, signature: MEDIA_SIGNATURE } as const;

/** A server that knows the tokens of `home`, which is connected, as a MoosicBox home is. */
function serverWithHome(): TestServer {
  const server = new TestServer();
  server.grant("client_access", CLIENT_TOKEN, "home");
  server.grant("signature", MEDIA_SIGNATURE, "home");
  server.signedTunnel();
  return server;
}

/** Asks with that token: in the query where it is a signature, else in a header. */
function ask(server: TestServer, endpoint: Endpoint, method: string, token: string | null): Visit {
  const signed = endpoint.token === "signature" && token !== null;
  return server.open({
    method,
    target: signed ? `${endpoint.target}&signature=${token}` : endpoint.target,
    headers: signed || token === null ? [] : ["Authorization", `Bearer ${token}`],
  });
}

describe.each(ENDPOINTS)("$target with the $token token", (endpoint) => {
  for (const method of [...endpoint.own, ...endpoint.tunnelled]) {
    it(`lets ${method} in`, () => {
      const server = serverWithHome();
      const token = endpoint.token === "none" ? null : TOKENS[endpoint.token];
      const visit = ask(server, endpoint, method, token);
      const [tunnel] = server.sockets.values();
      expect(visit.status).toBe(endpoint.own.includes(method) ? 200 : 0);
      expect(tunnel?.requests.map((request) => request.method)).toEqual(visit.status === 0 ? [method] : []);
      server.expectEmpty();
    });

    if (endpoint.token === "none") continue;
    it(`refuses ${method} without a token, with a wrong one and with one of another kind`, () => {
      const server = serverWithHome();
      const wrong = [null, "secret-wrong", endpoint.token === "access" ? MEDIA_SIGNATURE : ACCESS_TOKEN];
      for (const token of wrong) {
        const visit = ask(server, endpoint, method, token);
        expect(visit.status, String(token)).toBe(401);
        expect(visit.header("www-authenticate")).toBe("Bearer");
        if (method !== "HEAD") expect(visit.code).toBe("unauthorized");
      }
      expect([...server.sockets.values()][0]?.requests).toEqual([]);
      server.expectEmpty();
    });
  }
});

describe("the server's own paths", () => {
  it.each([
    ["/health", ["POST", "PUT", "DELETE", "OPTIONS"], "GET, HEAD"],
    ["/auth/register-client?clientId=home", ["GET", "PUT", "OPTIONS"], "POST, HEAD"],
    ["/auth/signature-token?clientId=home", ["GET", "DELETE"], "POST, HEAD"],
    ["/auth/validate-signature-token?clientId=home", ["GET", "PATCH"], "POST, HEAD"],
    ["/auth/magic-token?clientId=home", ["HEAD", "PUT", "DELETE"], "GET, POST"],
  ])(
    "H29 %s is refused with other methods, whatever the token, and never tunnelled",
    (target, methods, allow) => {
      const server = serverWithHome();
      for (const method of methods) {
        const visit = server.open({ method, target, headers: ["authorization", `Bearer ${CLIENT_TOKEN}`] });
        expect(visit.status, method).toBe(405);
        expect(visit.header("allow")).toBe(allow);
      }
      expect([...server.sockets.values()][0]?.requests).toEqual([]);
    },
  );

  it("/ws tells a plain request to upgrade", () => {
    const visit = serverWithHome().open({ target: "/ws?clientId=home" });
    expect(visit).toMatchObject({ status: 426, code: "upgrade_required" });
    expect(visit.header("upgrade")).toBe("websocket");
  });

  it.each([
    "/auth/register-client",
    "/auth/signature-token",
    "/auth/validate-signature-token",
    "/auth/magic-token?magicToken=secret-magic",
  ])("%s needs a client id", (target) => {
    for (const query of ["", "clientId=", `clientId=${"x".repeat(65)}`, "clientId=a%00b", "clientId=a%0ab"]) {
      const joint = target.includes("?") ? "&" : "?";
      const visit = serverWithHome().open({ method: "POST", target: `${target}${joint}${query}` });
      expect(visit, query).toMatchObject({ status: 400, code: "bad_request" });
    }
  });

  it("/health tells that all is well, and of which build it is", () => {
    const visit = new TestServer().open({ target: "/health" });
    expect(JSON.parse(visit.text)).toEqual({ healthy: true, hash: "test" });
    expect(visit.header("content-length")).toBe(String(visit.body.length));
    expect(visit.header("cache-control")).toBe("no-store");
  });

  it("/auth/register-client makes a client token without end, and another one the next time", () => {
    const server = new TestServer();
    const register = () =>
      server.open({
        method: "POST",
        target: "/auth/register-client?clientId=home",
        headers: ["authorization", `Bearer ${ACCESS_TOKEN}`],
      });
    const first = JSON.parse(register().text).token;
    const second = JSON.parse(register().text).token;
    expect(first).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(second).not.toBe(first);
    expect(server.registry.asked.filter((operation) => operation.type === "register_client")).toEqual(
      [first, second].map((token) => ({
        type: "register_client",
        clientId: "home",
        tokenHash: sha256(token),
        shownHash: null,
        again: "moosicbox",
      })),
    );
    const headers = ["authorization", `Bearer ${first}`];
    expect(
      server.open({ method: "POST", target: "/auth/signature-token?clientId=home", headers }).status,
    ).toBe(200);
  });

  it("/auth/signature-token makes a signature token for 14 days", () => {
    const server = serverWithHome();
    const visit = server.open({
      method: "POST",
      target: "/auth/signature-token?clientId=home",
      headers: ["authorization", CLIENT_TOKEN],
    });
    const { token } = JSON.parse(visit.text);
    expect(server.registry.asked.at(-1)).toEqual({
      type: "insert_token",
      kind: "signature",
      tokenHash: sha256(token),
      clientId: "home",
      lifetimeMs: serverLimits.signatureTokenLifetimeMs,
      by: sha256(CLIENT_TOKEN),
    });
    expect(server.upgrade(`/ws?clientId=home&signature=${token}`).isOpen).toBe(true);
  });

  it.each([
    ["/auth/register-client?clientId=home", ACCESS_TOKEN],
    ["/auth/signature-token?clientId=home", CLIENT_TOKEN],
  ])("%s makes nothing for HEAD", (target, token) => {
    const server = serverWithHome();
    const visit = server.open({ method: "HEAD", target, headers: ["authorization", `Bearer ${token}`] });
    expect(visit).toMatchObject({ status: 200, text: "" });
    expect(server.registry.count("insert_token") + server.registry.count("register_client")).toBe(0);
  });

  it("/auth/validate-signature-token confirms a good token", () => {
    const server = serverWithHome();
    const target = `/auth/validate-signature-token?CLIENTID=home&Signature=${MEDIA_SIGNATURE}`;
    expect(JSON.parse(server.open({ method: "POST", target }).text)).toEqual({ valid: true });
  });

  it("says that a token was stored only after it was", () => {
    const server = serverWithHome();
    server.registry.modes.set("insert_token", "holds");
    const headers = ["authorization", `Bearer ${CLIENT_TOKEN}`];
    const visit = server.open({ method: "POST", target: "/auth/signature-token?clientId=home", headers });
    expect(visit.status).toBe(0);
    server.registry.held[0]?.answer();
    expect(visit.status).toBe(200);
  });
});

describe("magic tokens", () => {
  const store = (server: TestServer, query: string) =>
    server.open({
      method: "POST",
      target: `/auth/magic-token?${query}`,
      headers: ["authorization", `Bearer ${CLIENT_TOKEN}`],
    });

  it("are stored by their hash for the client id", () => {
    const server = serverWithHome();
    expect(JSON.parse(store(server, "clientid=home&MAGICTOKEN=secret-magic").text)).toEqual({
      success: true,
    });
    expect(server.registry.magicOwner(sha256("secret-magic"))).toBe("home");
  });

  it("stay whose they are: another client who stores one is told that it is taken", () => {
    const server = serverWithHome();
    server.grant("magic", "secret-magic", "other");
    expect(store(server, "clientId=home&magicToken=secret-magic")).toMatchObject({
      status: 409,
      code: "magic_token_taken",
    });
    expect(server.registry.magicOwner(sha256("secret-magic"))).toBe("other");
  });

  it("can be stored again by their own client", () => {
    const server = serverWithHome();
    for (let times = 0; times < 2; times++) {
      expect(store(server, "clientId=home&magicToken=secret-magic").status).toBe(200);
    }
  });

  it("are not said to be stored while the registry cannot say whose they are", () => {
    const server = serverWithHome();
    server.registry.modes.set("find_magic_token", "unavailable");
    const visit = store(server, "clientId=home&magicToken=secret-magic");
    server.advance(serverLimits.registryVisitorMs);
    expect(visit).toMatchObject({ status: 503, code: "registry_down" });
    server.expectEmpty();
  });

  it("are not stored when empty, missing, or by somebody else's token", () => {
    const server = serverWithHome();
    expect(store(server, "clientId=home").status).toBe(400);
    expect(store(server, "clientId=home&magicToken=").status).toBe(400);
    expect(store(server, "clientId=other&magicToken=secret-magic").status).toBe(401);
    expect(server.registry.count("insert_token")).toBe(0);
  });

  it("lead to their home, with nothing in the query but themselves", () => {
    const server = serverWithHome();
    store(server, "clientId=home&magicToken=secret-magic");
    const visit = server.open({ target: "/auth/magic-token?MagicToken=secret-magic&clientId=other&x=1" });
    const [tunnel] = server.sockets.values();
    expect(tunnel?.lastFrame).toMatchObject({
      method: "GET",
      path: "auth/magic-token",
      query: { magicToken: "secret-magic" },
      request_id: visit.requestId,
    });
    expect(Object.keys(tunnel?.lastFrame.query)).toEqual(["magicToken"]);
    tunnel?.send({ requestId: visit.requestId, packetId: 1, last: true, body: "{}" });
    expect(visit.text).toBe("{}");
    server.expectEmpty();
  });

  it("A02 are refused with 401 when unknown, empty or missing", () => {
    const server = serverWithHome();
    for (const target of [
      "/auth/magic-token?magicToken=secret-x",
      "/auth/magic-token?magicToken=",
      "/auth/magic-token",
    ]) {
      expect(server.open({ target }).status, target).toBe(401);
    }
  });

  it("get 424 when their home is away, and 503 when the registry is", () => {
    const server = new TestServer();
    server.grant("magic", "secret-magic", "home");
    const target = "/auth/magic-token?magicToken=secret-magic";
    expect(server.open({ target }).status).toBe(424);
    server.registry.mode = "unavailable";
    const visit = server.open({ target });
    server.advance(serverLimits.registryVisitorMs);
    expect(visit).toMatchObject({ status: 503, code: "registry_down" });
  });
});

describe("the server's front page", () => {
  const browser = ["Accept", "text/html,*/*;q=0.8"];

  it.each([
    ["the server's own name", "tunnel.test"],
    ["a wrong domain", "other.test"],
    ["a name below a home's", "a.home.tunnel.test"],
    ["a reserved name", "www.tunnel.test"],
  ])("says at %s what it is and how homes are named, and nothing of those there are", (_where, host) => {
    const server = new TestServer({}, { domain: "tunnel.test", pathRouting: true });
    const page = (headers: readonly string[]) =>
      server.open({ target: "/", headers: ["Host", host, ...headers] });
    const alone = [page([]), page(browser)].map(({ status, text }) => ({ status, text }));
    server.tunnel("garage");
    const [plain, html] = [page([]), page(browser)];
    expect([plain, html].map(({ status, text }) => ({ status, text }))).toEqual(alone);
    expect([plain.status, html.status]).toEqual([200, 200]);
    expect(plain.header("content-type")).toBe("text/plain; charset=utf-8");
    expect(html.header("content-type")).toBe("text/html; charset=utf-8");
    expect(html.header("content-security-policy")).toContain("default-src 'none'");
    for (const { text } of [plain, html]) {
      expect(text).toContain("This is a Culvert server.");
      for (const way of ["CLIENT-ID.tunnel.test", "/t/CLIENT-ID/", "/?clientId=CLIENT-ID"]) {
        expect(text).toContain(way);
      }
    }
  });

  it("names no way that is not there, and has no body for HEAD", () => {
    const server = new TestServer({}, { domain: null, pathRouting: false });
    const { text } = server.open({ target: "/" });
    expect(text.split("\n").filter((line) => line.includes("CLIENT-ID"))).toEqual(["  /?clientId=CLIENT-ID"]);
    const head = server.open({ method: "HEAD", target: "/" });
    expect([head.status, head.text, head.header("content-length")]).toEqual([200, "", String(text.length)]);
  });

  it("is not what is posted to, nor what a home is asked for", () => {
    const server = new TestServer();
    expect(server.open({ method: "POST", target: "/" }).status).toBe(400);
    expect(server.open({ target: "/?clientId=home" }).status).toBe(401);
    expect(server.open({ target: "/?clientId=" }).status).toBe(400);
  });
});
