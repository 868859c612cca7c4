/** A home that keeps a slow hash of its password: who is let in, and what a stranger can make the server work. */
import { describe, expect, it } from "vitest";
import type { ServerLimits } from "../../../../core/limits.ts";
import { saltedHash, TestServer } from "../../../helpers/test-server.ts";
import type { Visit } from "../../../helpers/test-visit.ts";

const PASSWORD = "secret-password:with a colon";
const HOME = ["Host", "home.example.com"];

function start(limits: Partial<ServerLimits> = {}, access = `basic me:${saltedHash(PASSWORD)}`) {
  const server = new TestServer(limits, { domain: "example.com" });
  const connect = (said = access) => server.tunnel("home", true, ["Culvert-Access", said]);
  return { server, tunnel: connect(), connect };
}

function visit(server: TestServer, text: string | null, peer = "192.0.2.1"): Visit {
  const shown = text === null ? [] : ["Authorization", `Basic ${Buffer.from(text).toString("base64")}`];
  return server.open({ target: "/a", headers: [...HOME, ...shown], peer });
}

const RIGHT = `me:${PASSWORD}`;

describe("a password with a slow hash", () => {
  it("A02 lets in who knows it, and is not passed on", () => {
    const { server, tunnel } = start();
    visit(server, RIGHT);
    expect(tunnel.requests.map(({ path }) => path)).toEqual(["a"]);
    expect(JSON.stringify(tunnel.requests)).not.toContain("Basic");
  });

  it("A02 asks everybody else for it, and works for none who shows none", () => {
    const { server, tunnel } = start();
    const challenge = 'Basic realm="home", charset="UTF-8"';
    for (const text of [null, "me", "me:wrong", `you:${PASSWORD}`, "me:", ":", `${RIGHT} `]) {
      const refused = visit(server, text);
      expect(refused.status, String(text)).toBe(401);
      expect(refused.header("www-authenticate")).toBe(challenge);
    }
    expect(server.passwordsChecked).toBe(5);
    expect(tunnel.requests).toEqual([]);
    server.expectEmpty();
  });

  it("is checked again after five minutes without use, or when the home has another hash", () => {
    const { server, tunnel, connect } = start();
    for (let round = 0; round < 10; round++) visit(server, RIGHT);
    server.idle(299_000);
    visit(server, RIGHT);
    expect([server.passwordsChecked, tunnel.requests.length]).toEqual([1, 11]);
    server.idle(299_000);
    visit(server, RIGHT);
    expect(server.passwordsChecked).toBe(1);
    server.idle(301_000);
    visit(server, RIGHT);
    expect(server.passwordsChecked).toBe(2);
    tunnel.lose();
    connect(`basic me:${saltedHash("secret-other")}`);
    expect(visit(server, RIGHT).status).toBe(401);
    expect(server.passwordsChecked).toBe(3);
  });

  it("that is shown again meanwhile is checked once, and all who showed it are let in", () => {
    const { server, tunnel } = start();
    server.holdsPasswords = true;
    const visits = Array.from({ length: 20 }, () => visit(server, RIGHT));
    expect(server.passwordsChecked).toBe(1);
    visits[0]?.leave();
    server.answerPassword();
    expect(tunnel.requests).toHaveLength(19);
    server.expectEmpty();
  });

  it("is not checked for who has left before his turn", () => {
    const { server } = start({ passwordsRunningMax: 1 });
    server.holdsPasswords = true;
    const [, second] = ["me:a", "me:b", "me:c"].map((text) => visit(server, text));
    second?.leave();
    server.answerPassword();
    expect(server.passwordChecks.map(({ password }) => password)).toEqual(["c"]);
    server.answerPassword();
    server.expectEmpty();
  });

  it("lets nobody in whose home has come back with another mode meanwhile", () => {
    const { server, tunnel, connect } = start();
    server.holdsPasswords = true;
    const late = visit(server, RIGHT);
    tunnel.lose();
    const other = connect("token");
    server.answerPassword();
    // Whatever he showed, nobody has looked at it.
    expect(late).toMatchObject({ status: 503, code: "agent_not_connected" });
    expect(other.requests).toEqual([]);
  });

  it("that cannot be checked is neither right nor a guess", () => {
    const { server } = start({ guessesMax: 1 });
    server.holdsPasswords = true;
    for (let round = 0; round < 5; round++) {
      const unlucky = visit(server, RIGHT);
      server.answerPassword("failed");
      expect(unlucky).toMatchObject({ status: 503, code: "limit_passwords" });
    }
    server.holdsPasswords = false;
    expect(visit(server, RIGHT).status).toBe(0);
  });
});

describe("who guesses at a password", () => {
  it("has none checked and no call made while his address has no guess left, and others go on", () => {
    const { server, tunnel } = start({ guessesMax: 10 });
    visit(server, RIGHT, "192.0.2.9");
    visit(server, RIGHT);
    const calls = server.registry.asked.length;
    const guesses = Array.from({ length: 1_000 }, (_, index) => visit(server, `me:secret-guess-${index}`));
    expect(guesses.filter(({ status }) => status === 401)).toHaveLength(10);
    expect(guesses.filter(({ code }) => code === "limit_guesses")).toHaveLength(990);
    expect(server.passwordsChecked).toBe(11);
    expect(server.registry.asked.length).toBe(calls);
    // What was right lately is refused nowhere, not at the address of the guesses either.
    visit(server, RIGHT);
    visit(server, RIGHT, "192.0.2.9");
    expect(tunnel.requests).toHaveLength(4);
    server.idle(3_000);
    expect([visit(server, "me:again"), visit(server, "me:again")].map(({ status }) => status)).toEqual([
      401, 401,
    ]);
  });

  it("cannot have more checked at once by asking before the first answer", () => {
    const { server } = start({ guessesMax: 10, addressPasswordsMax: 100, passwordsMax: 100 });
    server.holdsPasswords = true;
    const guesses = Array.from({ length: 50 }, (_, index) => visit(server, `me:secret-guess-${index}`));
    expect(guesses.filter(({ code }) => code === "limit_guesses")).toHaveLength(40);
    while (server.passwordChecks.length > 0) server.answerPassword();
    expect(server.passwordsChecked).toBe(10);
    server.expectEmpty();
  });

  it("has a share of the work, and of what waits for it", () => {
    const { server } = start({ passwordsRunningMax: 2, addressPasswordsMax: 3, passwordsMax: 4 });
    server.holdsPasswords = true;
    const codes = (peer: string, count: number) =>
      Array.from({ length: count }, (_, index) => visit(server, `me:secret-${peer}-${index}`, peer).code);
    expect(codes("192.0.2.7", 4).at(-1)).toBe("limit_address");
    expect(server.passwordChecks).toHaveLength(2);
    expect(codes("192.0.2.8", 2).at(-1)).toBe("limit_passwords");
    while (server.passwordChecks.length > 0) server.answerPassword();
    expect(server.passwordsChecked).toBe(4);
    server.expectEmpty();
  });

  it("leaves nothing behind where he leaves, and where the server stops", () => {
    const { server } = start();
    server.holdsPasswords = true;
    visit(server, "me:a").leave();
    const waits = visit(server, "me:b");
    server.drain();
    server.advance(server.state.config.limits.drainMs);
    expect(waits.code).toBe("draining");
    while (server.passwordChecks.length > 0) server.answerPassword();
    server.expectEmpty();
    expect(server.state.passwords.size).toBe(0);
  });
});
