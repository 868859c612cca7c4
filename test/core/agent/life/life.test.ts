import { describe, expect, it } from "vitest";
import { RETURN_MS } from "../../../../core/agent/life/retry.ts";
import { agentDeadlineMs } from "../../../../core/agent.ts";
import type { CallId } from "../../../../core/ids.ts";
import { agentLimits } from "../../../../core/limits.ts";
import { all, Harness, only, reports } from "../harness.ts";

/** The wait that the last report of a failure announced. */
function waitMs(harness: Harness): number {
  const report = harness.effects.findLast(
    (effect) => effect.type === "report" && effect.report.type === "retrying",
  );
  return report?.type === "report" && report.report.type === "retrying"
    ? report.report.inMs
    : expect.fail("there was no retry");
}

/** Lets the handshake fail as if nobody were there; gives the wait that follows. */
function failHandshake(harness: Harness): number {
  harness.advance(Math.max(0, agentDeadlineMs(harness.state) - harness.nowMs));
  harness.step({ type: "socket_closed", socket: harness.socket, code: 1006, reason: "" });
  return waitMs(harness);
}

/** As Culvert's own server says it. */
const UNAUTHORIZED = '{"code":"unauthorized"}';

function refuse(harness: Harness, status: number, body: string) {
  return harness.step({ type: "socket_refused", socket: harness.socket, status, body });
}

describe("the way to a tunnel", () => {
  it("registers, saves the client token and connects with it, in no target", () => {
    const harness = new Harness({ clientToken: null });
    const register = only(harness.step({ type: "tick" }), "api_call");
    expect(register).toMatchObject({
      target: "/auth/register-client?clientId=home%201",
      token: "access-token",
    });
    const registered = harness.answer(200, '{"token":"client/1"}');
    expect(only(registered, "state_save")).toMatchObject({ clientId: "home 1", clientToken: "client/1" });
    const connect = only(registered, "socket_connect");
    expect(connect.target).toBe("/ws?clientId=home%201&sender=true");
    expect(connect.headers).toEqual(["authorization", "Bearer client/1"]);
    expect(reports(harness.step({ type: "socket_opened", socket: connect.socket, protocol: null }))).toEqual([
      "connected",
      "reachable",
    ]);
  });

  it("shows an invite, where it has one, in place of the access token", () => {
    const harness = new Harness({ clientToken: null, accessToken: null, invite: "invite-token" });
    expect(only(harness.step({ type: "tick" }), "api_call").token).toBe("invite-token");
    expect(only(harness.answer(401, ""), "stopped").failure).toContain("refused the invite");
  });

  it("does not register when it has a client token", () => {
    const harness = new Harness({ accessToken: null });
    expect(all(harness.step({ type: "tick" }), "api_call")).toEqual([]);
    expect(harness.phase).toBe("connecting");
  });

  it("stops and tells what to set when it can neither register nor has a client token", () => {
    const harness = new Harness({ clientToken: null, accessToken: null });
    const { failure } = only(harness.step({ type: "tick" }), "stopped");
    for (const setting of ["--access-token", "TUNNEL_ACCESS_TOKEN", "--invite"])
      expect(failure).toContain(setting);
  });

  it("stops when the server refuses the access token", () => {
    const harness = new Harness({ clientToken: null });
    harness.step({ type: "tick" });
    expect(only(harness.answer(401, ""), "stopped").failure).toContain("refused the access token");
  });

  it("stops and says what it needs when its client id is registered already", () => {
    const harness = new Harness({ clientToken: null });
    harness.step({ type: "tick" });
    expect(only(harness.answer(409, ""), "stopped").failure).toContain("an invite");
  });

  it("registers anew when the server refuses the client token", () => {
    const harness = new Harness();
    harness.step({ type: "tick" });
    refuse(harness, 401, UNAUTHORIZED);
    expect(only(harness.advanceToDeadline(), "api_call").target).toContain("register-client");
    expect(only(harness.answer(200, '{"token":"new"}'), "state_save").clientToken).toBe("new");
  });

  it("tries its client token again when the server refused it and does not register the client id again", () => {
    const harness = new Harness();
    harness.step({ type: "tick" });
    refuse(harness, 401, UNAUTHORIZED);
    harness.advanceToDeadline();
    expect(reports(harness.answer(409, ""))).toEqual(["retrying"]);
    const { headers } = only(harness.advance(agentLimits.retryMs), "socket_connect");
    expect(headers).toEqual(["authorization", "Bearer client-token"]);
  });

  it("stops with a clear failure when a refused client token cannot be replaced", () => {
    const harness = new Harness({ accessToken: null });
    harness.step({ type: "tick" });
    expect(only(refuse(harness, 401, UNAUTHORIZED), "stopped").failure).toContain("refused the client token");
  });

  it.each([
    [200, "not JSON"],
    [200, "[]"],
    [200, "{}"],
    [200, '{"token":5}'],
    [200, '{"token":""}'],
    [200, '{"token":"a\\r\\nb"}'],
    [500, '{"token":"good"}'],
    [503, ""],
    [302, ""],
  ])("tries again after the answer %i %s", (status, body) => {
    const harness = new Harness({ clientToken: null });
    harness.step({ type: "tick" });
    expect(reports(harness.answer(status, body))).toEqual(["retrying"]);
    expect(harness.state.clientToken).toBeNull();
    harness.connect();
  });

  it("treats an API call without an answer as failed and ignores the late answer", () => {
    const harness = new Harness({ clientToken: null });
    harness.step({ type: "tick" });
    const late = harness.call;
    expect(reports(harness.advance(agentLimits.apiCallMs))).toContain("retrying");
    harness.advanceToDeadline();
    expect(harness.call).not.toBe(late);
    expect(harness.step({ type: "api_answered", call: late, status: 401, body: "" })).toEqual([]);
    expect(harness.step({ type: "api_failed", call: late, fault: { kind: "cut", detail: "" } })).toEqual([]);
  });

  it("terminates a handshake that takes too long and ignores what it still reports", () => {
    const harness = new Harness();
    harness.step({ type: "tick" });
    const slow = harness.socket;
    expect(only(harness.advance(agentLimits.connectMs), "socket_terminate").socket).toBe(slow);
    expect(harness.step({ type: "socket_opened", socket: slow, protocol: null })).toEqual([]);
    expect(harness.step({ type: "socket_closed", socket: slow, code: 1006, reason: "" })).toEqual([]);
    harness.connect();
  });

  it("never names a token in a report or a failure", () => {
    const harness = new Harness();
    harness.step({ type: "tick" });
    refuse(harness, 503, '{"detail":"client-token"}');
    harness.connect();
    harness.lose();
    harness.advance(60_000);
    const told = JSON.stringify(all(harness.effects, "report"));
    expect(told).not.toMatch(/client-token|signing-token|access-token/);
  });
});

describe("the way to a tunnel of a server that takes no client token, as MoosicBox's own", () => {
  /** That server has refused the client token. */
  function refused(config: ConstructorParameters<typeof Harness>[0] = {}): Harness {
    const harness = new Harness(config);
    harness.step({ type: "tick" });
    refuse(harness, 401, "Unauthorized");
    return harness;
  }

  function signed(): Harness {
    const harness = refused();
    harness.advanceToDeadline();
    harness.answer(200, '{"token":"s&/1"}');
    return harness;
  }

  it("goes by a signature, which it fetches with the client token", () => {
    const harness = refused();
    expect(only(harness.advanceToDeadline(), "api_call")).toMatchObject({
      target: "/auth/signature-token?clientId=home%201",
      token: "client-token",
    });
    const connect = only(harness.answer(200, '{"token":"s&/1"}'), "socket_connect");
    expect(connect.target).toBe("/ws?clientId=home%201&sender=true&signature=s%26%2F1");
    expect(connect.headers).toEqual([]);
  });

  it("keeps the signature over a reconnect", () => {
    const harness = signed();
    harness.connect();
    harness.advance(agentLimits.retryResetMs);
    harness.lose();
    expect(only(harness.advanceToDeadline(), "socket_connect").target).toContain("signature=s%26%2F1");
  });

  it("fetches a fresh one where it was refused, if the client token is not taken now", () => {
    const harness = signed();
    refuse(harness, 401, "Unauthorized");
    expect(only(harness.advance(agentLimits.retryMs), "socket_connect").target).not.toContain("signature");
    refuse(harness, 401, "Unauthorized");
    expect(only(harness.advance(agentLimits.retryMs), "api_call").target).toContain("signature-token");
  });

  it.each([{ protocol: "native" }, { access: "public" }] as const)(
    "does not, where a signature could not do what it is set up for: %j",
    (config) => {
      const harness = refused(config);
      expect(all(harness.advanceToDeadline(), "api_call")).toEqual([]);
      expect(harness.phase).toBe("connecting");
    },
  );
});

describe("the backoff", () => {
  it("T17 retries soon after the first loss, each agent of a server in a moment of its own", () => {
    const waits = Array.from({ length: 100 }, (_, seed) => {
      const harness = new Harness({ seed });
      harness.connect();
      harness.advance(agentLimits.retryResetMs);
      harness.lose();
      const inMs = waitMs(harness);
      expect(all(harness.advance(inMs), "socket_connect")).toHaveLength(1);
      return inMs;
    });
    expect(Math.max(...waits)).toBeLessThanOrEqual(RETURN_MS);
    // A quarter of the time has nowhere near all of them.
    for (let fromMs = 0; fromMs < RETURN_MS; fromMs += RETURN_MS / 4) {
      const some = waits.filter((inMs) => inMs >= fromMs && inMs < fromMs + RETURN_MS / 4);
      expect(some.length).toBeGreaterThan(10);
    }
  });

  it("waits longer and longer for a silent server, up to its bound and with jitter", () => {
    const harness = new Harness();
    harness.connect();
    harness.advance(agentLimits.retryResetMs);
    harness.lose();
    const waits = Array.from({ length: 12 }, () => failHandshake(harness));
    for (const [index, inMs] of waits.entries()) {
      const wholeMs = Math.min(agentLimits.retryDownMs, 250 * 2 ** index);
      expect(inMs).toBeGreaterThanOrEqual(wholeMs / 2);
      expect(inMs).toBeLessThanOrEqual(wholeMs);
    }
    expect(new Set(waits.slice(-5)).size).toBeGreaterThan(1);
  });

  it("comes back sooner to a server that answers, though it refuses", () => {
    const harness = new Harness();
    harness.connect();
    harness.lose();
    for (let attempt = 0; attempt < 12; attempt++) {
      harness.advance(Math.max(0, agentDeadlineMs(harness.state) - harness.nowMs));
      harness.step({ type: "socket_refused", socket: harness.socket, status: 503, body: "" });
      expect(waitMs(harness)).toBeLessThanOrEqual(agentLimits.retryMs);
    }
  });

  it.each([
    ["as long as the server asks for", "2", "", 2_000, 3_000],
    ["a moment where it asks for a date", "Fri, 31 Dec 1999 23:59:59 GMT", "", 0, RETURN_MS],
    ["a moment where it asks for nonsense", "2, 3", "", 0, RETURN_MS],
    ["a moment where it leaves, and another one may be there", "5", '{"code":"draining"}', 0, RETURN_MS],
    ["no longer than for a silent one", "86400", "", agentLimits.retryDownMs, 1.5 * agentLimits.retryDownMs],
  ])("waits %s, each agent for another while", (_name, retryAfter, body, leastMs, mostMs) => {
    const waits = Array.from({ length: 50 }, (_, seed) => {
      const harness = new Harness({ seed });
      harness.step({ type: "tick" });
      harness.step({ type: "socket_refused", socket: harness.socket, status: 503, body, retryAfter });
      return waitMs(harness);
    });
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(leastMs);
    expect(Math.max(...waits)).toBeLessThanOrEqual(mostMs);
    expect(new Set(waits).size).toBeGreaterThan(20);
  });

  it("waits as long as the server asks for that answers a call for a token", () => {
    const harness = new Harness({ clientToken: null });
    harness.step({ type: "tick" });
    const { call } = harness;
    harness.step({ type: "api_answered", call, status: 503, body: "", retryAfter: "7" });
    expect(waitMs(harness)).toBeGreaterThanOrEqual(7_000);
  });

  it("PB15 is reset by a connection that lasted, so the next loss retries soon", () => {
    const harness = new Harness();
    for (let outage = 0; outage < 5; outage++) {
      harness.connect();
      harness.advance(agentLimits.retryResetMs);
      harness.lose();
      expect(waitMs(harness)).toBeLessThanOrEqual(RETURN_MS);
      for (let attempt = 0; attempt < 7; attempt++) failHandshake(harness);
      expect(waitMs(harness)).toBeGreaterThan(agentLimits.retryMs);
    }
  });

  it("is not reset by a connection that is lost at once", () => {
    const harness = new Harness();
    const waits: number[] = [];
    for (let attempt = 0; attempt < 8; attempt++) {
      harness.connect();
      harness.lose();
      waits.push(waitMs(harness));
    }
    expect(waits.slice(1).every((inMs) => inMs > 0)).toBe(true);
    expect(waits.at(-1)).toBeGreaterThanOrEqual(agentLimits.retryMs / 2);
    expect(waits.at(-1)).toBeLessThanOrEqual(agentLimits.retryMs);
  });

  it("T16 keeps away for a while after another agent took over", () => {
    const harness = new Harness();
    harness.connect();
    harness.advance(agentLimits.retryResetMs);
    harness.lose(4001);
    expect(waitMs(harness)).toBeGreaterThanOrEqual(agentLimits.retrySupersededMs / 2);
    expect(waitMs(harness)).toBeLessThanOrEqual(agentLimits.retrySupersededMs);
  });

  it("T17 differs between agents with different seeds", () => {
    const waits = [1, 2, 3, 4, 5, 6, 7, 8].map((seed) => {
      const harness = new Harness({ seed });
      harness.connect();
      for (let attempt = 0; attempt < 4; attempt++) {
        harness.lose();
        harness.connect();
      }
      return waitMs(harness);
    });
    expect(new Set(waits).size).toBeGreaterThan(4);
  });

  it("ignores a late answer with a number that was never given out", () => {
    const harness = new Harness();
    harness.step({ type: "tick" });
    expect(
      harness.step({ type: "api_failed", call: 99 as CallId, fault: { kind: "cut", detail: "" } }),
    ).toEqual([]);
  });
});
