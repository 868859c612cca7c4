import { describe, expect, it } from "vitest";
import type { ExchangeOpened } from "../../../../core/events.ts";
import type { HeaderList } from "../../../../core/http/headers.ts";
import type { ExchangeId, SocketId } from "../../../../core/ids.ts";
import type { Access } from "../../../../core/server/routing/access.ts";
import { homeHeaders, routeOf, spendsAuthorization } from "../../../../core/server/routing/route.ts";
import type { Route, RouteConfig } from "../../../../core/server/routing/shape.ts";
import { socketRouteOf } from "../../../../core/server/routing/socket-route.ts";
import { TestServer } from "../../../helpers/test-server.ts";

const CONFIG: RouteConfig = { domain: "example.com", hostnames: {}, pathRouting: true, queryTokens: true };
const HOME = ["Host", "home.example.com"];
const HASH = "0".repeat(64);

/** Paths that mean something to the server on its own name. */
const CONTROL_PATHS = [
  "/health",
  "/ws",
  "/auth/register-client",
  "/auth/signature-token",
  "/auth/validate-signature-token",
  "/auth/magic-token",
];

function route(target: string, headers: HeaderList = [], config: Partial<RouteConfig> = {}, method = "GET") {
  return routeOf({ ...REQUEST, method, target, headers }, { ...CONFIG, ...config });
}

const REQUEST: ExchangeOpened = {
  type: "exchange_opened",
  ...{ exchange: 1 as ExchangeId, method: "GET", target: "/", headers: [] },
  ...{ peer: "192.0.2.1", nonce: new Uint8Array(16) },
  ...{ hasBody: false, upgrade: false, expectsContinue: false },
};

describe("a home's own host name", () => {
  it.each(["home.example.com", "HOME.example.com", "home.example.com.:8000", "home.EXAMPLE.com:80"])(
    "H07 leads there as %s",
    (host) => {
      expect(route("/a/b?c=d", ["Host", host])).toMatchObject({
        action: { type: "forward", clientId: "home" },
        credential: { type: "home_access", clientId: "home", bearer: null, basic: null },
        forward: { way: "host", target: "/a/b?c=d", path: "a/b" },
      });
    },
  );

  it("H07 decides by the authority of an absolute form, never by both", () => {
    const headers = ["Host", "other.example.com"];
    expect(route("http://home.example.com/a?b", headers)).toMatchObject({
      action: { clientId: "home" },
      forward: { way: "host", target: "/a?b" },
    });
    expect(route("http://example.com/health", HOME).action).toEqual({ type: "health" });
  });

  it.each([...CONTROL_PATHS, "/t/other/x", "/x?clientId=other", "/auth/magic-token?magicToken=m"])(
    "H29 has every path for itself, %s too",
    (path) => {
      for (const method of ["GET", "POST", "OPTIONS", "DELETE"]) {
        expect(route(path, HOME, {}, method)).toMatchObject({
          action: { type: "forward", clientId: "home" },
          forward: { way: "host", target: path },
        });
      }
    },
  );

  it.each([
    "example.com",
    "www.example.com",
    "api.example.com",
    "admin.example.com",
    "a.b.example.com",
    "other.test",
  ])("H29 is not %s: there the server's own paths are", (host) => {
    const headers = ["Host", host];
    expect(route("/health", headers).action).toEqual({ type: "health" });
    expect(route("/x?clientId=home", headers).forward.way).toBe("query");
    expect(route("/", headers).action).toEqual({ type: "front_page" });
    expect(route("/x", headers).action).toMatchObject({ type: "failure", code: "bad_request" });
  });

  it.each(["__proto__", "constructor", "_", "xn--bcher-kva", "t", "ws", "x".repeat(63)])(
    "H29 is plain data: %s",
    (label) => {
      expect(route("/", ["Host", `${label}.example.com`]).action).toEqual({
        type: "forward",
        clientId: label,
      });
    },
  );

  it.each([
    [["Host", "a.example.com", "Host", "b.example.com"]],
    [["Host", "user@home.example.com"]],
    [["Host", "home.example.com/x"]],
    [["Host", `${"x".repeat(64)}.example.com`]],
  ])("H07 is not read out of %j, which is refused", (headers) => {
    expect(route("/health", headers).action).toMatchObject({ type: "failure", code: "bad_request" });
  });

  it("means nothing where no domain is set", () => {
    expect(route("/health", HOME, { domain: null }).action).toEqual({ type: "health" });
  });

  it("H16 gets its target byte by byte, though MoosicBox's protocol may not carry it", () => {
    for (const target of ["//x/../%2E%2e;a=b/%ff?%ff=%zz&&?a+b", "/?", '/"<>\\^`{|}']) {
      expect(route(target, HOME).forward.target).toBe(target);
    }
    expect(route("/a?b=c+d", HOME).forward).toMatchObject({ path: "a", target: "/a?b=c+d" });
  });

  it("H17 gets the asterisk form of OPTIONS, and of nothing else", () => {
    for (const target of ["*", "http://home.example.com"]) {
      expect(route(target, HOME, {}, "OPTIONS")).toMatchObject({
        action: { type: "forward" },
        forward: { target: "*" },
      });
    }
    expect(route("*", HOME).action).toMatchObject({ code: "bad_request" });
    expect(route("http://home.example.com", HOME).forward.target).toBe("/");
    expect(route("http://home.example.com/", HOME, {}, "OPTIONS").forward.target).toBe("/");
    expect(route("*", [], {}, "OPTIONS").action).toMatchObject({ code: "bad_request" });
  });

  it("A01 never looks at a token in the query", () => {
    const credential = route("/files/track?clientId=home&signature=s&magicToken=m", HOME).credential;
    expect(credential).toEqual({ type: "home_access", clientId: "home", bearer: null, basic: null });
  });

  it("takes the answer's mode, and refuses an unknown one without words for other sites", () => {
    expect(route("/", [...HOME, "culvert-response", "blocking"]).forward.blocking).toBe(true);
    expect(route("/", [...HOME, "culvert-response", "no"])).toMatchObject({
      action: { code: "bad_request" },
      forward: { way: "host" },
    });
  });
});

describe("a home's path", () => {
  it.each([
    ["/t/home/", "home", "/"],
    ["/t/home/a/b?c=d", "home", "/a/b?c=d"],
    ["/t/home/?c=d", "home", "/?c=d"],
    ["/t/home//a/../b", "home", "//a/../b"],
    ["/t/home/%2e%2F?%ff", "home", "/%2e%2F?%ff"],
    ["/t/home/health", "home", "/health"],
    ["/t/h%C3%B6me%2Fx/a", "höme/x", "/a"],
    ["/t/a+b/", "a+b", "/"],
    ["/t/__proto__/", "__proto__", "/"],
    ["/t/../health", "..", "/health"],
    ["http://example.com/t/home/a", "home", "/a"],
  ])("%s leads to %s as %s", (target, clientId, rest) => {
    expect(route(target)).toMatchObject({
      action: { type: "forward", clientId },
      credential: { type: "home_access", clientId },
      forward: { way: "path", target: rest },
    });
  });

  it.each([
    ["/t/home", "/t/home/"],
    ["/t/home?c=d", "/t/home/?c=d"],
    ["/t/h%C3%B6me?", "/t/h%C3%B6me/?"],
    ["http://example.com/t/home", "/t/home/"],
  ])("%s is told to be %s, whoever asks", (target, location) => {
    const { action, credential } = route(target);
    expect([action, credential]).toEqual([{ type: "redirect", location }, { type: "none" }]);
  });

  it("takes a WebSocket without the slash, since that is no page", () => {
    const route = routeOf({ ...REQUEST, target: "/t/home?c=d", upgrade: true }, CONFIG);
    expect(route).toMatchObject({
      action: { type: "forward" },
      forward: { prefix: "/t/home", target: "/?c=d" },
    });
  });

  it.each(["/t/", "/t//a", "/t/%ff/a", "/t/%/a", "/t/%00/a", `/t/${"x".repeat(65)}/a`])(
    "%s is refused",
    (target) => {
      expect(route(target).action).toMatchObject({ type: "failure", code: "bad_request" });
    },
  );

  it("is a path like any other where it is off, and without its slash", () => {
    expect(route("/t/home/a?clientId=other", [], { pathRouting: false })).toMatchObject({
      action: { clientId: "other" },
      forward: { way: "query", target: "/t/home/a?clientId=other", path: "t/home/a" },
    });
    expect(route("/t?clientId=other").forward.way).toBe("query");
    expect(route("/T/home/a?clientId=other").forward.way).toBe("query");
  });
});

describe("what opens a home's door", () => {
  const basic = `Basic ${Buffer.from("me:secret").toString("base64")}`;

  it("is read from Authorization", () => {
    expect(route("/", [...HOME, "Authorization", "Bearer t"]).credential).toMatchObject({ bearer: "t" });
    expect(route("/", [...HOME, "Authorization", basic]).credential).toMatchObject({
      basic: { user: "me", password: "secret" },
    });
    // The bare form is for agents of MoosicBox, which do not come this way.
    expect(route("/", [...HOME, "Authorization", "t"]).credential).toMatchObject({ bearer: null });
  });

  it("is read from Culvert-Authorization alone where that is there", () => {
    const both = [...HOME, "Authorization", "Bearer home's", "Culvert-Authorization", "Bearer ours"];
    expect(route("/", both).credential).toMatchObject({ bearer: "ours" });
    const empty = [...HOME, "Authorization", "Bearer home's", "Culvert-Authorization", ""];
    expect(route("/", empty).credential).toMatchObject({ bearer: null, basic: null });
  });
});

describe("the headers for the home", () => {
  const OWN = ["Culvert-Authorization", "Bearer t", "culvert-response", "blocking", "Cookie", "a"];
  const AUTHORIZATION = ["Authorization", "Bearer t"];
  const TOKEN = { type: "token" } as const;

  /** Where no `Authorization` is a token of this server's. */
  const told = (asked: Route, access: Access, headers: HeaderList) =>
    homeHeaders(headers, !spendsAuthorization(asked, access));

  it.each([
    ["token", [...HOME, ...AUTHORIZATION, "Cookie", "a"], TOKEN, [...HOME, "Cookie", "a"]],
    ["basic", [...HOME, ...AUTHORIZATION], { type: "basic", user: "me", hash: HASH } as const, HOME],
    ["public", [...HOME, ...AUTHORIZATION], { type: "public" } as const, [...HOME, ...AUTHORIZATION]],
    ["its own field", [...HOME, ...AUTHORIZATION, ...OWN], TOKEN, [...HOME, ...AUTHORIZATION, "Cookie", "a"]],
  ])("keep Authorization where it is the home's: %s", (_name, headers, access, kept) => {
    expect(told(route("/", headers), access, headers)).toEqual(kept);
  });

  it("lose what is said to this server, in the spelling of a variable too", () => {
    const headers = [
      "Culvert_Response",
      "blocking",
      "CULVERT-Authorization",
      "a",
      "culvert_access",
      "b",
      "X",
      "1",
    ];
    expect(told(route("/x", HOME), { type: "public" }, headers)).toEqual(["X", "1"]);
  });

  it("lose the token of a request by client id, whatever the home's access", () => {
    const { forward, ...rest } = route("/x?clientId=home", AUTHORIZATION);
    expect(told({ forward, ...rest }, { type: "public" }, [...AUTHORIZATION, ...OWN])).toEqual([
      "Cookie",
      "a",
    ]);
    const signed = route("/files/track?clientId=home&signature=s", AUTHORIZATION);
    expect(told(signed, TOKEN, AUTHORIZATION)).toEqual(AUTHORIZATION);
    const bySignature = route("/files/track?clientId=home", AUTHORIZATION, { queryTokens: false });
    expect(told(bySignature, TOKEN, AUTHORIZATION)).toEqual([]);
  });
});

describe("A01 tokens in a query", () => {
  const bearer = ["Authorization", "Bearer b"];

  it.each([
    ["/files/track?clientId=home&signature=s", "GET"],
    ["/files/albums/1/300?clientId=home&signature=s", "HEAD"],
    ["/auth/validate-signature-token?clientId=home&signature=s", "POST"],
  ])("open %s where they may, and are not read where they may not", (target, method) => {
    expect(route(target, bearer, {}, method).credential).toMatchObject({ token: "s" });
    const off = { queryTokens: false };
    expect(route(target, bearer, off, method).credential).toMatchObject({ token: "b" });
    expect(route(target, [], off, method).credential).toMatchObject({ token: null });
  });

  it.each([
    "/files/albums/../300?clientId=home&signature=s",
    "/files/albums/1/..?clientId=home&signature=s",
    "/files/albums/%2e%2e/x?clientId=home&signature=s",
    "/files/albums/..%2f..%2fadmin/x?clientId=home&signature=s",
    "/files/albums/1/%252e%252e?clientId=home&signature=s",
    "/files/artists/..;a/x?clientId=home&signature=s",
  ])("open nothing that the home could read as another place: %s", (target) => {
    expect(route(target).credential).toMatchObject({ type: "visitor", token: null });
  });

  it("log in with a magic token, or with Authorization where they may not", () => {
    const target = "/auth/magic-token?magicToken=m%20m&clientId=x";
    expect(route(target)).toMatchObject({
      action: { type: "magic_login", magicToken: "m m" },
      forward: { target: "/auth/magic-token?magicToken=m%20m" },
    });
    expect(route(target, bearer, { queryTokens: false }).action).toMatchObject({ magicToken: "b" });
    expect(route(target, [], { queryTokens: false }).action).toMatchObject({ magicToken: "" });
  });

  it("are never the client access token", () => {
    expect(route("/x?clientId=home&signature=s&token=t").credential).toMatchObject({
      type: "visitor",
      token: null,
    });
  });
});

describe("a WebSocket handshake", () => {
  const agent = "/ws?clientId=home&sender=true&signature=s";
  const visitor = "/ws?clientId=home&signature=s";
  const ask = (target: string, headers: HeaderList = [], config: Partial<RouteConfig> = {}) =>
    socketRouteOf(target, headers, { ...CONFIG, ...config });

  it("is a tunnel, with what its agent offers and who may visit", () => {
    expect(ask(agent)).toMatchObject({
      type: "tunnel",
      access: { type: "token" },
      protocols: [],
      token: "s",
    });
    const headers = [
      ...["Culvert-Access", `basic me:${HASH}`, "Sec-WebSocket-Protocol", "culvert.2, culvert.1"],
      ...["sec-websocket-protocol", ",other ,"],
    ];
    const protocols = ["culvert.2", "culvert.1", "other"];
    expect(ask("/ws?clientId=home&sender=true", headers)).toMatchObject({
      access: { type: "basic", user: "me", hash: HASH },
      protocols,
    });
    // Who comes with a signature cannot say who may visit.
    expect(ask(agent, headers)).toMatchObject({ access: { type: "token" }, protocols });
  });

  it("A12 is refused for an access mode that nobody knows", () => {
    const failure = { type: "failure", code: "bad_request" };
    expect(ask(agent, ["Culvert-Access", "everybody"])).toMatchObject(failure);
    expect(ask(agent, ["Culvert-Access", "token", "Culvert-Access", "public"])).toMatchObject(failure);
  });

  it("A01 of an agent may always show its signature in the query, that of a visitor where it may", () => {
    const off = { queryTokens: false };
    const bearer = ["Authorization", "Bearer b"];
    expect(ask(agent, bearer, off)).toMatchObject({ type: "tunnel", token: "s", shownAs: "signature" });
    const own = { type: "tunnel", token: "b", shownAs: "client_token" };
    expect(ask("/ws?clientId=home&sender=true", bearer, off)).toMatchObject(own);
    expect(ask(visitor, bearer)).toMatchObject({ type: "visitor", token: "s" });
    expect(ask(visitor, bearer, off)).toMatchObject({ type: "visitor", token: "b" });
    expect(ask(visitor, [], off)).toMatchObject({ type: "visitor", token: null });
  });

  it.each([
    [agent, HOME],
    ["/", HOME],
    ["/t/home/ws", []],
    ["/t/home", []],
    ["/api/websocket?clientId=home", []],
  ])("H29 at %s of %j is the home's own", (target, headers) => {
    expect(ask(target, headers)).toEqual({ type: "forward" });
  });

  it.each([
    ["/", []],
    ["/health?clientId=home", []],
    ["/auth/magic-token?clientId=home", []],
    ["/t//ws", []],
    ["/x?clientId=", []],
    ["*", HOME],
    [agent, ["Host", "a", "Host", "b"]],
  ])("at %s of %j is refused", (target, headers) => {
    expect(ask(target, headers)).toMatchObject({ type: "failure", code: "bad_request" });
  });

  it("that is a home's is handed back to become an exchange, and leaves nothing behind", () => {
    const server = new TestServer({}, { domain: "example.com" });
    const socket = 7 as SocketId;
    const event = {
      type: "upgrade_requested",
      socket,
      target: "/ws",
      headers: HOME,
      peer: "192.0.2.1",
    } as const;
    expect(server.step(event)).toEqual([{ type: "upgrade_forward", socket }]);
    expect(server.state.sockets.size).toBe(0);
    server.expectEmpty();
  });
});
