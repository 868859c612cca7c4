/** Signing in at a home with a browser: the page, the form, the cookie, and what it does not open. */
import { describe, expect, it } from "vitest";
import { type HeaderList, headerValues } from "../../../../core/http/headers.ts";
import { type ServerLimits, serverLimits } from "../../../../core/limits.ts";
import { TestRegistry } from "../../../helpers/test-registry.ts";
import { CLIENT_TOKEN, SIGNATURE, sha256, TestServer } from "../../../helpers/test-server.ts";
import type { Visit } from "../../../helpers/test-visit.ts";

const DOMAIN = "example.com";
const HOST = ["Host", "home.example.com"];
const HTML = ["Accept", "text/html,application/xhtml+xml,*/*;q=0.8"];
const OWN_FORM = ["Origin", "http://home.example.com", "Content-Type", "application/x-www-form-urlencoded"];
const SIGN_IN = "/.well-known/culvert/sign-in";
const SIGN_OUT = "/.well-known/culvert/sign-out";

function start(access = "token", limits: Partial<ServerLimits> = {}) {
  const config = { domain: DOMAIN, pathRouting: true, trustedProxies: ["127.0.0.1"] };
  const server = new TestServer(limits, config);
  server.grant("signature", SIGNATURE, "home");
  server.grant("client_access", CLIENT_TOKEN, "home");
  const shown = ["Authorization", `Bearer ${CLIENT_TOKEN}`, "Culvert-Access", access];
  const tunnel = server.upgrade("/ws?clientId=home&sender=true", shown);
  expect(tunnel.isOpen).toBe(true);
  return { server, tunnel };
}

function post(
  server: TestServer,
  form: Record<string, string>,
  headers: HeaderList = [...HOST, ...OWN_FORM],
  target = SIGN_IN,
): Visit {
  return server.open({ method: "POST", target, headers, body: String(new URLSearchParams(form)) });
}

/** `name=value` of the cookie that an answer sets. */
function cookieOf(visit: Visit): string {
  return visit.header("set-cookie")?.split(";")[0] ?? "";
}

function signIn(server: TestServer, token = CLIENT_TOKEN): readonly string[] {
  const visit = post(server, { token });
  expect(visit.status).toBe(303);
  return ["Cookie", cookieOf(visit)];
}

describe("the page", () => {
  it("is shown in place of a closed home to who reads pages, and to nobody else", () => {
    const { server, tunnel } = start();
    const page = server.open({ target: "/a?b=1", headers: [...HOST, ...HTML] });
    expect(page.status).toBe(401);
    expect(page.header("content-type")).toBe("text/html; charset=utf-8");
    expect(page.header("www-authenticate")).toBe("Bearer");
    expect(page.header("cache-control")).toBe("no-store");
    expect(page.header("content-security-policy")).toContain("frame-ancestors 'none'");
    expect(page.text).toContain(`<form method="post" action="${SIGN_IN}">`);
    expect(page.text).toContain('<input type="hidden" name="to" value="/a?b=1">');
    for (const other of [
      server.open({ target: "/a", headers: [...HOST, "Accept", "*/*"] }),
      server.open({ target: "/a", headers: HOST }),
    ]) {
      expect(other).toMatchObject({ status: 401, code: "unauthorized" });
    }
    const posted = server.open({ method: "POST", target: "/a", headers: [...HOST, ...HTML], body: "" });
    expect(posted.status).toBe(401);
    expect(posted.text).not.toContain("<form");
    expect(server.open({ target: "/?clientId=home", headers: HTML }).text).not.toContain("<form");
    expect(tunnel.requests).toEqual([]);
    server.expectEmpty();
  });

  it("is the same where there is no such home", () => {
    const { server } = start();
    const [here, nowhere] = ["home", "nowhere"].map((name) => {
      const { status, text } = server.open({ target: "/", headers: ["Host", `${name}.${DOMAIN}`, ...HTML] });
      return { status, text };
    });
    expect(nowhere).toEqual(here);
  });

  it("escapes what was asked for, and leads nowhere but to the home", () => {
    const { server } = start();
    const page = server.open({ target: '/"><b>', headers: [...HOST, ...HTML] });
    expect(page.text).toContain('value="/&quot;&gt;&lt;b&gt;"');
    for (const to of [
      "//evil.example",
      "/\\evil.example",
      "https://evil.example",
      "evil",
      "/a b",
      "",
      SIGN_OUT,
    ]) {
      expect(post(server, { token: CLIENT_TOKEN, to }).header("location"), to).toBe("/");
    }
    expect(post(server, { token: CLIENT_TOKEN, to: "/a?b=//c" }).header("location")).toBe("/a?b=//c");
  });

  it("has a path of its own", () => {
    const { server } = start();
    const page = server.open({ target: `${SIGN_IN}?to=/music`, headers: HOST });
    expect(page.status).toBe(200);
    expect(page.text).toContain('name="to" value="/music"');
    expect(server.open({ method: "HEAD", target: SIGN_IN, headers: HOST }).text).toBe("");
    const put = server.open({ method: "PUT", target: SIGN_IN, headers: HOST });
    expect(put.status).toBe(405);
    expect(put.header("allow")).toBe("GET, HEAD, POST");
  });

  it("is no path of ours at a public home", () => {
    const { server, tunnel } = start("public");
    server.open({ target: SIGN_IN, headers: HOST });
    expect(tunnel.lastFrame.path).toBe(SIGN_IN.slice(1));
  });
});

describe("a token that is posted", () => {
  it("gets a cookie that opens the home, and leads to what was asked for", () => {
    const { server, tunnel } = start();
    const visit = post(server, { token: ` ${CLIENT_TOKEN}\t`, to: "/music?x=1" });
    expect(visit.status).toBe(303);
    expect(visit.header("location")).toBe("/music?x=1");
    expect(visit.header("cache-control")).toBe("no-store");
    expect(visit.header("set-cookie")).toMatch(
      /^culvert-session=[\w.]+; Path=\/; Max-Age=2592000; HttpOnly; SameSite=Lax$/,
    );
    expect(visit.header("set-cookie")).not.toContain(CLIENT_TOKEN);
    server.open({ target: "/music", headers: [...HOST, "Cookie", cookieOf(visit)] });
    expect(tunnel.lastFrame.path).toBe("music");
  });

  it("is secure and bound to its host where the visitor comes over TLS", () => {
    const { server, tunnel } = start();
    const headers = [...HOST, "X-Forwarded-Proto", "https", "X-Forwarded-For", "192.0.2.7"];
    const visit = server.open({
      method: "POST",
      target: SIGN_IN,
      headers: [...headers, "Sec-Fetch-Site", "same-origin"],
      body: `token=${CLIENT_TOKEN}`,
      peer: "127.0.0.1",
    });
    expect(visit.header("set-cookie")).toMatch(
      /^__Host-culvert-session=[\w.]+; Path=\/; Max-Age=\d+; HttpOnly; Secure; SameSite=Lax$/,
    );
    const cookie = ["Cookie", cookieOf(visit)];
    server.open({ target: "/a", headers: [...headers, ...cookie], peer: "127.0.0.1" });
    expect(tunnel.requests).toHaveLength(1);
    // By the weaker name another home could have set it.
    const weaker = ["Cookie", cookieOf(visit).replace("__Host-", "")];
    expect(server.open({ target: "/a", headers: [...headers, ...weaker], peer: "127.0.0.1" }).status).toBe(
      401,
    );
  });

  it("is for its home alone, by path as well", () => {
    const { server, tunnel } = start();
    const headers = ["Host", DOMAIN, "Origin", `http://${DOMAIN}`];
    const page = server.open({ target: "/t/home/a", headers: ["Host", DOMAIN, ...HTML] });
    expect(page.text).toContain(`action="/t/home${SIGN_IN}"`);
    const visit = post(server, { token: CLIENT_TOKEN, to: "/a" }, headers, `/t/home${SIGN_IN}`);
    expect(visit.header("location")).toBe("/t/home/a");
    expect(visit.header("set-cookie")).toContain("; Path=/t/home/; ");
    server.open({ target: "/t/home/a", headers: [...headers, "Cookie", cookieOf(visit)] });
    expect(tunnel.requests).toHaveLength(1);
    const other = server.open({ target: "/t/other/a", headers: [...headers, "Cookie", cookieOf(visit)] });
    expect(other.status).toBe(401);
  });

  it("may be a visitor token, which opens no more than before", () => {
    const { server, tunnel } = start();
    server.grant("visitor", "secret-visitor", "home");
    const cookie = signIn(server, "secret-visitor");
    server.open({ target: "/a", headers: [...HOST, ...cookie] });
    expect(tunnel.requests).toHaveLength(1);
    const target = "/auth/signature-token?clientId=home";
    expect(server.open({ method: "POST", target, headers: cookie }).status).toBe(401);
  });

  it("that is wrong, missing or another home's is told so on the page, in one way", () => {
    const { server } = start();
    server.grant("client_access", "secret-other", "other");
    const wrong = ["secret-wrong", "secret-other", SIGNATURE].map((token) =>
      post(server, { token, to: "/x" }),
    );
    for (const visit of wrong) {
      expect(visit.status).toBe(401);
      expect(visit.text).toContain("That token is not good here");
      expect(visit.text).toContain('name="to" value="/x"');
      expect(visit.header("set-cookie")).toBeUndefined();
      expect(visit.text).not.toContain("secret");
    }
    expect(post(server, {}).text).not.toContain("not good");
    server.expectEmpty();
  });

  it("is a guess like any other", () => {
    const { server } = start("token", { guessesMax: 2 });
    for (let guess = 0; guess < 2; guess++)
      expect(post(server, { token: `secret-${guess}` }).status).toBe(401);
    expect(post(server, { token: "secret-more" })).toMatchObject({ status: 429, code: "limit_guesses" });
  });

  it("is not looked at where the form is not the home's own", () => {
    const { server } = start();
    const asked = server.registry.asked.length;
    for (const headers of [
      [],
      ["Origin", "http://other.example.com"],
      ["Origin", "null"],
      ["Sec-Fetch-Site", "same-site"],
      ["Sec-Fetch-Site", "cross-site", "Origin", "http://home.example.com"],
    ]) {
      const visit = post(server, { token: CLIENT_TOKEN }, [...HOST, ...headers]);
      expect(visit, headers.join()).toMatchObject({ status: 403, code: "cross_site" });
      expect(post(server, {}, [...HOST, ...headers], SIGN_OUT).status).toBe(403);
    }
    expect(server.registry.asked).toHaveLength(asked);
    server.expectEmpty();
  });

  it("comes in a small form, in time, and few of an address are read at once", () => {
    const { server } = start("token", { addressSignInsMax: 2, signInsMax: 3 });
    const large = post(server, { token: "x".repeat(serverLimits.signInBytesMax) });
    expect(large).toMatchObject({ status: 413, code: "limit_request_body" });
    const headers = [...HOST, ...OWN_FORM];
    const dawdle = (peer: string) =>
      server.open({ method: "POST", target: SIGN_IN, headers, streams: true, peer });
    const first = [dawdle("192.0.2.1"), dawdle("192.0.2.1")];
    expect(dawdle("192.0.2.1")).toMatchObject({ status: 429, code: "limit_address" });
    const third = dawdle("192.0.2.2");
    expect(dawdle("192.0.2.3")).toMatchObject({ status: 503, code: "limit_exchanges" });
    server.advance(serverLimits.exchangeIdleMs);
    for (const visit of [...first, third]) expect(visit.status).toBe(408);
    expect(server.state.signIns.size).toBe(0);
    server.expectEmpty();
  });

  it("is nobody's where its visitor leaves", () => {
    const { server } = start();
    const visit = server.open({
      method: "POST",
      target: SIGN_IN,
      headers: [...HOST, ...OWN_FORM],
      streams: true,
    });
    visit.leave();
    expect(server.state.signIns.size).toBe(0);
    server.expectEmpty();
  });
});

describe("the cookie", () => {
  it("is set by no home", () => {
    const { server, tunnel } = start("public");
    const [, cookie] = signIn(start().server);
    const visit = server.open({ target: "/a", headers: HOST });
    tunnel.send({
      requestId: visit.requestId,
      packetId: 1,
      last: true,
      headers: { "set-cookie": `${cookie}; Path=/` },
      body: "x",
    });
    expect(visit.status).toBe(200);
    expect(visit.header("set-cookie")).toBeUndefined();
  });

  it("opens until it expires", () => {
    const { server, tunnel } = start("token", { sessionLifetimeMs: 8_000, tokenFreshMs: 0 });
    const cookie = signIn(server);
    server.advance(7_000);
    server.open({ target: "/a", headers: [...HOST, ...cookie] });
    expect(tunnel.requests).toHaveLength(1);
    const asked = server.registry.count("check_visitor");
    server.advance(1_000);
    const late = server.open({ target: "/a", headers: [...HOST, ...cookie, ...HTML] });
    expect(late.status).toBe(401);
    expect(late.text).toContain("<form");
    expect(server.registry.count("check_visitor")).toBe(asked);
  });

  it("ends with its token, and counts as nobody's guess", () => {
    const { server, tunnel } = start("token", { guessesMax: 1, tokenFreshMs: 0 });
    const cookie = signIn(server);
    server.revoke("client_access", CLIENT_TOKEN);
    for (let part = 0; part < 3; part++) {
      expect(server.open({ target: "/a", headers: [...HOST, ...cookie] }).status).toBe(401);
    }
    expect(tunnel.requests).toEqual([]);
    server.grant("client_access", "secret-new", "home");
    signIn(server, "secret-new");
  });

  it("is honoured for the home's own pages and for links, and for nothing else of others", () => {
    const { server, tunnel } = start();
    const cookie = signIn(server);
    const ask = (headers: HeaderList, method = "GET") =>
      server.open({ method, target: "/a", headers: [...HOST, ...cookie, ...headers] }).status;
    const sibling = ["Sec-Fetch-Site", "same-site"];
    expect(ask(["Sec-Fetch-Site", "same-origin"], "POST")).toBe(0);
    expect(ask(["Origin", "http://home.example.com"], "POST")).toBe(0);
    expect(ask([])).toBe(0);
    expect(ask([...sibling, "Sec-Fetch-Mode", "navigate"])).toBe(0);
    expect(ask(["Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate"])).toBe(0);
    expect(tunnel.requests).toHaveLength(5);
    expect(ask([...sibling, "Sec-Fetch-Mode", "navigate"], "POST")).toBe(401);
    expect(ask([...sibling, "Sec-Fetch-Mode", "no-cors"])).toBe(401);
    expect(ask(["Origin", "http://other.example.com"], "POST")).toBe(401);
    expect(ask(["Origin", "null"])).toBe(401);
    expect(tunnel.requests).toHaveLength(5);
  });

  it("counts for less than a credential in Culvert's own field", () => {
    const { server } = start();
    const cookie = signIn(server);
    const shown = ["Culvert-Authorization", "Bearer secret-wrong"];
    expect(server.open({ target: "/a", headers: [...HOST, ...cookie, ...shown] }).status).toBe(401);
  });

  it("is deleted by signing out, which only a form of the home's own does", () => {
    const { server } = start();
    const page = server.open({ target: SIGN_OUT, headers: HOST });
    expect(page.status).toBe(200);
    expect(page.text).toContain(`<form method="post" action="${SIGN_OUT}">`);
    expect(page.header("set-cookie")).toBeUndefined();
    const visit = post(server, {}, [...HOST, ...OWN_FORM], SIGN_OUT);
    expect(visit.status).toBe(303);
    expect(visit.header("location")).toBe(SIGN_IN);
    expect(visit.header("set-cookie")).toBe("culvert-session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax");
  });
});

describe("a home with a password", () => {
  const access = `basic me:${sha256("me:secret-password")}`;
  const password = ["Authorization", `Basic ${btoa("me:secret-password")}`];

  it("is signed in at by the challenge, which leaves Authorization to the home from then on", () => {
    const { server, tunnel } = start(access);
    const challenged = server.open({ target: SIGN_IN, headers: [...HOST, ...HTML] });
    expect(challenged.status).toBe(401);
    expect(headerValues(challenged.headers, "www-authenticate")[0]).toContain("Basic");
    const visit = server.open({ target: `${SIGN_IN}?to=/app`, headers: [...HOST, ...password] });
    expect(visit.status).toBe(303);
    expect(visit.header("location")).toBe("/app");
    const cookie = ["Cookie", cookieOf(visit)];
    const bearer = ["Authorization", "Bearer secret-of-the-home"];
    server.open({ target: "/a", headers: [...HOST, ...cookie, ...bearer] });
    expect(tunnel.requests).toHaveLength(1);
    expect(server.open({ target: "/a", headers: [...HOST, ...bearer] }).status).toBe(401);
  });

  it("is opened by no cookie of another password, nor by one of a token", () => {
    const other = start(`basic me:${sha256("me:secret-before")}`);
    const before = other.server.open({
      target: SIGN_IN,
      headers: [...HOST, "Authorization", `Basic ${btoa("me:secret-before")}`],
    });
    const byToken = signIn(start().server);
    const { server, tunnel } = start(access);
    for (const cookie of [["Cookie", cookieOf(before)], byToken]) {
      expect(server.open({ target: "/a", headers: [...HOST, ...cookie] }).status).toBe(401);
    }
    expect(tunnel.requests).toEqual([]);
  });
});

describe("a home that is away", () => {
  /** A server that has just begun, at which nobody has asked for the home yet. */
  function begun(access: string) {
    const registry = new TestRegistry();
    const server = new TestServer({}, { domain: DOMAIN, pathRouting: true }, registry);
    server.grant("client_access", CLIENT_TOKEN, "home");
    registry.homes.set("home", { access, seenMs: -24 * 3600 * 1000 });
    return { server, registry };
  }

  it.each([
    ["its home", "home"],
    ["a home that nobody knows", "nowhere"],
  ])("lets nobody tell it from an unknown one by a form: %s", (_whose, name) => {
    const { server } = begun("token");
    const headers = ["Host", `${name}.${DOMAIN}`, "Origin", `http://${name}.${DOMAIN}`];
    const visit = post(server, { token: "secret-wrong" }, headers);
    expect(visit.status).toBe(401);
    expect(visit.text).toContain("That token is not good here");
    server.expectEmpty();
  });

  it("answers 503 to a cookie that is good, and not the page", () => {
    const [, cookie = ""] = signIn(start().server);
    const { server } = begun("token");
    const visit = server.open({ target: "/a", headers: [...HOST, ...HTML, "Cookie", cookie] });
    expect(visit.status).toBe(503);
    expect([...server.state.addresses.values()].every(({ guesses }) => guesses === 0)).toBe(true);
    server.expectEmpty();
  });

  it("signs in who shows a good token meanwhile", () => {
    const { server } = begun("token");
    const visit = post(server, { token: CLIENT_TOKEN });
    expect(visit.status).toBe(303);
    server.expectEmpty();
  });

  it("has these paths for itself where it is public", () => {
    const { server } = begun("public");
    for (const target of [SIGN_IN, SIGN_OUT]) {
      expect(server.open({ target, headers: HOST }).status, target).toBe(503);
    }
    server.expectEmpty();
  });

  it("has a form read once, although it has to be asked about anew meanwhile", () => {
    const { server, registry } = begun("token");
    server.open({ target: "/", headers: HOST });
    server.advance(serverLimits.recallFreshMs - 1);
    const headers = [...HOST, ...OWN_FORM];
    const visit = server.open({ method: "POST", target: SIGN_IN, headers, streams: true });
    server.advance(1);
    visit.sendBody("token=secret-wrong");
    visit.endBody();
    expect(registry.count("recall_home")).toBe(1);
    expect(visit.status).toBe(401);
    server.expectEmpty();
  });
});
