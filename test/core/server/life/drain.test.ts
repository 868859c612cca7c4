import { describe, expect, it } from "vitest";
import { serverLimits } from "../../../../core/limits.ts";
import { serverSnapshot } from "../../../../core/server.ts";
import { NativeAgent } from "../../../helpers/native-agent.ts";
import { TestServer } from "../../../helpers/test-server.ts";

const GOING_AWAY = { code: 1001, reason: "draining" };

describe("a server that drains", () => {
  it("is done at once when nobody is there", () => {
    const server = new TestServer();
    server.drain();
    expect(server.listens).toBe(false);
    expect(server.isDrained).toBe(true);
  });

  it("says at once that it leaves, and serves whoever comes until its agents have moved", () => {
    const server = new TestServer();
    const agent = new NativeAgent(server).connect();
    const other = new NativeAgent(server, { clientId: "other" }).connect();
    server.drain();
    expect(serverSnapshot(server.state).draining).toBe(true);
    expect(server.responsesClose).toBe(true);
    expect([agent.isDrained, other.isDrained]).toEqual([true, true]);
    server.advance(1_000);
    const visit = server.visit();
    agent.answer(200, [], "still here");
    expect(visit.text).toBe("still here");
    agent.move();
    server.advance(500);
    // One that has moved is asked as before: the kernel may lead visitors to either process.
    server.visit();
    agent.answer(200, [], "and here");
    expect(server.listens).toBe(true);
    other.move();
    server.advance(100);
    expect(server.listens).toBe(false);
    expect([agent.socket?.closed, other.socket?.closed]).toEqual([GOING_AWAY, GOING_AWAY]);
    expect(server.isDrained).toBe(true);
    server.expectEmpty();
  });

  it("waits for agents that do not move no longer than it may", () => {
    const server = new TestServer();
    const agent = new NativeAgent(server).connect();
    server.drain();
    server.idle(serverLimits.leaveMs - 1);
    expect(server.listens).toBe(true);
    server.idle(100);
    expect(server.listens).toBe(false);
    expect(agent.socket?.closed).toEqual(GOING_AWAY);
    expect(server.isDrained).toBe(true);
  });

  it("takes in whoever comes until a balancer may have noticed, though its agents have moved", () => {
    const unreadyMs = 1_500;
    const server = new TestServer({ unreadyMs });
    server.drain();
    server.idle(unreadyMs - 1);
    expect(server.listens).toBe(true);
    server.idle(1);
    expect(server.listens).toBe(false);
    expect(server.isDrained).toBe(true);
  });

  it("serves on while something lasts for which there is nobody else", () => {
    const server = new TestServer();
    const agent = new NativeAgent(server).connect();
    const stream = server.visit();
    const asked = agent.request;
    agent.head(200, [], asked);
    server.drain();
    server.idle(serverLimits.leaveMs + 1_000);
    const visit = server.visit();
    agent.answer(200, [], "served");
    expect(visit.text).toBe("served");
    agent.end([], asked);
    stream.take();
    server.advance(100);
    expect(server.listens).toBe(false);
    expect(server.isDrained).toBe(true);
  });

  it("takes in what the kernel had accepted when its listener is closed", () => {
    const server = new TestServer();
    const agent = new NativeAgent(server).connect();
    server.holdsVisitors = true;
    server.drain();
    agent.move();
    server.advance(100);
    expect(server.listens).toBe(false);
    const visit = server.visit();
    agent.answer(200, [], "in time");
    expect(visit.text).toBe("in time");
    expect(server.isDrained).toBe(false);
    server.dispatch({ type: "visitors_gone" });
    expect(server.isDrained).toBe(true);
    server.expectEmpty();
  });

  it("takes no further agent", () => {
    const server = new TestServer();
    server.tunnel();
    server.drain();
    expect(server.tunnel("other").refusal).toMatchObject({ status: 503, code: "draining" });
  });

  it("sends agents away that are between handshake and hello", () => {
    const server = new TestServer();
    new NativeAgent(server).connect();
    const late = new NativeAgent(server, { clientId: "late" });
    late.open();
    server.drain();
    expect(late.socket?.closed).toEqual(GOING_AWAY);
  });

  it("T25 lets a MoosicBox tunnel go when nothing runs on it, and deletes the rows first", () => {
    const server = new TestServer();
    const agent = new NativeAgent(server, { clientId: "mover" }).connect();
    const tunnel = server.tunnel();
    const idle = server.tunnel("idle");
    const visitor = server.visitorSocket();
    const visit = server.visit();
    server.drain();
    agent.move();
    server.advance(100);
    expect(server.listens).toBe(false);
    expect(visitor.closed).toEqual(GOING_AWAY);
    expect([idle.closed, tunnel.closed]).toEqual([null, null]);
    server.advance(serverLimits.partingMs);
    expect([idle.closed, tunnel.closed]).toEqual([GOING_AWAY, null]);
    server.registry.modes.set("delete_connection", "holds");
    tunnel.send({ requestId: visit.requestId, packetId: 1, last: true, body: "done" });
    expect(visit.text).toBe("done");
    expect(tunnel.closed).toEqual(GOING_AWAY);
    expect(server.isDrained).toBe(false);
    for (const { answer } of [...server.registry.held]) answer();
    expect(server.isDrained).toBe(true);
    expect(server.registry.rows.size).toBe(0);
    server.expectEmpty();
  });

  it("cuts what lasts when its time is up, and what is short a moment later", () => {
    const server = new TestServer();
    const tunnel = server.tunnel();
    const streaming = server.visit();
    const waiting = server.visit();
    const stalled = server.visit({ takes: false });
    tunnel.send({ requestId: streaming.requestId, packetId: 1, body: "a" });
    tunnel.send({ requestId: stalled.requestId, packetId: 1, last: true, body: "never taken" });
    server.drain();
    server.idle(serverLimits.drainMs - 100);
    expect(streaming.end).toBe("none");
    const late = server.visit();
    const later = server.visit();
    server.advance(100);
    expect(streaming.end).toBe("cut");
    expect(stalled.end).toBe("cut");
    expect(waiting).toMatchObject({ status: 503, code: "draining" });
    expect(tunnel.aborts.sort()).toEqual([streaming.requestId, waiting.requestId].sort());
    tunnel.send({ requestId: late.requestId, packetId: 1, last: true, body: "whole" });
    expect(late.text).toBe("whole");
    expect(server.isDrained).toBe(false);
    server.advance(500);
    expect(later).toMatchObject({ status: 503, code: "draining" });
    expect(server.isDrained).toBe(true);
    server.expectEmpty();
  });

  it("ends although a peer does not finish its closing handshake", () => {
    const server = new TestServer();
    const tunnel = server.tunnel();
    tunnel.reacts = false;
    server.drain();
    server.idle(serverLimits.leaveMs + 100);
    expect(tunnel.closed).toEqual(GOING_AWAY);
    expect(server.isDrained).toBe(false);
    server.advance(1_000);
    expect(server.isDrained).toBe(true);
    tunnel.lose();
    server.expectEmpty();
  });

  it("ends although the registry is down", () => {
    const server = new TestServer();
    server.tunnel();
    server.registry.mode = "unavailable";
    server.drain();
    server.idle(serverLimits.leaveMs);
    expect(server.isDrained).toBe(false);
    server.advance(1_100);
    expect(server.isDrained).toBe(true);
  });

  it.each(["check_agent", "upsert_connection"] as const)(
    "refuses a tunnel whose %s is under way",
    (operation) => {
      const server = new TestServer();
      server.registry.modes.set(operation, "holds");
      const tunnel = server.tunnel();
      server.drain();
      expect(tunnel.refusal).toMatchObject({ status: 503, code: "draining" });
      server.registry.modes.clear();
      server.registry.held[0]?.answer();
      server.advance(6_000);
      expect(server.isDrained).toBe(true);
      expect(server.state.homes.size).toBe(0);
      server.expectEmpty();
    },
  );

  it.each(["tunnel", "visitorSocket"] as const)("closes a %s that opens while everything closes", (kind) => {
    const server = new TestServer();
    const other = server.tunnel("other");
    other.reacts = false;
    const socket = server[kind]("home", false);
    expect(socket.stage).toBe("accepted");
    server.drain();
    server.idle(serverLimits.leaveMs);
    server.advance(100);
    socket.open();
    expect(socket.closed).toEqual(GOING_AWAY);
    expect(server.state.homes.size).toBe(0);
    socket.lose();
    other.lose();
    expect(server.isDrained).toBe(true);
    expect(server.registry.rows.size).toBe(0);
    server.expectEmpty();
  });

  it("takes a second request to stop for the first", () => {
    const server = new TestServer();
    server.tunnel();
    server.visit();
    server.drain();
    server.drain();
    server.idle(serverLimits.drainMs + 500);
    expect(server.isDrained).toBe(true);
    server.drain();
    server.idle(60_000);
    server.expectEmpty();
  });
});
