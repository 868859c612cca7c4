import { describe, expect, it } from "vitest";
import type { ConnectFaultKind } from "../../../../core/events.ts";
import { agentLimits } from "../../../../core/limits.ts";
import { Harness, only } from "../harness.ts";

/** What waiting cannot heal. */
const LASTING: readonly ConnectFaultKind[] = [
  "not_tls",
  "tls_there",
  "certificate_untrusted",
  "certificate_expired",
  "certificate_name",
  "certificate_refused",
  "not_http",
  "proxy_login",
  "proxy_denied",
];

const PASSING: readonly ConnectFaultKind[] = [
  "name_unknown",
  "refused",
  "unreachable",
  "silent",
  "closed",
  "closed_in_tls",
  "cut",
  "tls_failed",
  "certificate_early",
  "handshake_broken",
  "proxy_name_unknown",
  "proxy_refused",
  "proxy_unreachable",
  "proxy_failed",
  "other",
];

/** The agent asks for a token because it has none, or shows the one that it has in a handshake. */
function asking(step: "call" | "handshake", exitOnError = false): Harness {
  const clientToken = step === "call" ? null : "client-token";
  const harness = new Harness({ exitOnError, clientToken });
  harness.step({ type: "tick" });
  return harness;
}

function fail(harness: Harness, kind: ConnectFaultKind) {
  const fault = { kind, detail: "connect ECONNREFUSED 192.0.2.1:443" };
  return harness.state.links[0].life.phase === "connecting"
    ? harness.step({ type: "socket_failed", socket: harness.socket, fault })
    : harness.step({ type: "api_failed", call: harness.call, fault });
}

function answer(harness: Harness, status: number, body: string) {
  return harness.state.links[0].life.phase === "connecting"
    ? harness.step({ type: "socket_refused", socket: harness.socket, status, body })
    : harness.answer(status, body);
}

function retryOf(effects: ReturnType<Harness["step"]>) {
  const { report } = only(effects, "report");
  if (report.type !== "retrying") expect.fail(`no retry but ${report.type}`);
  return report;
}

describe.each(["call", "handshake"] as const)("a %s that gets no answer", (step) => {
  it.each([...LASTING, ...PASSING].filter((kind) => kind !== "cut"))(
    "is a warning with the next step and the system's words: %s",
    (kind) => {
      expect(retryOf(fail(asking(step), kind))).toMatchObject({
        level: "warn",
        cause: expect.stringMatching(/^[a-z][ -~]{20,}$/),
        next: expect.stringMatching(/^[a-z][ -~]{10,}$/),
        detail: "connect ECONNREFUSED 192.0.2.1:443",
      });
    },
  );

  it.each(LASTING)("ends the agent that is told to, where waiting cannot heal it: %s", (kind) => {
    const { failure } = only(fail(asking(step, true), kind), "stopped");
    expect(failure).toContain("(connect ECONNREFUSED 192.0.2.1:443)");
  });

  it.each(PASSING)("is tried again even then, where waiting can: %s", (kind) => {
    retryOf(fail(asking(step, true), kind));
  });
});

describe.each(["call", "handshake"] as const)("an answer to a %s that is not Culvert's", (step) => {
  it.each([
    [400, "<center>The plain HTTP request was sent to HTTPS port</center>", "https://"],
    [400, "Client sent an HTTP request to an HTTPS server.\n", "https://"],
    [404, "not found", "admin port"],
    [405, "<h1>Method Not Allowed</h1>", "admin port"],
    [301, "", "leads to"],
    [407, "", "--proxy-file"],
  ])("says where to look, and ends the agent that is told to: %i %s", (status, body, next) => {
    expect(retryOf(answer(asking(step), status, body))).toMatchObject({
      level: "warn",
      next: expect.stringContaining(next),
    });
    expect(only(answer(asking(step, true), status, body), "stopped").failure).toContain(next);
  });

  it.each([403, 429, 502, 503])("is of a moment where what stands in front of it says so: %i", (status) => {
    expect(retryOf(answer(asking(step, true), status, "<h1>no</h1>")).cause).toContain("in front of");
  });

  it("is told from one of Culvert's", () => {
    const body = '{"title":"The server is shutting down.","status":503,"code":"draining"}';
    expect(retryOf(answer(asking(step, true), 503, body)).cause).toMatch(/^the server (answered|refused)/);
  });
});

it("a web page in place of a token is no Culvert server", () => {
  expect(retryOf(answer(asking("call"), 200, "<html>")).cause).toContain("no Culvert server");
  expect(only(answer(asking("call", true), 200, "<html>"), "stopped").failure).toContain("--server");
});

it("a cause is told at first and whenever it has come twice as often, each for itself, until the agent is connected", () => {
  const harness = asking("call");
  const levels = (kind: ConnectFaultKind, count: number) =>
    Array.from({ length: count }, () => {
      const { level } = retryOf(fail(harness, kind));
      harness.advanceToDeadline();
      return level[0];
    }).join("");
  expect(levels("refused", 9)).toBe("wwdwdddwd");
  expect(levels("name_unknown", 3)).toBe("wwd");
  expect(levels("refused", 7)).toBe("ddddddw");
  harness.connect();
  harness.advance(agentLimits.retryResetMs);
  harness.lose();
  harness.advanceToDeadline();
  expect(levels("refused", 3)).toBe("wwd");
});

it("an agent that was connected goes on whatever comes, since its settings were right", () => {
  const harness = new Harness({ exitOnError: true });
  harness.connect();
  harness.lose();
  harness.advance(agentLimits.retryMs);
  retryOf(answer(harness, 404, "404 page not found"));
});

it("a server with new words each time is not remembered without end", () => {
  const harness = asking("call");
  for (let index = 0; index < 200; index++) {
    retryOf(harness.answer(503, JSON.stringify({ title: "?", code: "x", detail: `reason ${index}` })));
    harness.advanceToDeadline();
  }
  expect(harness.state.troubles.size).toBeLessThan(64);
});
