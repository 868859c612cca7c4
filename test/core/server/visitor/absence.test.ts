/** What is told of homes that are away: to whom, how soon, and after a start of the server too. */
import { describe, expect, it } from "vitest";
import { headerValues } from "../../../../core/http/headers.ts";
import { serverLimits } from "../../../../core/limits.ts";
import { NativeAgent } from "../../../helpers/native-agent.ts";
import { TestRegistry } from "../../../helpers/test-registry.ts";
import { CLIENT_TOKEN, SIGNATURE, saltedHash, sha256, TestServer } from "../../../helpers/test-server.ts";

const { waitMs, leaseMs, recallFreshMs } = serverLimits;
const WAYS = { domain: "example.com", pathRouting: true };
const PASSWORD = "secret-password";
const BASIC = `basic me:${saltedHash(PASSWORD)}`;
const OLD_BASIC = `basic me:${sha256(`me:${PASSWORD}`)}`;
const BEARER = ["authorization", `Bearer ${CLIENT_TOKEN}`];
const RIGHT = basic(`me:${PASSWORD}`);
const WRONG = basic("me:secret-wrong");
/** A day. */
const LONG_MS = 86_400_000;

function basic(text: string): string[] {
  return ["authorization", `Basic ${Buffer.from(text).toString("base64")}`];
}

/** A server that has just begun, on a registry that saw `home` so long ago. */
function begun(access: string | null, seenAgoMs = LONG_MS, limits = {}) {
  const registry = new TestRegistry();
  const server = new TestServer(limits, WAYS, registry);
  registry.grant("client_access", sha256(CLIENT_TOKEN), "home");
  registry.grant("signature", sha256(SIGNATURE), "home");
  if (access !== null) registry.homes.set("home", { access, seenMs: server.nowMs - seenAgoMs });
  const ask = (headers: string[] = [], name = "home") =>
    server.open({ target: "/a", headers: ["host", `${name}.example.com`, ...headers] });
  return { server, registry, ask };
}

describe.each([
  ["public", "public"],
  ["basic, of a slow hash,", BASIC],
  ["basic, of a plain hash,", OLD_BASIC],
])("a home that is %s and away since before the server began", (_name, access) => {
  it.each([
    ["nothing", []],
    ["the right password", RIGHT],
    ["a wrong password", WRONG],
    ["a client token", BEARER],
    ["a token that nobody knows", ["authorization", "Bearer secret-other"]],
  ])("answers 503 with Retry-After and no challenge to who shows %s", (_shown, headers) => {
    const { server, registry, ask } = begun(access);
    for (const visit of [ask(headers), server.open({ target: "/t/home/a", headers })]) {
      expect(visit).toMatchObject({ status: 503, code: "agent_not_connected" });
      expect(visit.header("retry-after")).toBe("5");
      expect(visit.header("www-authenticate")).toBeUndefined();
    }
    // Nothing was judged, and so nobody has guessed.
    expect(registry.count("check_token")).toBe(0);
    expect(server.passwordsChecked).toBe(0);
    expect([...server.state.addresses.values()].every(({ guesses }) => guesses === 0)).toBe(true);
    server.expectEmpty();
  });

  it("is asked about once in a while, however many come", () => {
    const { server, registry, ask } = begun(access);
    for (let visit = 0; visit < 20; visit++) ask();
    expect(registry.count("recall_home")).toBe(1);
    server.advance(recallFreshMs);
    expect(ask().status).toBe(503);
    expect(registry.count("recall_home")).toBe(2);
    server.expectEmpty();
  });

  it("answers 503 while the registry cannot be asked", () => {
    const { server, registry, ask } = begun(access);
    registry.mode = "unavailable";
    const visit = ask(RIGHT);
    server.advance(serverLimits.registryVisitorMs);
    expect(visit).toMatchObject({ status: 503, code: "registry_down" });
    server.expectEmpty();
  });
});

describe("a home that wants a token and is away", () => {
  it("answers 503 to a good token, and to everything else what an unknown home answers", () => {
    const { server, ask } = begun("token");
    server.grant("client_access", "secret-foreign", "other");
    const good = ask(BEARER);
    expect(good).toMatchObject({ status: 503, code: "agent_not_connected" });
    for (const headers of [[], ["authorization", "Bearer secret-foreign"], RIGHT]) {
      const known = ask(headers);
      const unknown = ask(headers, "nowhere");
      expect(known).toMatchObject({ status: 401, code: "unauthorized" });
      expect(known.headers).toEqual(unknown.headers);
      expect(headerValues(known.headers, "www-authenticate")).toEqual(["Bearer"]);
    }
    server.expectEmpty();
  });

  it.each([
    ["nothing", []],
    ["a bad token", ["authorization", "Bearer secret-bad"]],
  ])("costs who shows %s the same questions, here, away or unknown", (_shown, headers) => {
    const asked = ["present", "away", "unknown"].map((where) => {
      const { server, registry, ask } = begun(where === "unknown" ? null : "token");
      if (where === "present") server.tunnel();
      const before = registry.asked.length;
      ask(headers);
      ask(headers);
      const guesses = [...server.state.addresses.values()].map((record) => record.guesses);
      return { questions: registry.asked.slice(before).map(({ type }) => type), guesses };
    });
    expect(asked[1]).toEqual(asked[0]);
    expect(asked[2]).toEqual(asked[0]);
  });

  it("is not asked about for a token that was good a moment ago", () => {
    const { server, registry, ask } = begun("token");
    const tunnel = server.tunnel();
    ask(BEARER);
    server.idle(recallFreshMs);
    expect(registry.count("recall_home")).toBe(1);
    ask(BEARER);
    ask(BEARER);
    expect(registry.count("recall_home")).toBe(1);
    expect(tunnel.requests).toHaveLength(3);
  });
});

describe("a token that was good a moment ago", () => {
  it("is no more refused than any other by a home that is away and takes everybody now", () => {
    const { server, registry, ask } = begun("token");
    expect(ask(BEARER).status).toBe(503);
    server.revoke("client_access", CLIENT_TOKEN);
    registry.homes.set("home", { access: "public", seenMs: -LONG_MS });
    server.advance(serverLimits.tokenFreshMs);
    expect(ask(BEARER)).toMatchObject({ status: 503, code: "agent_not_connected" });
    server.expectEmpty();
  });

  it("is refused where it is good no more and the home wants one, and is one guess", () => {
    const { server, ask } = begun("token");
    expect(ask(BEARER).status).toBe(503);
    server.revoke("client_access", CLIENT_TOKEN);
    server.advance(serverLimits.tokenFreshMs);
    expect(ask(BEARER)).toMatchObject({ status: 401, code: "unauthorized" });
    expect([...server.state.addresses.values()].map(({ guesses }) => guesses)).toEqual([1]);
    server.expectEmpty();
  });
});

describe("who asks for home after home", () => {
  it("has so many guesses, and is told so, whether there are such homes or not", () => {
    const { server, registry, ask } = begun("token", LONG_MS, { guessesMax: 3 });
    const statuses = ["home", "a", "b", "c", "home"].map((name) => ask([], name).status);
    expect(statuses).toEqual([401, 401, 401, 429, 401]);
    expect(registry.count("recall_home")).toBe(3);
    server.advance(serverLimits.guessMs);
    expect(ask([], "c").status).toBe(401);
    server.expectEmpty();
  });

  it("fills no more than its bounds", () => {
    const { server, ask } = begun(null, LONG_MS, { recalledHomesMax: 5, guessesMax: 1_000 });
    for (let name = 0; name < 50; name++) ask([], `home-${name}`);
    expect(server.state.recalled.size).toBe(5);
    server.expectEmpty();
  });
});

describe("a server that has just begun", () => {
  it.each([
    [
      "by its own name",
      (server: TestServer) => server.open({ target: "/", headers: ["host", "home.example.com", ...BEARER] }),
    ],
    ["by its path", (server: TestServer) => server.open({ target: "/t/home/", headers: BEARER })],
    ["by its client id", (server: TestServer) => server.visit()],
    [
      "for a track",
      (server: TestServer) => server.open({ target: `/files/track?clientId=home&signature=${SIGNATURE}` }),
    ],
    [
      "by a magic token",
      (server: TestServer) => {
        server.grant("magic", "secret-magic", "home");
        return server.open({ target: "/auth/magic-token?magicToken=secret-magic" });
      },
    ],
  ])("keeps a request %s until the home is back", (_way, open) => {
    const { server } = begun("token", leaseMs - 1);
    const visit = open(server);
    server.advance(waitMs - 1);
    expect(visit.status).toBe(0);
    const tunnel = server.tunnel();
    expect(tunnel.requests).toHaveLength(1);
    server.expectEmpty();
  });

  it("gives up on homes that do not come back, and then waits for them no more", () => {
    const { server } = begun("token", leaseMs);
    const visit = server.visit();
    server.advance(waitMs);
    expect(visit).toMatchObject({ status: 424, code: "agent_not_connected" });
    expect(visit.header("retry-after")).toBe("5");
    expect(server.visit()).toMatchObject({ status: 424 });
    server.expectEmpty();
  });

  it("waits for no home that was away when it began", () => {
    const { server, ask } = begun("token", leaseMs + 1);
    expect([server.visit().status, ask(BEARER).status]).toEqual([424, 503]);
    server.expectEmpty();
  });

  it("waits for a home that another node lost less than that ago", () => {
    const { server, registry } = begun("token");
    server.idle(LONG_MS / 100);
    expect(server.visit().status).toBe(424);
    registry.homes.set("home", { access: "token", seenMs: server.nowMs - waitMs + 1 });
    server.idle(recallFreshMs);
    registry.homes.set("home", { access: "token", seenMs: server.nowMs - waitMs + 1 });
    expect(server.visit().status).toBe(0);
    server.expectEmpty();
  });

  it("asks nothing of a registry that fails, and says that the home is not connected", () => {
    const { server, registry } = begun("token", 0);
    registry.modes.set("recall_home", "unavailable");
    expect(server.visit()).toMatchObject({ status: 424, code: "agent_not_connected" });
    expect(server.visit()).toMatchObject({ status: 424 });
    expect(registry.count("recall_home")).toBe(1);
    server.expectEmpty();
  });

  it("lets nobody wait once it drains", () => {
    const { server, registry } = begun("token", 0);
    registry.modes.set("recall_home", "holds");
    const visit = server.visit();
    server.drain();
    registry.held[0]?.answer();
    expect(visit.status).toBe(424);
  });

  it("forgets whoever leaves while it asks", () => {
    const { server, registry, ask } = begun("public", 0);
    registry.modes.set("recall_home", "holds");
    const visits = [ask(), server.visit()];
    for (const visit of visits) visit.leave();
    while (registry.held.length > 0) registry.held[0]?.answer();
    server.expectEmpty();
  });

  it("sends on to a home that came back while it asked", () => {
    const { server, registry, ask } = begun("public", 0);
    registry.modes.set("recall_home", "holds");
    const visits = [ask(BEARER), server.visit()];
    const agent = new NativeAgent(server, { access: "public" }).connect();
    while (registry.held.length > 0) registry.held[0]?.answer();
    expect(agent.requests).toHaveLength(2);
    expect(visits.map((visit) => visit.status)).toEqual([0, 0]);
    server.expectEmpty();
  });
});

describe("who waits at the door of a home with a password", () => {
  function waiting(headers: string[], limits = {}) {
    const { server, ask } = begun(BASIC, 0, limits);
    const visit = ask(headers);
    expect(visit.status).toBe(0);
    return { server, ask, visit };
  }

  it("gets in with the right one when the home is back, and is challenged with another or none", () => {
    const { server, ask, visit } = waiting(RIGHT);
    const others = [ask(WRONG), ask()];
    const agent = new NativeAgent(server, { access: BASIC }).connect();
    expect(agent.requests).toHaveLength(1);
    agent.answer(200, [], "ok");
    expect(visit.text).toBe("ok");
    for (const other of others) {
      expect(other.status).toBe(401);
      expect(other.header("www-authenticate")).toMatch(/^Basic realm="home"/);
    }
    server.expectEmpty();
  });

  it("gets in with the one that the home has now, which may be another one than before", () => {
    const { server, visit } = waiting(basic("me:secret-new"));
    const agent = new NativeAgent(server, { access: `basic me:${saltedHash("secret-new")}` }).connect();
    agent.answer(200, [], "ok");
    expect(visit.text).toBe("ok");
    server.expectEmpty();
  });

  it("is asked for a token where the home wants one now, and shows none that is good", () => {
    const { server, ask, visit } = waiting([]);
    const others = [ask(RIGHT), ask(["authorization", "Bearer secret-bad"])];
    const agent = new NativeAgent(server).connect();
    expect([visit, ...others].map(({ status }) => status)).toEqual([401, 401, 401]);
    expect(agent.requests).toEqual([]);
    server.expectEmpty();
  });

  it("gets in with a token where the home wants one now", () => {
    const { server, visit } = waiting(BEARER);
    const agent = new NativeAgent(server).connect();
    agent.answer(200, [], "ok");
    expect(visit.text).toBe("ok");
    server.expectEmpty();
  });

  it("waits again where the home is lost again before his password was checked", () => {
    const { server, ask } = waiting(RIGHT);
    server.holdsPasswords = true;
    const agent = new NativeAgent(server, { access: BASIC }).connect();
    agent.lose();
    server.answerPassword();
    const late = ask(RIGHT);
    server.holdsPasswords = false;
    agent.connect();
    expect(agent.requests).toHaveLength(2);
    late.leave();
    server.expectEmpty();
  });

  it("takes no place that is kept for those who were let in", () => {
    const { server, ask, visit } = waiting([], { waitingStrangersMax: 1, waitingMax: 2 });
    expect(ask(RIGHT)).toMatchObject({ status: 429, code: "limit_tunnel_exchanges" });
    expect(server.visit().status).toBe(0);
    expect(server.visit()).toMatchObject({ status: 429, code: "limit_tunnel_exchanges" });
    visit.leave();
    expect(ask(RIGHT).status).toBe(0);
    server.expectEmpty();
  });

  it("waits no longer in all where the home is lost again", () => {
    const { server, visit } = waiting(RIGHT);
    server.holdsPasswords = true;
    server.advance(waitMs - 2);
    const agent = new NativeAgent(server, { access: BASIC }).connect();
    agent.lose();
    server.answerPassword();
    server.advance(1);
    expect(visit.status).toBe(0);
    server.advance(1);
    expect(visit).toMatchObject({ status: 503, code: "agent_not_connected" });
    server.expectEmpty();
  });

  it("is told 503 when it stays away", () => {
    const { server, visit } = waiting(RIGHT);
    server.advance(waitMs);
    expect(visit).toMatchObject({ status: 503, code: "agent_not_connected" });
    server.expectEmpty();
  });
});

describe("a home that was lost here", () => {
  it("keeps a password's owner waiting, and asks nobody for one, long after", () => {
    const { server, ask } = begun(null);
    const agent = new NativeAgent(server, { access: BASIC }).connect();
    agent.lose();
    const visits = [ask(), ask(WRONG), ask(RIGHT)];
    expect(visits.map(({ status }) => status)).toEqual([0, 0, 0]);
    server.idle(waitMs);
    expect(visits.map(({ status }) => status)).toEqual([503, 503, 503]);
    server.idle(LONG_MS / 100);
    expect([ask(), ask(WRONG), ask(RIGHT)].map(({ status }) => status)).toEqual([503, 503, 503]);
    server.expectEmpty();
  });
});
