/** A visitor's WebSocket with a home's service: an exchange whose bytes nobody looks into. */
import { describe, expect, it } from "vitest";
import { closeFrame } from "../../../../core/http/websocket-frames.ts";
import { type ServerLimits, serverLimits } from "../../../../core/limits.ts";
import { NativeAgent, requestBody } from "../../../helpers/native-agent.ts";
import { TestServer } from "../../../helpers/test-server.ts";

const HANDSHAKE = [
  "Upgrade",
  "websocket",
  "Connection",
  "Upgrade",
  "Sec-WebSocket-Key",
  "dGhlIHNhbXBsZSBub25jZQ==",
  "Sec-WebSocket-Version",
  "13",
];
const ACCEPTED = [
  "Upgrade",
  "websocket",
  "Connection",
  "Upgrade",
  "Sec-WebSocket-Accept",
  "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
  "Sec-WebSocket-Protocol",
  "chat",
];
/** Of a server: one text frame. */
const FRAME = new Uint8Array([0x81, 2, 0x68, 0x69]);

function upgraded(options: Parameters<TestServer["visit"]>[0] = {}, limits: Partial<ServerLimits> = {}) {
  const server = new TestServer(limits);
  const agent = new NativeAgent(server).connect();
  const visit = server.visit({ ...options, upgrade: true, headers: HANDSHAKE });
  agent.head(101, ["Keep-Alive", "timeout=5", ...ACCEPTED]);
  return { server, agent, visit };
}

describe("a visitor's WebSocket", () => {
  it("is sent on to be an exchange", () => {
    const server = new TestServer();
    const socket = server.upgrade("/socket?clientId=home", HANDSHAKE);
    expect(socket.isForwarded).toBe(true);
    expect(server.state.sockets.size).toBe(0);
  });

  it("H27 is the only protocol that the home is offered", () => {
    const server = new TestServer();
    const agent = new NativeAgent(server).connect();
    server.visit({ upgrade: true, headers: ["Upgrade", "h2c, websocket", "Connection", "Upgrade"] });
    expect(agent.request.head.headers.slice(0, 4)).toEqual(["Upgrade", "websocket", "Connection", "Upgrade"]);
  });

  it("T21 is opened at the home first, and carries raw bytes both ways", () => {
    const { server, agent, visit } = upgraded();
    expect(agent.request.head.upgrade).toBe(true);
    expect(agent.request.head.headers.slice(0, 8)).toEqual(HANDSHAKE);
    expect(visit.status).toBe(101);
    expect(visit.headers).toEqual(ACCEPTED);
    visit.sendBody(FRAME);
    agent.body(FRAME);
    expect(requestBody(agent.request)).toEqual(FRAME);
    expect(visit.body).toEqual(FRAME);
    visit.endBody();
    expect(agent.request.isWhole).toBe(true);
    agent.end();
    expect(visit.end).toBe("clean");
    server.expectEmpty();
  });

  it.each([
    ["of another protocol", ACCEPTED.with(1, "h2c")],
    ["of no protocol", ACCEPTED.slice(2)],
    ["without its Connection", [...ACCEPTED.slice(0, 2), ...ACCEPTED.slice(4)]],
    ["that answers another key", ACCEPTED.with(5, "ICX+Yqv66kxgM0FcWaLWlFLwTAI=")],
    ["that answers no key", ACCEPTED.slice(0, 4)],
  ])("T23 is not opened by an agent's 101 %s", (_what, headers) => {
    const server = new TestServer();
    const agent = new NativeAgent(server).connect();
    const visit = server.visit({ upgrade: true, headers: HANDSHAKE });
    agent.head(101, headers);
    expect(visit).toMatchObject({ status: 502, code: "agent_protocol" });
    server.expectEmpty();
  });

  it("T23 gets the plain response where the home refuses it", () => {
    const server = new TestServer();
    const agent = new NativeAgent(server).connect();
    const visit = server.visit({ upgrade: true, headers: HANDSHAKE });
    agent.answer(401, ["www-authenticate", "Basic"], "who?");
    expect(visit).toMatchObject({ status: 401, text: "who?", end: "clean", closesConnection: true });
    expect(visit.header("www-authenticate")).toBe("Basic");
    server.expectEmpty();
  });

  it("fails with a clear code where the agent speaks MoosicBox's protocol", () => {
    const server = new TestServer();
    server.tunnel();
    const visit = server.visit({ upgrade: true, headers: HANDSHAKE });
    expect(visit).toMatchObject({ status: 501, code: "upgrade_unsupported" });
    server.expectEmpty();
  });

  it("T22 goes on after a resumption", () => {
    const { server, agent, visit } = upgraded();
    agent.body(FRAME);
    agent.lose();
    visit.sendBody(FRAME);
    server.advance(5_000);
    agent.connect();
    agent.body(FRAME);
    expect(requestBody(agent.request)).toEqual(FRAME);
    expect(visit.body).toEqual(new Uint8Array([...FRAME, ...FRAME]));
    server.expectEmpty();
  });

  it("T22 closes once with 1012 and a reason when the home is lost between two frames", () => {
    const { server, agent, visit } = upgraded();
    agent.body(FRAME);
    agent.lose();
    server.advance(server.state.config.limits.graceMs);
    const told = closeFrame(1012, "agent_lost");
    expect([...told.subarray(0, 4)]).toEqual([0x88, 12, 0x03, 0xf4]);
    expect(visit.body).toEqual(new Uint8Array([...FRAME, ...told]));
    expect(visit.end).toBe("clean");
    expect(server.outcomes("agent_lost")).toBe(1);
    server.expectEmpty();
  });

  it("is not closed for a silence of any length", () => {
    const { server, agent, visit } = upgraded();
    server.idle(10 * serverLimits.exchangeIdleMs);
    agent.body(FRAME);
    expect(visit.body).toEqual(FRAME);
    server.expectEmpty();
  });

  it.each([
    ["agent_gave_up", 1011],
    ["response_timeout", 1008],
  ])(
    "is closed with the code of its agent's reason between two frames, and cut inside of one: %s",
    (code, closeCode) => {
      const { server, agent, visit } = upgraded();
      agent.body(FRAME);
      agent.reset(code);
      expect(visit.body).toEqual(new Uint8Array([...FRAME, ...closeFrame(closeCode, code)]));
      expect(visit.end).toBe("clean");
      const inside = upgraded();
      inside.agent.body(FRAME.subarray(0, 3));
      inside.agent.reset(code);
      expect(inside.visit.end).toBe("cut");
      server.expectEmpty();
      inside.server.expectEmpty();
    },
  );

  it("has a close frame behind what its visitor did not take for too long", () => {
    const { server, agent, visit } = upgraded({ takes: false });
    agent.body(FRAME);
    server.idle(serverLimits.exchangeIdleMs);
    expect(server.outcomes("limit_slow_visitor")).toBe(0);
    visit.take();
    expect(visit.body).toEqual(new Uint8Array([...FRAME, ...closeFrame(1013, "limit_slow_visitor")]));
    expect(visit.end).toBe("clean");
    expect(agent.request.resetCode).toBe("limit_slow_visitor");
    server.expectEmpty();
  });

  it("holds nothing any more when it is given up to make room", () => {
    const { server, agent, visit } = upgraded(
      { takes: false },
      { heldBytesHard: 1_000, heldBytesSoft: 0, parkedBytesMax: 0 },
    );
    agent.body(new Uint8Array(1_001));
    expect(visit.end).toBe("cut");
    expect(server.state.heldBytes).toBe(0);
    expect(agent.request.resetCode).toBe("limit_slow_visitor");
    server.expectEmpty();
  });

  it("T22 is cut when the home is lost inside a frame", () => {
    const { server, agent, visit } = upgraded();
    agent.body(FRAME.subarray(0, 3));
    agent.lose();
    server.advance(server.state.config.limits.graceMs);
    expect(visit).toMatchObject({ end: "cut" });
    expect(visit.body).toHaveLength(3);
    server.expectEmpty();
  });

  it("is told that the server leaves as soon as its home has moved, behind the frame that is under way", () => {
    const { server, agent, visit } = upgraded();
    const other = new NativeAgent(server, { clientId: "other" }).connect();
    agent.body(FRAME.subarray(0, 3));
    server.drain();
    server.advance(200);
    expect(visit.end).toBe("none");
    agent.move();
    server.advance(200);
    expect(visit.body).toEqual(FRAME.subarray(0, 3));
    agent.body(FRAME.subarray(3));
    expect(visit.body).toEqual(new Uint8Array([...FRAME, ...closeFrame(1001, "draining")]));
    expect(agent.request.resetCode).toBe("draining");
    expect(other.socket?.closed).toBeNull();
  });

  it("goes on for as long as others that last where its home has nowhere to move to", () => {
    const { server, visit } = upgraded();
    server.drain();
    server.idle(serverLimits.drainMs - 100);
    expect(visit.end).toBe("none");
    server.advance(100);
    expect(visit.body).toEqual(closeFrame(1001, "draining"));
  });

  it("T22 is told nothing behind the home's own close frame", () => {
    const { server, agent, visit } = upgraded();
    agent.body(closeFrame(1000, ""));
    agent.lose(1000);
    expect(visit.body).toEqual(closeFrame(1000, ""));
    expect(visit.end).toBe("clean");
    server.expectEmpty();
  });

  it("closes a visitor socket of MoosicBox's kind, which the native protocol does not carry", () => {
    const server = new TestServer();
    new NativeAgent(server).connect();
    const socket = server.visitorSocket();
    socket.say("{}");
    expect(socket.closed).toEqual({ code: 1011, reason: "upgrade_unsupported" });
    server.expectEmpty();
  });
});
