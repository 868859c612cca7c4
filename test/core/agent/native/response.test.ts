import { describe, expect, it } from "vitest";
import { agentLimits } from "../../../../core/limits.ts";
import { bytesOf } from "../../../helpers/pair.ts";
import { all } from "../harness.ts";
import { connected } from "./harness.ts";

describe("a native response", () => {
  it("H14 keeps order, spelling and duplicates of its headers", () => {
    const server = connected();
    const { stream, exchange } = server.begin();
    const headers = [
      "Set-Cookie",
      "a=1",
      "Link",
      "<a>",
      "set-cookie",
      "b=2",
      "LINK",
      "<b>",
      "X-É",
      "no",
    ].slice(0, 8);
    server.agent.head(exchange, ["Connection", "x-a", "X-A", "1", ...headers, "Keep-Alive", "5"], 201);
    server.agent.end(exchange);
    server.settle();
    expect(server.answerOf(stream).head).toEqual({ status: 201, headers });
  });

  it("that is small leaves in one frame", () => {
    const server = connected();
    const { stream, exchange } = server.begin();
    server.agent.head(exchange, ["content-length", "5"]);
    server.settle();
    server.agent.body(exchange, Buffer.from("hello"));
    server.settle();
    expect(server.answerOf(stream).head).toBeNull();
    const sent = server.agent.end(exchange);
    expect(all(sent, "socket_send_packet")).toHaveLength(1);
    server.settle();
    expect(server.textOf(stream)).toBe("hello");
    expect(server.answerOf(stream).ended).toBe(true);
    server.expectIdle();
  });

  it("shows its head after a moment although no body comes", () => {
    const server = connected();
    const { stream, exchange } = server.begin();
    server.agent.head(exchange);
    server.settle();
    expect(server.answerOf(stream).head).toBeNull();
    server.advance(agentLimits.packetFillMs);
    expect(server.answerOf(stream).head?.status).toBe(200);
  });

  it("H25 sends each event of a stream at once", () => {
    const server = connected();
    const { stream, exchange } = server.begin();
    server.agent.head(exchange, ["content-type", "text/event-stream"]);
    server.advance(agentLimits.packetFillMs);
    for (let event = 0; event < 20; event++) {
      server.agent.advance(1);
      const sent = server.agent.body(exchange, Buffer.from(`data: ${event}\n\n`));
      expect(all(sent, "socket_send_packet")).toHaveLength(1);
      server.settle();
      expect(server.textOf(stream)).toContain(`data: ${event}\n`);
    }
  });

  it("of many chunks fills its frames", () => {
    const server = connected();
    const { stream, exchange } = server.begin();
    const body = bytesOf(1024 * 1024);
    server.agent.head(exchange, ["content-length", String(body.length)]);
    const before = server.pieces;
    for (let at = 0; at < body.length; at += 20_000) {
      server.agent.body(exchange, body.slice(at, at + 20_000));
      server.settle();
    }
    server.agent.end(exchange);
    server.settle();
    expect(Buffer.compare(server.bodyOf(stream), body)).toBe(0);
    // The first of them are cut to what a link carries in a moment that nobody knows yet.
    expect(server.pieces - before).toBeLessThanOrEqual(24);
  });

  it("pauses its origin while the visitor does not read, and only that one", () => {
    const server = connected();
    const slow = server.begin();
    const quick = server.begin();
    server.stalled.add(slow.stream.id);
    const body = bytesOf(64 * 1024);
    server.agent.head(slow.exchange);
    server.agent.head(quick.exchange);
    for (let chunks = 0; !server.agent.origins.get(slow.exchange)?.paused; chunks++) {
      expect(chunks, "the origin is never paused").toBeLessThan(20);
      server.agent.body(slow.exchange, body);
      server.settle();
    }
    expect(server.bodyOf(slow.stream)).toHaveLength(agentLimits.windowBytes);
    for (let chunks = 0; chunks < 40; chunks++) {
      server.agent.body(quick.exchange, body);
      server.settle();
    }
    expect(server.agent.origins.get(quick.exchange)?.paused).toBe(false);
    expect(server.bodyOf(quick.stream)).toHaveLength(40 * body.length);
    server.unstall(slow.stream);
    expect(server.agent.origins.get(slow.exchange)?.paused).toBe(false);
  });

  it("H12 has its interim responses passed on, a bounded number of them", () => {
    const server = connected();
    const { stream, exchange } = server.begin();
    const headers = ["Link", "</a.css>; rel=preload"];
    server.agent.step({ type: "origin_interim", exchange, status: 103, headers });
    server.settle();
    expect(server.answerOf(stream).interims).toEqual([{ status: 103, headers }]);
    for (let times = 0; times < 1_000; times++) {
      server.agent.step({ type: "origin_interim", exchange, status: 102, headers: [] });
    }
    server.agent.step({ type: "origin_interim", exchange, status: 101, headers: [] });
    server.agent.head(exchange);
    server.agent.end(exchange);
    server.settle();
    expect(server.answerOf(stream).interims).toHaveLength(agentLimits.interimsMax);
    expect(server.answerOf(stream).ended).toBe(true);
    server.expectIdle();
  });

  it.each([
    ["HEAD", 200],
    ["GET", 204],
    ["GET", 304],
  ])("H12 of %s %i has no body, and keeps its content-length", (method, status) => {
    const server = connected();
    const { stream, exchange } = server.begin({ method });
    server.agent.head(exchange, ["content-length", "5"], status);
    server.agent.body(exchange, Buffer.from("wrong"));
    server.agent.end(exchange, ["x-sum", "1"]);
    server.settle();
    expect(server.answerOf(stream)).toMatchObject({ ended: true, trailers: [] });
    expect(server.answerOf(stream).head?.headers).toEqual(["content-length", "5"]);
    expect(server.bodyOf(stream)).toHaveLength(0);
  });

  it("H13 has its trailers and what announces them, where it is chunked", () => {
    const server = connected();
    const { stream, exchange } = server.begin();
    server.agent.head(exchange, ["Trailer", "X-Sum", "Transfer-Encoding", "chunked"]);
    server.agent.end(exchange, ["X-Sum", "1", "Set-Cookie", "a=1"]);
    server.settle();
    expect(server.answerOf(stream).head?.headers).toEqual(["Trailer", "X-Sum"]);
    expect(server.answerOf(stream).trailers).toEqual(["X-Sum", "1"]);
  });

  it.each([
    [99, []],
    [101, []],
    [600, []],
    [200, ["a b", "1"]],
    [200, ["a", "1\r\nb: 2"]],
    [200, ["content-length", "x"]],
  ])("H10 that is no HTTP becomes a problem: %i %j", (status, headers) => {
    const server = connected();
    const { stream, exchange } = server.begin();
    server.agent.head(exchange, headers, status);
    server.settle();
    expect(server.problemOf(stream)).toEqual({ status: 502, code: "origin_malformed" });
    server.expectIdle();
  });

  it("with too large a head becomes a problem", () => {
    const server = connected();
    const { stream, exchange } = server.begin();
    server.agent.head(exchange, ["a", "x".repeat(agentLimits.originHeadBytesMax)]);
    server.settle();
    expect(server.problemOf(stream)).toEqual({ status: 502, code: "origin_head_too_large" });
  });

  it("H30 that fails before its head becomes a problem, and for a HEAD one without a body", () => {
    const server = connected();
    const { stream, exchange } = server.begin();
    server.agent.step({ type: "origin_failed", exchange, fault: "refused" });
    const head = server.begin({ method: "HEAD" });
    server.agent.step({ type: "origin_failed", exchange: head.exchange, fault: "connect_timeout" });
    server.settle();
    expect(server.problemOf(stream)).toEqual({ status: 502, code: "origin_refused" });
    expect(server.answerOf(head.stream)).toMatchObject({ ended: true, head: { status: 504 } });
    expect(server.bodyOf(head.stream)).toHaveLength(0);
    server.expectIdle();
  });

  it("H11 that fails after its head is reset, never ended", () => {
    for (const how of ["broken", "short", "long"]) {
      const server = connected();
      const { stream, exchange } = server.begin();
      server.agent.head(exchange, ["content-length", "5"]);
      server.advance(agentLimits.packetFillMs);
      server.agent.body(exchange, Buffer.from("hel"));
      if (how === "broken") server.agent.step({ type: "origin_failed", exchange, fault: "broken" });
      else if (how === "short") server.agent.end(exchange);
      else server.agent.body(exchange, Buffer.from("lo!"));
      server.settle();
      expect(server.answerOf(stream)).toMatchObject({ ended: false, reset: "agent_gave_up" });
      server.expectIdle();
    }
  });

  it("H11 that fails while its head waits for a body is a problem, since nothing of it has gone out", () => {
    for (const how of ["broken", "short", "long"]) {
      const server = connected();
      const { stream, exchange } = server.begin();
      server.agent.head(exchange, ["content-length", "5"]);
      server.agent.body(exchange, Buffer.from("hel"));
      if (how === "broken") server.agent.step({ type: "origin_failed", exchange, fault: "broken" });
      else if (how === "short") server.agent.end(exchange);
      else server.agent.body(exchange, Buffer.from("lo!"));
      server.settle();
      expect(server.problemOf(stream)).toEqual({ status: 502, code: "origin_broken" });
      server.expectIdle();
    }
  });

  it("is given up when the origin is silent for too long, but not while it is paused", () => {
    const server = connected();
    const paused = server.begin();
    const silent = server.begin();
    server.stalled.add(paused.stream.id);
    server.agent.head(paused.exchange);
    server.agent.head(silent.exchange);
    for (let chunks = 0; chunks < 20; chunks++) {
      server.agent.body(paused.exchange, bytesOf(64 * 1024));
      server.settle();
    }
    server.agent.advanceAlive(2 * agentLimits.originIdleMs);
    server.settle();
    expect(server.answerOf(silent.stream).reset).toBe("response_timeout");
    expect(server.answerOf(paused.stream).reset).toBeNull();
  });

  it("has its origin's time anew from when a pause ends", () => {
    const server = connected();
    const { stream, exchange } = server.begin();
    server.stalled.add(stream.id);
    server.agent.head(exchange);
    for (let chunks = 0; !server.agent.origins.get(exchange)?.paused; chunks++) {
      expect(chunks, "the origin is never paused").toBeLessThan(20);
      server.agent.body(exchange, bytesOf(64 * 1024));
      server.settle();
    }
    const { originIdleMs } = agentLimits;
    server.agent.advanceAlive(originIdleMs + originIdleMs / 2);
    server.unstall(stream);
    expect(server.agent.origins.get(exchange)?.paused).toBe(false);
    server.agent.advanceAlive(originIdleMs - 1);
    expect(all(server.agent.effects, "origin_abort")).toEqual([]);
    server.agent.advance(1);
    expect(all(server.agent.effects, "origin_abort")).toHaveLength(1);
  });
});
