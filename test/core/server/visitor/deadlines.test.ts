import { describe, expect, it } from "vitest";
import { type ServerLimits, serverLimits } from "../../../../core/limits.ts";
import { serverDeadlineMs } from "../../../../core/server.ts";
import { TestServer } from "../../../helpers/test-server.ts";

const { exchangeIdleMs, agentNoticeMs } = serverLimits;
const homeMs = exchangeIdleMs + agentNoticeMs;
const { pingMs, silenceMs, stallMs, untakenMs } = serverLimits;

function scene(options: Parameters<TestServer["visit"]>[0] = {}, limits: Partial<ServerLimits> = {}) {
  const server = new TestServer(limits);
  const tunnel = server.tunnel();
  const visit = server.visit(options);
  const say = (packetId: number, body = "x", last = false) =>
    tunnel.send({ requestId: visit.requestId, packetId, body, last });
  return { server, tunnel, visit, say };
}

describe("the deadline of an exchange", () => {
  it("answers 504 and tells the agent when no head has come", () => {
    const { server, tunnel, visit } = scene();
    server.idle(homeMs - 1);
    expect(visit.status).toBe(0);
    server.idle(1);
    expect(visit).toMatchObject({ status: 504, code: "response_timeout" });
    expect(tunnel.aborts).toEqual([visit.requestId]);
    server.expectEmpty();
  });

  it("cuts a streamed body that has stopped coming, and fails a gathered one", () => {
    for (const blocking of [false, true]) {
      const { server, tunnel, visit, say } = scene({ blocking });
      say(1);
      server.idle(homeMs - 1);
      expect(visit.end).toBe("none");
      server.idle(1);
      expect(visit).toMatchObject(blocking ? { status: 504 } : { status: 200, end: "cut" });
      expect(server.outcomes("response_timeout")).toBe(1);
      expect(tunnel.aborts).toEqual([visit.requestId]);
      server.expectEmpty();
    }
  });

  it("does not move by packets that come again", () => {
    const { server, visit, say } = scene();
    say(1);
    for (let ms = 0; ms < homeMs; ms += 10_000) {
      server.idle(10_000);
      if (!visit.isClosed) say(1);
    }
    expect(visit.end).toBe("cut");
    server.expectEmpty();
  });

  it("H25 lets an event stream live that speaks now and then", () => {
    const { server, visit, say } = scene();
    for (let id = 1; id <= 10; id++) {
      say(id, "event");
      server.idle(exchangeIdleMs - 1_000);
    }
    say(11, "", true);
    expect(visit.end).toBe("clean");
  });

  it("H05 H24 lets a request body take its time as long as it moves", () => {
    const { server, visit } = scene({ method: "POST", body: "1", takes: false });
    for (let piece = 0; piece < 20; piece++) {
      visit.sendBody("1");
      server.idle(exchangeIdleMs - 1);
    }
    expect(visit.status).toBe(0);
    server.idle(1);
    expect(visit).toMatchObject({ status: 408, code: "request_timeout" });
    server.expectEmpty();
  });

  it("gives a visitor up who takes nothing of what is there", () => {
    const { server, visit, say } = scene({ takes: false });
    say(1);
    server.idle(exchangeIdleMs);
    expect(visit.end).toBe("cut");
    expect(server.outcomes("limit_slow_visitor")).toBe(1);
    server.expectEmpty();
  });

  it("cuts a short answer off that is not taken within seconds", () => {
    const { server, visit, say } = scene({ takes: false });
    say(1, "short", true);
    server.idle(untakenMs - 1);
    expect(visit.end).toBe("clean");
    server.idle(1);
    expect(visit.end).toBe("cut");
    server.expectEmpty();
  });

  it("waits for a visitor who takes an ended body slowly, and not for one who has stopped", () => {
    const { server, visit, say } = scene({ takes: false }, { shortAnswerBytes: 0 });
    say(1, "x".repeat(100), true);
    for (let step = 0; step < 5; step++) {
      server.idle(exchangeIdleMs - 1);
      visit.take(10);
    }
    expect(visit.end).toBe("clean");
    server.idle(exchangeIdleMs);
    expect(visit.end).toBe("cut");
    expect(server.outcomes("visitor_left")).toBe(1);
    server.expectEmpty();
  });

  it("PB08 T24 is disarmed by the last packet", () => {
    const { server, say } = scene();
    say(1, "x", true);
    const owners = server.state.timers.heap.map((timer) => timer.owner.kind);
    expect(owners).not.toContain("exchange");
  });
});

describe("the heartbeat", () => {
  it("pings every socket each ping period", () => {
    const server = new TestServer();
    const tunnel = server.tunnel();
    const visitor = server.visitorSocket();
    server.idle(pingMs * 4);
    expect([tunnel.pings, visitor.pings]).toEqual([4, 4]);
  });

  it("T12 PB11 drops a socket that was silent for too long, pinged or not", () => {
    const server = new TestServer();
    const tunnel = server.tunnel();
    const visit = server.visit();
    server.advance(silenceMs - 1);
    expect(tunnel.closed).toBeNull();
    server.advance(1);
    expect(tunnel.closed?.code).toBe(1006);
    expect(visit).toMatchObject({ status: 502, code: "agent_lost" });
    expect(server.reports).toContainEqual(
      expect.objectContaining({ type: "tunnel_ended", cause: "silent", code: 1006 }),
    );
    expect(server.registry.rows.size).toBe(0);
    server.expectEmpty();
  });

  it("takes any frame for a sign of life, even one that is nonsense", () => {
    const server = new TestServer();
    const tunnel = server.tunnel();
    const signs = [
      () => tunnel.beat(),
      () => tunnel.say("nonsense"),
      () => tunnel.sendBytes(new Uint8Array(1)),
      () => tunnel.send({ requestId: 5, packetId: 2 }),
    ];
    for (const sign of signs) {
      server.advance(silenceMs - 1);
      sign();
    }
    server.advance(silenceMs - 1);
    expect(tunnel.isOpen).toBe(true);
  });

  it("takes neither what it sends itself nor what the kernel takes for a sign of life", () => {
    const server = new TestServer();
    const tunnel = server.tunnel();
    for (let ms = 0; ms < silenceMs; ms += 100) {
      server.visit();
      server.advance(100);
    }
    expect(tunnel.closed?.code).toBe(1006);
  });

  it("T14 grants a socket one more ping after a stall of this process", () => {
    const server = new TestServer();
    const tunnel = server.tunnel();
    server.stall(silenceMs * 10);
    server.advance(0);
    expect(tunnel.isOpen).toBe(true);
    expect(tunnel.pings).toBe(1);
    server.advance(pingMs - 1);
    expect(tunnel.isOpen).toBe(true);
    server.advance(1);
    expect(tunnel.closed?.code).toBe(1006);
  });

  it("does not take a tick that is a little late for a stall", () => {
    const server = new TestServer();
    const tunnel = server.tunnel();
    server.advance(silenceMs - 1);
    server.stall(stallMs);
    server.advance(0);
    expect(tunnel.closed?.code).toBe(1006);
  });

  it("is over when its socket is", () => {
    const server = new TestServer();
    for (const end of ["lose", "supersede"]) {
      const tunnel = server.tunnel();
      if (end === "lose") tunnel.lose();
    }
    for (const socket of server.sockets.values()) socket.lose();
    expect(server.state.timers.heap.map((timer) => timer.owner.kind).sort()).toEqual(["lease", "sweep"]);
  });
});

describe("the next deadline", () => {
  it("is always in the future after a tick", () => {
    const { server } = scene();
    for (let ticks = 0; ticks < 100; ticks++) {
      const deadlineMs = serverDeadlineMs(server.state);
      server.advance(deadlineMs - server.nowMs);
      expect(serverDeadlineMs(server.state)).toBeGreaterThan(server.nowMs);
    }
  });

  it("asks the registry to sweep now and then, and survives that it cannot", () => {
    const server = new TestServer();
    server.registry.modes.set("sweep", "unavailable");
    server.idle(serverLimits.sweepMs * 2 + 1_000);
    expect(server.registry.count("sweep")).toBe(2);
    server.expectEmpty();
  });
});
