/** Each credential opens its own door and no other: what docs/credentials.md lists. */
import { describe, expect, it } from "vitest";
import { headerValue } from "../../../core/http/headers.ts";
import { VISITOR_TOKENS_MAX } from "../../../core/registry/credentials.ts";
import { NativeAgent } from "../../helpers/native-agent.ts";
import {
  ACCESS_TOKEN,
  CLIENT_TOKEN,
  MEDIA_SIGNATURE,
  SIGNATURE,
  sha256,
  TestServer,
} from "../../helpers/test-server.ts";

const VISITOR_TOKEN = "secret-visitor";
const DOMAIN = { domain: "tunnel.test" };

const bearer = (token: string) => ["authorization", `Bearer ${token}`];
const post = (server: TestServer, target: string, token: string) =>
  server.open({ method: "POST", target, headers: bearer(token) });
const register = (server: TestServer, token: string, clientId = "home") =>
  post(server, `/auth/register-client?clientId=${clientId}`, token);

/** A home of Culvert's own agent, with every credential that there is. */
function culvertHome(server = new TestServer({}, DOMAIN)): TestServer {
  server.tunnel();
  return withCredentials(server);
}

function withCredentials(server: TestServer): TestServer {
  server.grant("client_access", CLIENT_TOKEN, "home");
  server.grant("visitor", VISITOR_TOKEN, "home");
  server.grant("signature", SIGNATURE, "home");
  server.grant("signature", MEDIA_SIGNATURE, "home");
  return server;
}

describe("an agent's door", () => {
  it("is opened by the client token, in a field", () => {
    const server = withCredentials(new TestServer());
    expect(server.upgrade("/ws?clientId=home&sender=true", bearer(CLIENT_TOKEN)).isOpen).toBe(true);
    expect(server.registry.rows.has("home")).toBe(true);
  });

  it.each([
    ["a visitor token", VISITOR_TOKEN],
    ["the operator's token", ACCESS_TOKEN],
    ["a signature", SIGNATURE],
    ["another home's client token", "secret-other"],
  ])("is not opened by %s in a field", (_name, token) => {
    const server = withCredentials(new TestServer());
    server.grant("client_access", "secret-other", "other");
    const tunnel = server.upgrade("/ws?clientId=home&sender=true", bearer(token));
    expect(tunnel.refusal).toMatchObject({ status: 401, code: "unauthorized" });
    expect(server.registry.rows.size).toBe(0);
  });

  it.each([
    ["a client token", CLIENT_TOKEN],
    ["a visitor token", VISITOR_TOKEN],
    ["a signature that opened media", MEDIA_SIGNATURE],
  ])("is not opened by %s in the query", (_name, token) => {
    const server = withCredentials(new TestServer());
    server.open({ target: `/files/track?clientId=home&signature=${MEDIA_SIGNATURE}` });
    const tunnel = server.upgrade(`/ws?clientId=home&sender=true&signature=${token}`);
    expect(tunnel.refusal).toMatchObject({ status: 401, code: "unauthorized" });
  });

  it("of a home whose agent is Culvert's own is not opened by a signature, nor is that used up", () => {
    const server = culvertHome();
    const [own] = server.sockets.values();
    expect(server.signedTunnel().refusal).toMatchObject({ status: 401, code: "unauthorized" });
    expect(own?.isOpen).toBe(true);
    own?.lose();
    expect(server.signedTunnel().refusal).toMatchObject({ status: 401 });
    // Let in, and waiting for the home.
    expect(server.open({ target: `/files/track?clientId=home&signature=${SIGNATURE}` }).status).toBe(0);
  });

  it("that a signature opened leaves the home with its token, whatever it says", () => {
    const server = withCredentials(new TestServer({}, DOMAIN));
    expect(server.signedTunnel("home", ["Culvert-Access", "public"]).isOpen).toBe(true);
    expect(server.open({ target: "/a", headers: ["host", "home.tunnel.test"] }).status).toBe(401);
  });
});

describe("a signature", () => {
  it("that opened a tunnel opens no media and no visitor socket", () => {
    const server = withCredentials(new TestServer());
    server.signedTunnel();
    expect(server.open({ target: `/files/track?clientId=home&signature=${SIGNATURE}` }).status).toBe(401);
    expect(server.upgrade(`/ws?clientId=home&signature=${SIGNATURE}`).refusal).toMatchObject({ status: 401 });
    expect(server.signedTunnel().isOpen).toBe(true);
  });

  it("that a visitor socket was opened with opens no tunnel", () => {
    const server = withCredentials(new TestServer());
    server.visitorSocket();
    const tunnel = server.upgrade(`/ws?clientId=home&sender=true&signature=${MEDIA_SIGNATURE}`);
    expect(tunnel.refusal).toMatchObject({ status: 401 });
  });

  it("is of no use yet where it was only confirmed, and never trusted as one for media", () => {
    const server = withCredentials(new TestServer());
    const target = `/auth/validate-signature-token?clientId=home&signature=${SIGNATURE}`;
    expect(server.open({ method: "POST", target }).status).toBe(200);
    expect(server.signedTunnel().isOpen).toBe(true);
    expect(server.open({ method: "POST", target }).status).toBe(200);
    expect(server.open({ target: `/files/track?clientId=home&signature=${SIGNATURE}` }).status).toBe(401);
  });
});

describe("a visitor token", () => {
  it("opens the home to a visitor, by its name and by its client id", () => {
    const server = culvertHome();
    const [tunnel] = server.sockets.values();
    server.open({ target: "/a?clientId=home", headers: bearer(VISITOR_TOKEN) });
    server.open({ target: "/b", headers: ["host", "home.tunnel.test", ...bearer(VISITOR_TOKEN)] });
    expect(tunnel?.requests.map(({ path }) => path)).toEqual(["a", "b"]);
  });

  it("does nothing else", () => {
    const server = culvertHome();
    for (const target of [
      "/auth/register-client?clientId=home",
      "/auth/signature-token?clientId=home",
      "/auth/magic-token?clientId=home&magicToken=m",
      "/auth/visitor-tokens?clientId=home&name=n",
    ]) {
      expect(post(server, target, VISITOR_TOKEN).status, target).toBe(401);
    }
    const list = { target: "/auth/visitor-tokens?clientId=home", headers: bearer(VISITOR_TOKEN) };
    expect(server.open(list).status).toBe(401);
    expect(server.open({ target: "/a?clientId=other", headers: bearer(VISITOR_TOKEN) }).status).toBe(401);
  });

  it("is made, listed and revoked with the client token", () => {
    const server = culvertHome();
    const path = "/auth/visitor-tokens?clientId=home";
    const made = post(server, `${path}&name=phone&lifetimeSeconds=60`, CLIENT_TOKEN);
    const { token } = JSON.parse(made.text);
    expect(token).toMatch(/^[0-9a-f-]{36}$/);
    const ask = () => server.open({ target: "/a?clientId=home", headers: bearer(token) });
    expect(ask().status).toBe(0);
    const listed = server.open({ target: path, headers: bearer(CLIENT_TOKEN) });
    const phone = expect.objectContaining({ name: "phone", expiresMs: 60_000 });
    expect(JSON.parse(listed.text).tokens).toContainEqual(phone);
    expect(listed.text).not.toContain(token);
    const revoke = () =>
      server.open({ method: "DELETE", target: `${path}&name=phone`, headers: bearer(CLIENT_TOKEN) });
    expect(JSON.parse(revoke().text)).toEqual({ revoked: true });
    expect(JSON.parse(revoke().text)).toEqual({ revoked: false });
    server.advance(server.state.config.limits.tokenFreshMs);
    expect(ask().status).toBe(401);
  });

  it("has a name of its own in its home, and there are so many of them at most", () => {
    const server = culvertHome();
    const make = (name: string) =>
      post(server, `/auth/visitor-tokens?clientId=home&name=${name}`, CLIENT_TOKEN);
    expect(make("phone").status).toBe(200);
    expect(make("phone")).toMatchObject({ status: 409, code: "name_taken" });
    for (let index = 2; index < VISITOR_TOKENS_MAX; index++) expect(make(`t${index}`).status).toBe(200);
    expect(make("more")).toMatchObject({ status: 409, code: "limit_visitor_tokens" });
  });

  it.each([
    "",
    "&name=",
    `&name=${"x".repeat(65)}`,
    "&name=a%0Ab",
    "&name=a&lifetimeSeconds=-1",
    "&name=a&lifetimeSeconds=soon",
  ])("is not made of %j", (query) => {
    const made = post(culvertHome(), `/auth/visitor-tokens?clientId=home${query}`, CLIENT_TOKEN);
    expect(made).toMatchObject({ status: 400, code: "bad_request" });
  });
});

describe("registering", () => {
  it("a client id again takes more than the operator's token where its agent is Culvert's own", () => {
    const server = culvertHome();
    expect(register(server, ACCESS_TOKEN)).toMatchObject({ status: 409, code: "already_registered" });
    expect(register(server, CLIENT_TOKEN).status).toBe(200);
    expect(register(server, ACCESS_TOKEN, "other").status).toBe(200);
  });

  it("takes no more than the operator's token where it never was, as with MoosicBox", () => {
    const server = withCredentials(new TestServer());
    server.signedTunnel();
    expect(register(server, ACCESS_TOKEN).status).toBe(200);
  });

  it.each([
    ["never", 409, 409],
    ["always", 200, 200],
    ["moosicbox", 200, 409],
  ] as const)("is up to the setting: %s", (registerAgain, before, after) => {
    const server = withCredentials(new TestServer({}, { registerAgain }));
    expect(register(server, ACCESS_TOKEN).status).toBe(before);
    server.tunnel();
    expect(register(server, ACCESS_TOKEN).status).toBe(after);
    expect(register(server, ACCESS_TOKEN, "free").status).toBe(200);
  });

  it("by an invite is done once, of its client id only, and by nothing that is no invite", () => {
    const server = culvertHome();
    server.grant("invite", "secret-invite", "home");
    expect(register(server, "secret-invite", "other").status).toBe(401);
    expect(server.open({ target: "/a?clientId=home", headers: bearer("secret-invite") }).status).toBe(401);
    const { token } = JSON.parse(register(server, "secret-invite").text);
    expect(server.upgrade("/ws?clientId=home&sender=true", bearer(token)).isOpen).toBe(true);
    expect(register(server, "secret-invite").status).toBe(401);
    for (const wrong of [SIGNATURE, VISITOR_TOKEN, "secret-wrong"])
      expect(register(server, wrong).status).toBe(401);
  });

  it("by an invite at two nodes at the same instant makes one home", () => {
    const first = new TestServer();
    first.grant("invite", "secret-invite", "home");
    const second = new TestServer({}, { node: "node-2" }, first.registry);
    // The random bytes of a request are its number here, and two nodes' are never the same.
    second.open({ target: "/health" });
    first.registry.mode = "holds";
    const visits = [
      register(first, "secret-invite"),
      second.open({
        method: "POST",
        target: "/auth/register-client?clientId=home",
        headers: bearer("secret-invite"),
      }),
    ];
    for (const call of [...first.registry.held]) call.answer();
    expect(visits.map(({ status }) => status).sort()).toEqual([200, 401]);
  });

  it("is a guess like any other where what is shown is wrong", () => {
    const server = new TestServer({ guessesMax: 2 });
    const asked = [1, 2, 3].map(() => register(server, "secret-wrong").status);
    expect(asked).toEqual([401, 401, 429]);
    expect(server.registry.count("register_client")).toBe(2);
    expect(register(server, ACCESS_TOKEN).status).toBe(200);
  });

  it("with a HEAD uses no invite up", () => {
    const server = new TestServer();
    server.grant("invite", "secret-invite", "home");
    const target = "/auth/register-client?clientId=home";
    expect(server.open({ method: "HEAD", target, headers: bearer("secret-invite") }).status).toBe(401);
    expect(register(server, "secret-invite").status).toBe(200);
  });
});

describe("Authorization", () => {
  const TOKEN = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
  const OTHER = "11111111-2222-4333-8444-555555555555";

  function home(access: string, kind: "client_access" | "visitor" = "client_access") {
    const server = new TestServer({ tokenFreshMs: 0 }, DOMAIN);
    server.grant(kind, TOKEN, "home");
    server.grant("client_access", OTHER, "other");
    return { server, agent: new NativeAgent(server, { access }).connect() };
  }

  const told = (agent: NativeAgent) => headerValue(agent.request.head.headers, "authorization");

  it.each([
    ["client_access", `Bearer ${TOKEN}`],
    ["client_access", TOKEN],
    ["client_access", `bearer   ${TOKEN} `],
    ["visitor", `Bearer ${TOKEN}`],
    ["client_access", `Token token=${TOKEN}`],
  ] as const)("that is a %s token of the home does not reach a public home: %s", (kind, value) => {
    const { server, agent } = home("public", kind);
    server.open({ target: "/a", headers: ["host", "home.tunnel.test", "Authorization", value] });
    expect(agent.requests).toHaveLength(1);
    expect(told(agent)).toBeUndefined();
  });

  it.each([`Bearer ${OTHER}`, "Bearer eyJhbGciOi", "Basic bWU6bWU=", `Bearer ${TOKEN.toUpperCase()}`])(
    "that is anything else does: %s",
    (value) => {
      const { server, agent } = home("public");
      server.open({ target: "/a", headers: ["host", "home.tunnel.test", "Authorization", value] });
      expect(told(agent)).toBe(value);
    },
  );

  it("does not reach the home where two of it have tokens", () => {
    const { server, agent } = home("public");
    const both = ["Authorization", `Bearer ${OTHER}`, "authorization", `Bearer ${TOKEN}`];
    server.open({ target: "/a", headers: ["host", "home.tunnel.test", ...both] });
    expect(told(agent)).toBeUndefined();
  });

  it.each([
    [
      "beside Culvert-Authorization",
      "/a",
      ["host", "home.tunnel.test", "Culvert-Authorization", `Bearer ${TOKEN}`],
    ],
    ["beside a signature", `/files/track?clientId=home&signature=${MEDIA_SIGNATURE}`, []],
  ])("that is a token of the home does not reach it %s", (_name, target, headers) => {
    const { server, agent } = home("token");
    server.grant("signature", MEDIA_SIGNATURE, "home");
    server.open({ target, headers: [...headers, "Authorization", `Bearer ${TOKEN}`] });
    expect(agent.requests).toHaveLength(1);
    expect(told(agent)).toBeUndefined();
  });

  it("that may be a token waits for a registry that fails, and is not passed on without its word", () => {
    const { server, agent } = home("public");
    server.registry.mode = "unavailable";
    const headers = ["host", "home.tunnel.test", "Authorization", `Bearer ${TOKEN}`];
    const visit = server.open({ target: "/a", headers });
    server.idle(server.state.config.limits.registryVisitorMs);
    expect(visit).toMatchObject({ status: 503, code: "registry_down" });
    expect(agent.requests).toEqual([]);
  });

  it("is asked about under its hash only", () => {
    const { server } = home("public");
    server.open({ target: "/a", headers: ["host", "home.tunnel.test", "Authorization", `Bearer ${TOKEN}`] });
    expect(server.registry.asked.at(-1)).toEqual({
      type: "check_visitor",
      tokenHash: sha256(TOKEN),
      clientId: "home",
    });
  });
});
