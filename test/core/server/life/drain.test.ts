import { describe, expect, it } from "vitest";
import { serverLimits } from "../../../../core/limits.ts";
import { TestServer } from "../../../helpers/test-server.ts";

const GOING_AWAY = { code: 1001, reason: "draining" };

describe("a server that drains", () => {
  it("is done at once when nothing runs", () => {
    const server = new TestServer();
    server.drain();
    expect(server.listens).toBe(false);
    expect(server.isDrained).toBe(true);
  });

  it("T25 tells idle sockets to go elsewhere and deletes the rows first", () => {
    const server = new TestServer();
    const tunnel = server.tunnel();
    const visitor = server.visitorSocket();
    server.registry.modes.set("delete_connection", "holds");
    server.drain();
    expect([tunnel.closed, visitor.closed]).toEqual([GOING_AWAY, GOING_AWAY]);
    expect(server.isDrained).toBe(false);
    server.registry.held[0]?.answer();
    expect(server.isDrained).toBe(true);
    expect(server.registry.rows.size).toBe(0);
    server.expectEmpty();
  });

  it("T25 lets what runs run to its end, and takes nothing new", () => {
    const server = new TestServer();
    const tunnel = server.tunnel();
    const visit = server.visit();
    const upload = server.visit({ method: "POST", body: "{}", takes: false });
    server.drain();
    expect(server.visit()).toMatchObject({ status: 503, code: "draining" });
    expect(server.tunnel("other").refusal).toMatchObject({ status: 503, code: "draining" });
    expect(server.visitorSocket().refusal?.status).toBe(503);
    expect(server.open({ target: "/health" }).status).toBe(503);
    expect(tunnel.closed).toBeNull();
    tunnel.send({ requestId: visit.requestId, packetId: 1, last: true, body: "done" });
    upload.sendBody("{}");
    upload.endBody();
    tunnel.send({ requestId: upload.requestId, packetId: 1, last: true, body: "done too" });
    expect(visit.text).toBe("done");
    expect(tunnel.closed).toBeNull();
    upload.take();
    expect(upload.text).toBe("done too");
    expect(tunnel.closed).toEqual(GOING_AWAY);
    expect(server.isDrained).toBe(true);
    server.expectEmpty();
  });

  it("cuts what still runs when its time is up, and waits no longer than the closing takes", () => {
    const server = new TestServer();
    const tunnel = server.tunnel();
    const streaming = server.visit();
    const waiting = server.visit();
    const stalled = server.visit({ takes: false });
    tunnel.send({ requestId: streaming.requestId, packetId: 1, body: "a" });
    tunnel.send({ requestId: stalled.requestId, packetId: 1, last: true, body: "never taken" });
    server.drain();
    server.idle(serverLimits.drainMs - 1);
    expect(streaming.end).toBe("none");
    server.idle(1);
    expect(streaming.end).toBe("cut");
    expect(stalled.end).toBe("cut");
    expect(waiting).toMatchObject({ status: 503, code: "draining" });
    expect(tunnel.aborts.sort()).toEqual([streaming.requestId, waiting.requestId].sort());
    expect(server.isDrained).toBe(true);
    server.expectEmpty();
  });

  it("ends although a peer does not finish its closing handshake", () => {
    const server = new TestServer();
    const tunnel = server.tunnel();
    tunnel.reacts = false;
    server.drain();
    expect(tunnel.closed).toEqual(GOING_AWAY);
    server.advance(6_000);
    expect(server.isDrained).toBe(true);
    tunnel.lose();
    server.expectEmpty();
  });

  it("ends although the registry is down", () => {
    const server = new TestServer();
    server.tunnel();
    server.registry.mode = "unavailable";
    server.drain();
    expect(server.isDrained).toBe(false);
    server.advance(6_000);
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
    server.idle(serverLimits.drainMs);
    expect(server.isDrained).toBe(true);
    server.drain();
    server.idle(60_000);
    server.expectEmpty();
  });
});
