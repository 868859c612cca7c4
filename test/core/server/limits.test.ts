import { describe, expect, it } from "vitest";
import { FAILURE_CODES, failureOf } from "../../../core/failure.ts";
import { assertServerLimits, type ServerLimits, serverLimits } from "../../../core/limits.ts";
import { SIGNATURE, TestServer } from "../../helpers/test-server.ts";

describe("each limit lets through what reaches it, and refuses what passes it", () => {
  it("exchangesMax", () => {
    const server = new TestServer({ exchangesMax: 2 });
    server.tunnel();
    const visits = [server.visit(), server.visit(), server.visit()] as const;
    expect(visits.map((visit) => visit.status)).toEqual([0, 0, 503]);
    expect(visits[2].code).toBe("limit_exchanges");
    visits[0].leave();
    expect(server.visit().status).toBe(0);
    server.expectEmpty();
  });

  it("tunnelExchangesMax", () => {
    const server = new TestServer({ tunnelExchangesMax: 2 });
    const tunnel = server.tunnel();
    server.tunnel("other");
    const visits = [server.visit(), server.visit(), server.visit()] as const;
    expect(visits.map((visit) => visit.status)).toEqual([0, 0, 429]);
    expect(visits[2].code).toBe("limit_tunnel_exchanges");
    expect(server.visit({ clientId: "other" }).status).toBe(0);
    tunnel.send({ requestId: visits[0].requestId, packetId: 1, last: true });
    expect(server.visit().status).toBe(0);
    server.expectEmpty();
  });

  it("tunnelsMax", () => {
    const server = new TestServer({ tunnelsMax: 1 });
    const first = server.tunnel("a");
    expect(server.tunnel("b").refusal).toMatchObject({ status: 503, code: "limit_tunnels" });
    first.lose();
    expect(server.tunnel("b").isOpen).toBe(true);
    server.expectEmpty();
  });

  it("visitorSocketsMax", () => {
    const server = new TestServer({ visitorSocketsMax: 1 });
    server.tunnel();
    const first = server.visitorSocket();
    expect(server.visitorSocket().refusal).toMatchObject({ status: 503, code: "limit_visitor_sockets" });
    first.lose();
    expect(server.visitorSocket().isOpen).toBe(true);
    server.expectEmpty();
  });

  it("requestBodyBytesMax", () => {
    const server = new TestServer({ requestBodyBytesMax: 10 });
    const tunnel = server.tunnel();
    server.visit({ method: "POST", body: '"12345678"' });
    expect(tunnel.lastFrame.payload).toBe("12345678");
    const large = server.visit({ method: "POST", body: '"123456789"' });
    expect(large).toMatchObject({ status: 413, code: "limit_request_body", closesConnection: true });
    server.expectEmpty();
  });

  it("responseBufferBytesMax, by what is declared and by what comes", () => {
    const server = new TestServer({ responseBufferBytesMax: 10 });
    const tunnel = server.tunnel();
    const answer = (body: string, headers = {}, last = true) => {
      const visit = server.visit({ blocking: true });
      tunnel.send({ requestId: visit.requestId, packetId: 1, last, body, headers });
      return visit;
    };
    expect(answer("x".repeat(10)).status).toBe(200);
    expect(answer("x".repeat(10), { "content-length": "10" }).status).toBe(200);
    expect(answer("x".repeat(11))).toMatchObject({ status: 502, code: "limit_response_buffer" });
    const declared = answer("", { "content-length": "11" }, false);
    expect(declared).toMatchObject({ status: 502, code: "limit_response_buffer" });
    expect(tunnel.aborts).toContain(declared.requestId);
    server.expectEmpty();
  });

  it("parkedPacketsMax and parkedBytesMax", () => {
    const server = new TestServer({ parkedPacketsMax: 3, parkedBytesMax: 10 });
    const tunnel = server.tunnel();
    for (const [bodies, status] of [
      [["", "", ""], 0],
      [["", "", "", ""], 502],
      [["12345", "12345"], 0],
      [["12345", "123456"], 502],
    ] as const) {
      const visit = server.visit();
      for (const [index, body] of bodies.entries()) {
        tunnel.send({ requestId: visit.requestId, packetId: index + 2, body });
      }
      expect(visit.status, JSON.stringify(bodies)).toBe(status);
      if (status === 502) expect(visit.code).toBe("agent_protocol");
      visit.leave();
    }
    server.expectEmpty();
  });

  it("PB01 parks exactly what fits and delivers it all", () => {
    const server = new TestServer({ parkedPacketsMax: 3, parkedBytesMax: 9 });
    const tunnel = server.tunnel();
    const visit = server.visit();
    for (const [packetId, body] of [
      [4, "ddd"],
      [3, "ccc"],
      [2, "bbb"],
      [1, "a"],
    ] as const) {
      tunnel.send({ requestId: visit.requestId, packetId, body, last: packetId === 4 });
    }
    expect(visit).toMatchObject({ text: "abbbcccddd", end: "clean" });
  });

  it("tunnelSendBytesMax", () => {
    const server = new TestServer({ requestBodyBytesMax: 900, tunnelSendBytesMax: 2_000 });
    const tunnel = server.tunnel();
    tunnel.reacts = false;
    const upload = () => server.visit({ method: "POST", body: `"${"x".repeat(800)}"` });
    expect([upload().status, upload().status]).toEqual([0, 0]);
    expect(upload()).toMatchObject({ status: 502, code: "limit_slow_agent" });
    tunnel.flush();
    expect(upload().status).toBe(0);
    server.expectEmpty();
  });

  it("CLIENT_ID_LENGTH_MAX", () => {
    const server = new TestServer();
    expect(server.visit({ clientId: "x".repeat(64) }).status).toBe(424);
    expect(server.visit({ clientId: "x".repeat(65) }).status).toBe(400);
    // The registry counts characters, however many units of UTF-16 they take.
    expect(server.visit({ clientId: "\u{1F3B5}".repeat(64) }).status).toBe(424);
    expect(server.visit({ clientId: "\u{1F3B5}".repeat(65) }).status).toBe(400);
    expect(server.upgrade(`/ws?clientId=${"x".repeat(65)}&signature=${SIGNATURE}`).refusal?.status).toBe(400);
  });
});

describe("the limits of a configuration", () => {
  it.each<[string, Partial<ServerLimits>]>([
    ["heldBytesSoft", { heldBytesSoft: 2, heldBytesHard: 1 }],
    ["heldBytesHard", { heldBytesTotal: serverLimits.heldBytesHard - 1 }],
    ["parkedBytesMax", { parkedBytesMax: serverLimits.heldBytesHard + 1 }],
    ["pauseMsMax", { pauseMsMax: 1_001 }],
    ["pingMs", { pingMs: serverLimits.silenceMs }],
    ["a lease", { leaseRenewMs: serverLimits.leaseMs }],
    ["tokenFreshMs", { tokenFreshMs: serverLimits.tokenTrustMs + 1 }],
    ["exchangesMax", { exchangesMax: -1 }],
    ["exchangesMax", { exchangesMax: 1.5 }],
  ])("are refused when %s cannot work", (name, limits) => {
    expect(() => assertServerLimits({ ...serverLimits, ...limits })).toThrow(name);
  });
});

describe("the failure table", () => {
  it("gives each code an HTTP error, a close code that may be sent, and a sentence", () => {
    for (const code of FAILURE_CODES) {
      const { status, closeCode, title, retryAfterSeconds } = failureOf(code);
      expect(status, code).toBeGreaterThanOrEqual(400);
      expect(status, code).toBeLessThan(600);
      // RFC 6455 section 7.4: these are for an endpoint to send; 1004 to 1006 and 1015 are not.
      expect([1001, 1002, 1003, 1007, 1008, 1009, 1011, 1012, 1013, 4001, 4002], code).toContain(closeCode);
      expect(title, code).toMatch(/^[A-Z].*\.$/);
      if (retryAfterSeconds !== null) expect(retryAfterSeconds, code).toBeGreaterThan(0);
    }
  });
});
