import { describe, expect, it } from "vitest";
import { RETURN_MS } from "../../../core/agent/life/retry.ts";
import { agentLimits, serverLimits } from "../../../core/limits.ts";
import { smallerFirst } from "../../helpers/fake-wire.ts";
import { bytesOf, expectBody, Pair } from "../../helpers/pair.ts";
import { CLIENT_TOKEN, TestServer } from "../../helpers/test-server.ts";

const MIB = 1024 * 1024;

describe("a server and an agent", () => {
  it("find each other: register, connect", () => {
    const server = new TestServer();
    const pair = new Pair(server, { clientId: "fresh", clientToken: null });
    expect(pair.agent.isConnected).toBe(true);
    expect(server.registry.rows.has("fresh")).toBe(true);
    pair.advance(60_000);
    expect(pair.agent.isConnected).toBe(true);
    pair.expectEmpty();
  });

  it("carry a GET with its path, query, headers and profile to the origin and the answer back", () => {
    const pair = new Pair();
    const body = bytesOf(100);
    pair.agent.origin.answer = () => ({ headers: ["content-type", "audio/flac", "X-Own", "é"], body });
    const visit = pair.server.visit({
      target: "/a%20b/c?clientId=home&q=%C3%A9+x",
      headers: ["Host", "origin.test", "accept", "audio/*", "moosicbox-profile", "kitchen"],
    });
    pair.run();
    expectBody(visit, body);
    expect(visit.header("x-own")).toBe("é");
    expect(pair.agent.origin.requests).toMatchObject([
      {
        method: "GET",
        target: "/a%20b/c?clientId=home&q=%C3%A9+x",
        headers: [
          ...["Host", "origin.test", "user-agent", "MOOSICBOX_TUNNEL"],
          ...["accept", "audio/*", "moosicbox-profile", "kitchen"],
        ],
        body: null,
      },
    ]);
    pair.expectEmpty();
  });

  it("carry a POST with its JSON verbatim", () => {
    const pair = new Pair();
    const json = '{ "id": 18446744073709551615, "é": [1.0] }';
    const visit = pair.server.visit({ method: "POST", body: json });
    pair.run();
    const [request] = pair.agent.origin.requests;
    expect(Buffer.from(request?.body ?? []).toString()).toBe(json);
    expect(request?.headers).toEqual([
      ...["Host", "origin.test", "user-agent", "MOOSICBOX_TUNNEL"],
      ...["content-type", "application/json"],
    ]);
    expect(visit).toMatchObject({ status: 200, end: "clean" });
    pair.expectEmpty();
  });

  it("H18 leave ranges to the origin", () => {
    const pair = new Pair();
    pair.agent.origin.answer = () => ({
      status: 206,
      headers: ["content-range", "bytes 2-3/10", "content-length", "2"],
      body: bytesOf(2),
    });
    const visit = pair.server.visit({ headers: ["range", "bytes=2-3"] });
    pair.run();
    expect(pair.agent.origin.requests[0]?.headers.slice(-2)).toEqual(["range", "bytes=2-3"]);
    expect(visit).toMatchObject({ status: 206, end: "clean" });
    expect(visit.header("content-range")).toBe("bytes 2-3/10");
  });

  it.each([false, true])(
    "carry many bodies at once through a queue that sends smaller messages first, blocking %s",
    (blocking) => {
      const pair = new Pair();
      pair.agent.order = smallerFirst;
      pair.agent.cut();
      pair.advance(RETURN_MS);
      const bodies = [bytesOf(3 * MIB + 5), bytesOf(0), bytesOf(65_536), bytesOf(700_001)];
      pair.agent.origin.answer = (request) => ({
        body: bodies[Number(request.target.slice(1, 2))] ?? new Uint8Array(0),
        chunkBytes: 65_536,
      });
      pair.agent.wire.hold();
      const visits = bodies.map((_, index) =>
        pair.server.visit({ target: `/${index}?clientId=home`, blocking }),
      );
      pair.run();
      pair.agent.wire.release();
      pair.run();
      for (const [index, visit] of visits.entries()) expectBody(visit, bodies[index] ?? new Uint8Array(0));
      pair.expectEmpty();
    },
  );

  it("carry small pieces of a slow answer as they come", () => {
    const pair = new Pair();
    pair.agent.origin.answer = () => ({
      headers: ["content-type", "text/event-stream"],
      body: bytesOf(30),
      chunkBytes: 10,
    });
    pair.agent.origin.holds = true;
    const visit = pair.server.visit();
    pair.run();
    const [exchange] = pair.agent.origin.running.keys();
    if (exchange === undefined) return expect.fail("the origin was not asked");
    pair.agent.origin.running.delete(exchange);
    pair.agent.dispatch({ type: "origin_head", exchange, status: 200, headers: [] });
    pair.run();
    expect(visit.status).toBe(200);
    for (const sent of [10, 20, 30]) {
      pair.agent.dispatch({ type: "origin_body", exchange, bytes: new Uint8Array(10) });
      pair.run();
      expect(visit.body).toHaveLength(sent);
    }
    pair.agent.dispatch({ type: "origin_ended", exchange, trailers: [] });
    pair.run();
    expect(visit.end).toBe("clean");
  });

  it.each([
    ["HEAD", 200],
    ["GET", 204],
    ["GET", 304],
  ])("H12 carry no body for %s with %i", (method, status) => {
    const pair = new Pair();
    pair.agent.origin.answer = () => ({ status, headers: ["content-length", "10"], body: bytesOf(10) });
    const visit = pair.server.visit({ method });
    pair.run();
    expect(visit).toMatchObject({ status, text: "", end: "clean" });
    pair.expectEmpty();
  });

  it.each([
    ["refused", 502],
    ["name_not_resolved", 502],
    ["connect_timeout", 504],
    ["malformed", 502],
  ] as const)("H30 tell the visitor that the origin could not answer: %s", (fault, status) => {
    const pair = new Pair();
    pair.agent.origin.holds = true;
    const visit = pair.server.visit();
    pair.run();
    const [exchange] = pair.agent.origin.running.keys();
    if (exchange === undefined) return expect.fail("the origin was not asked");
    pair.agent.dispatch(pair.agent.origin.fail(exchange, fault));
    pair.run();
    expect(visit).toMatchObject({ status, code: `origin_${fault}` });
    pair.expectEmpty();
  });

  it.each([false, true])("never end a body cleanly that the origin broke off, blocking %s", (blocking) => {
    const pair = new Pair();
    pair.agent.origin.holds = true;
    const visit = pair.server.visit({ blocking });
    pair.run();
    const [exchange] = pair.agent.origin.running.keys();
    if (exchange === undefined) return expect.fail("the origin was not asked");
    pair.agent.dispatch({ type: "origin_head", exchange, status: 200, headers: [] });
    pair.agent.dispatch({ type: "origin_body", exchange, bytes: bytesOf(200_000) });
    pair.run();
    pair.agent.dispatch(pair.agent.origin.fail(exchange, "broken"));
    pair.run();
    if (blocking) expect(visit).toMatchObject({ status: 502, code: "agent_gave_up" });
    else expect(visit).toMatchObject({ status: 200, end: "cut" });
    pair.expectEmpty();
  });

  it("keep the tunnel while nothing happens, and notice within the bound when the other end is gone", () => {
    const pair = new Pair();
    pair.advance(120_000);
    expect(pair.server.state.counters.tunnelsAccepted).toBe(1);
    pair.agent.wire.hold();
    pair.advance(serverLimits.silenceMs + serverLimits.pingMs);
    expect(pair.server.reports).toContainEqual(expect.objectContaining({ cause: "silent" }));
    expect(pair.server.state.counters.tunnelsAccepted).toBe(2);
    expect(pair.agent.isConnected).toBe(true);
    const visit = pair.server.visit();
    pair.run();
    expect(visit.status).toBe(200);
    pair.expectEmpty();
  });

  it("T16 let the newer of two agents win, and the older keeps away", () => {
    const pair = new Pair();
    const older = pair.agent;
    const newer = pair.join();
    pair.run();
    expect([older.isConnected, newer.isConnected]).toEqual([false, true]);
    pair.advance(agentLimits.retrySupersededMs / 2 - 1);
    expect(older.isConnected).toBe(false);
    const visit = pair.server.visit();
    pair.run();
    expect(visit.status).toBe(200);
    expect(newer.origin.requests).toHaveLength(1);
    pair.expectEmpty();
  });

  it("A05 come together again with a fresh client token when the old one was revoked", () => {
    const pair = new Pair(new TestServer({}, { registerAgain: "always" }));
    pair.advance(agentLimits.retryResetMs);
    pair.server.revoke("client_access", CLIENT_TOKEN);
    pair.agent.cut();
    pair.advance(agentLimits.retryMs);
    expect(pair.agent.isConnected).toBe(true);
  });
});

describe("a slow visitor, end to end", () => {
  it("H22 slows the origin down, holds little on both sides, and gets every byte", () => {
    const pair = new Pair();
    const body = bytesOf(24 * MIB);
    pair.agent.origin.answer = () => ({ headers: ["content-length", String(body.length)], body });
    const visit = pair.server.visit({ takes: false });
    let heldMax = 0;
    while (visit.end !== "clean" || visit.unflushedBytes > 0) {
      pair.advance(100);
      heldMax = Math.max(heldMax, pair.server.state.heldBytes);
      visit.take(Math.min(visit.unflushedBytes, MIB / 4));
      expect(visit.end).not.toBe("cut");
    }
    expectBody(visit, body);
    expect(heldMax).toBeLessThan(serverLimits.heldBytesSoft + 4 * MIB);
    expect(pair.agent.wire.waitingBytesMax).toBeLessThan(agentLimits.sendBytesHigh + 256 * 1024);
    pair.expectEmpty();
  });

  it("H22 that reads 16 KiB/s, as a player does, is served for as long as it reads", () => {
    const pair = new Pair();
    const body = bytesOf(64 * MIB);
    pair.agent.origin.answer = () => ({ body });
    const visit = pair.server.visit({ takes: false });
    for (let seconds = 0; seconds < 900; seconds++) {
      pair.advance(1_000);
      visit.take(Math.min(visit.unflushedBytes, 16 * 1024));
    }
    expect(visit.end).not.toBe("cut");
    expect(pair.server.state.heldBytes).toBeLessThan(serverLimits.heldBytesSoft + MIB);
    pair.expectEmpty();
  });

  it("lets a neighbour's small requests through at once", () => {
    const pair = new Pair();
    const big = bytesOf(24 * MIB);
    pair.agent.origin.answer = (request) => ({ body: request.target.startsWith("/big") ? big : bytesOf(10) });
    const slow = pair.server.visit({ target: "/big?clientId=home", takes: false });
    pair.run();
    for (let round = 0; round < 10; round++) {
      const startMs = pair.server.nowMs;
      const visit = pair.server.visit();
      pair.run();
      expect(visit.end).toBe("clean");
      expect(pair.server.nowMs - startMs).toBeLessThan(1_000);
      slow.take();
      pair.advance(100);
    }
    slow.takes = true;
    slow.take();
    pair.advance(2_000);
    expectBody(slow, big);
    pair.expectEmpty();
  });
});
