import { describe, expect, it } from "vitest";
import { serverLimits } from "../../../../core/limits.ts";
import { CLIENT_TOKEN, TestServer } from "../../../helpers/test-server.ts";

const showing = (token: string, headers: readonly string[] = []) => ({
  target: "/x?clientId=home",
  headers: ["host", "tunnel.example", "authorization", `Bearer ${token}`, ...headers],
});
const WRONG = showing("secret-wrong");
const RIGHT = showing(CLIENT_TOKEN);

const asked = (server: TestServer) =>
  server.registry.asked.filter(({ type }) => type.startsWith("check_") || type === "use_signature").length;

describe("wrong credentials of one address", () => {
  it("are looked up as often as the limit says, and cost the registry nothing beyond it", () => {
    const server = new TestServer({ guessesMax: 3 });
    const before = asked(server);
    const visits = Array.from({ length: 6 }, () => server.open(WRONG));
    expect(visits.map(({ status }) => status)).toEqual([401, 401, 401, 429, 429, 429]);
    expect(visits[5]).toMatchObject({ code: "limit_guesses" });
    expect(visits[5]?.header("retry-after")).toBe("30");
    expect(asked(server) - before).toBe(3);
  });

  it("are looked up again when some time has passed", () => {
    const server = new TestServer({ guessesMax: 2, guessMs: 1_000 });
    for (let index = 0; index < 3; index++) server.open(WRONG);
    server.idle(1_000);
    expect(server.open(WRONG).status).toBe(401);
    expect(server.open(WRONG).status).toBe(429);
  });

  it("do not keep out who was let in lately, nor visitors of other addresses", () => {
    const server = new TestServer({ guessesMax: 2, tokenFreshMs: 0 });
    const tunnel = server.tunnel();
    server.grant("client_access", CLIENT_TOKEN, "home");
    server.open(RIGHT);
    for (let index = 0; index < 3; index++) server.open(WRONG);
    server.open(RIGHT);
    expect(tunnel.requests).toHaveLength(2);
    expect(server.open({ ...WRONG, peer: "198.51.100.7" }).status).toBe(401);
  });

  it("are counted for a whole IPv6 network of 64 bits", () => {
    const server = new TestServer({ guessesMax: 1 });
    expect(server.open({ ...WRONG, peer: "2001:db8:1:2::1" }).status).toBe(401);
    expect(server.open({ ...WRONG, peer: "2001:db8:1:2:ffff::9" }).status).toBe(429);
    expect(server.open({ ...WRONG, peer: "2001:db8:1:3::1" }).status).toBe(401);
  });

  it("are counted for the visitor whom a trusted proxy names", () => {
    const server = new TestServer({ guessesMax: 1 }, { trustedProxies: ["192.0.2.0/24"] });
    const from = (client: string) => showing("secret-wrong", ["x-forwarded-for", client]);
    expect(server.open(from("203.0.113.1")).status).toBe(401);
    expect(server.open(from("203.0.113.1")).status).toBe(429);
    expect(server.open(from("203.0.113.2")).status).toBe(401);
  });

  it("are counted for handshakes too, and refuse further ones", () => {
    const server = new TestServer({ guessesMax: 2 });
    const handshake = () => server.upgrade("/ws?clientId=home&sender=true&signature=secret-wrong");
    const refusals = [handshake(), handshake(), handshake()].map(({ refusal }) => refusal?.status);
    expect(refusals).toEqual([401, 401, 429]);
  });
});

describe("strangers at the door", () => {
  it("take a bounded share of the registry's calls for each address, and give it back with the call", () => {
    const server = new TestServer({ addressStrangersMax: 2 });
    server.tunnel();
    server.registry.mode = "holds";
    const held = [server.visit(), server.visit()];
    expect(server.visit()).toMatchObject({ status: 429, code: "limit_address" });
    // Leaving does not make room: the call is still under way.
    held[0]?.leave();
    expect(server.visit().status).toBe(429);
    server.registry.mode = "answers";
    for (const call of [...server.registry.held]) call.answer();
    expect(server.visit().status).toBe(0);
  });

  it("do not count as tunnels before their token is good", () => {
    const server = new TestServer({ tunnelsMax: 1 });
    server.registry.mode = "holds";
    for (let index = 0; index < 10; index++)
      server.upgrade("/ws?clientId=x&sender=true&signature=secret-wrong");
    server.registry.mode = "answers";
    expect(server.tunnel().isOpen).toBe(true);
  });

  it("are remembered for a bounded number of addresses", () => {
    const server = new TestServer({ addressesMax: 10 });
    for (let index = 0; index < 50; index++) server.open({ ...WRONG, peer: `198.51.100.${index}` });
    expect(server.state.addresses.size).toBeLessThanOrEqual(10);
  });
});

describe("one address", () => {
  it("holds no more than its share of a home's requests", () => {
    const server = new TestServer({ addressExchangesMax: 2 });
    const tunnel = server.tunnel();
    const visits = [server.visit(), server.visit()];
    expect(server.visit()).toMatchObject({ status: 429, code: "limit_address" });
    server.visit({ peer: "198.51.100.7" });
    expect(tunnel.requests).toHaveLength(3);
    visits[0]?.leave();
    server.visit();
    expect(tunnel.requests).toHaveLength(4);
  });
});

describe("answers that nobody takes", () => {
  it("do not count among the requests in flight", () => {
    const server = new TestServer({ exchangesMax: 2 });
    for (let index = 0; index < 10; index++) server.open({ target: "/health", takes: false });
    expect(server.open(WRONG).status).toBe(401);
  });

  it("are cut, the oldest first, beyond their own limit", () => {
    const server = new TestServer({ untakenMax: 2 });
    const visits = Array.from({ length: 3 }, () => server.open({ target: "/health", takes: false }));
    expect(visits.map(({ end }) => end)).toEqual(["cut", "clean", "clean"]);
    expect(serverLimits.untakenMax).toBeLessThan(serverLimits.exchangesMax);
  });
});
