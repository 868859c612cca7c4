import { describe, expect, it } from "vitest";
import { agentLimits } from "../../../core/limits.ts";
import { sendBody, sendEnd } from "../../../core/session/send.ts";
import { bytesOf } from "../../helpers/pair.ts";
import { all, only, reports } from "./harness.ts";
import { NativeServer, sentTo } from "./native-harness.ts";

function connected(config: ConstructorParameters<typeof NativeServer>[0] = {}): NativeServer {
  const server = new NativeServer(config);
  server.connect();
  return server;
}

describe("a native request", () => {
  it("goes to the origin with its raw target, its headers in order and spelling, and the origin's Host", () => {
    const server = connected();
    const target = "/a//b/%2e%2e/%00;x?q=1&q=&q=%zz+";
    const headers = ["X-B", "1", "HOST", "home.example", "x-b", "2", "Cookie", "a=1", "cookie", "b=2"];
    const { request } = server.begin({ method: "PROPFIND", target, headers });
    expect(request).toMatchObject({
      origin: 0,
      method: "PROPFIND",
      target,
      headers: ["X-B", "1", "HOST", "origin.test", "x-b", "2", "Cookie", "a=1", "cookie", "b=2"],
      body: null,
      bodyBytes: null,
      upgrade: false,
    });
  });

  it("puts Host first where the visitor sent none", () => {
    expect(connected().begin({ headers: ["a", "1"] }).request.headers).toEqual([
      "Host",
      "origin.test",
      "a",
      "1",
    ]);
  });

  it("H08 loses the fields of the connection once more", () => {
    const { request } = connected().begin({
      headers: ["Connection", "x-a, authorization", "X-A", "1", "Authorization", "kept", "TE", "trailers"],
    });
    expect(request.headers).toEqual(["Host", "origin.test", "Authorization", "kept"]);
  });

  it.each([
    ["origin", { type: "origin" } as const, "origin.test"],
    ["visitor", { type: "visitor" } as const, "home.example:8443"],
    ["a text", { type: "fixed", value: "app.local" } as const, "app.local"],
  ])("is told as Host what the agent is set to: %s", (_, hostHeader, host) => {
    const server = connected({ hostHeader });
    expect(server.begin({ headers: ["host", "home.example:8443"] }).request.headers).toEqual(["host", host]);
  });

  it("has the configured headers in place of those of the same name", () => {
    const server = connected({ headers: ["X-Key", "ours", "x-key", "too"] });
    const { request } = server.begin({ headers: ["x-KEY", "visitor's", "b", "1"] });
    expect(request.headers).toEqual(["Host", "origin.test", "b", "1", "X-Key", "ours", "x-key", "too"]);
  });

  it.each([
    ["/", 0],
    ["/apix", 0],
    ["/%61pi/x", 0],
    ["/api", 1],
    ["/api?x=/api/v2/", 1],
    ["/api/v1", 1],
    ["/api/v2", 1],
    ["/api/v2/", 2],
    ["/api/v2/x?y", 2],
    ["/API", 0],
  ])("goes to the origin with the longest prefix, on the border of a segment: %s", (target, origin) => {
    const origins = ["/", "/api", "/api/v2/"].map((prefix, index) => ({
      prefix,
      authority: `o${index}.test`,
    }));
    const { request } = connected({ origins }).begin({ target });
    expect(request.origin).toBe(origin);
    expect(request.headers).toEqual(["Host", `o${origin}.test`]);
  });

  it("gets 404 where no origin has its path", () => {
    const server = connected({ origins: [{ prefix: "/api", authority: "api.test" }] });
    expect(server.problemOf(server.ask({ target: "/other" }))).toEqual({ status: 404, code: "no_origin" });
    server.expectIdle();
  });

  it("H17 passes OPTIONS * on", () => {
    expect(connected().begin({ method: "OPTIONS", target: "*" }).request.target).toBe("*");
  });

  it.each([
    ["GET", "http://evil.example/x", []],
    ["GET", "//evil\r\nHost: x", []],
    ["GET", "unix:/run/docker.sock", []],
    ["GET", "*", []],
    ["GET", "", []],
    ["GET", "x", []],
    ["GET", "/a#b", []],
    ["GET", "/a b", []],
    ["CONNECT", "evil.example:443", []],
    ["CONNECT", "/x", []],
    ["G T", "/x", []],
    ["", "/x", []],
    ["GET", "/x", ["a b", "1"]],
    ["GET", "/x", ["a", "1\r\nb: 2"]],
    ["POST", "/x", ["content-length", "5, 6"]],
    ["POST", "/x", ["content-length", "1"]],
  ])("T28 is refused where HTTP or the allow-list cannot carry it: %s %s %j", (method, target, headers) => {
    const server = connected();
    const stream = server.ask({ method, target, headers });
    expect(server.problemOf(stream)).toEqual({ status: 400, code: "bad_request" });
    expect(all(server.agent.effects, "origin_request")).toEqual([]);
    expect(reports(server.agent.effects)).toContain("server_protocol_error");
    server.expectIdle();
  });

  it("beyond the limit gets 503, and the others go on", () => {
    const server = connected({ limits: { ...agentLimits, exchangesMax: 1 } });
    const { stream, exchange } = server.begin();
    expect(server.problemOf(server.ask())).toEqual({ status: 503, code: "limit_exchanges" });
    server.agent.head(exchange);
    server.agent.end(exchange);
    server.settle();
    expect(server.answerOf(stream).ended).toBe(true);
    server.begin();
  });

  it("T10 gets 503 for a moment after too many were taken back unanswered, and the answered ones do not count", () => {
    const server = connected({ limits: { ...agentLimits, abortsPerSecondMax: 2 } });
    const answered = server.begin();
    server.agent.head(answered.exchange);
    server.reset(answered.stream, "visitor_left");
    const running = Array.from({ length: 40 }, () => server.begin());
    for (const { stream } of running) server.reset(stream, "visitor_left");
    const asked = all(server.agent.effects, "origin_request").length;
    expect(server.problemOf(server.ask())).toEqual({ status: 503, code: "limit_aborts" });
    expect(all(server.agent.effects, "origin_request")).toHaveLength(asked);
    server.agent.advance(500);
    server.begin();
  });

  it("is cancelled at the origin when the server resets it, and only once", () => {
    const server = connected();
    const { stream, exchange } = server.begin();
    server.reset(stream, "visitor_left");
    expect(all(server.agent.effects, "origin_abort")).toEqual([{ type: "origin_abort", exchange }]);
    expect(server.agent.state.counters.exchangesAborted).toBe(1);
    server.expectIdle();
  });
});

describe("a native request body", () => {
  it("that came whole is given whole, with its length", () => {
    const { request } = connected().begin({ method: "POST", body: Buffer.from("hello") });
    expect(Buffer.from(request.body as Uint8Array).toString()).toBe("hello");
    expect(request.bodyBytes).toBe(5);
  });

  it("of declared length 0 is an empty body, not none", () => {
    const { request } = connected().begin({ method: "POST", headers: ["Content-Length", "0"] });
    expect(request).toMatchObject({ body: new Uint8Array(), bodyBytes: 0, headers: ["Host", "origin.test"] });
  });

  it.each([
    ["with its declared length", ["content-length", "6"], 6],
    ["chunked where none is declared", [], null],
  ])("that follows is streamed %s", (_, headers, bodyBytes) => {
    const server = connected();
    const { stream, exchange, request } = server.begin({ method: "PUT", headers, body: null });
    expect(request).toMatchObject({ body: "streamed", bodyBytes, headers: ["Host", "origin.test"] });
    for (const text of ["one", "two"]) {
      sendBody(server.session, stream, Buffer.from(text));
      server.settle();
    }
    sendEnd(server.session, stream, []);
    server.settle();
    expect(Buffer.from(sentTo(server.agent.effects, exchange)).toString()).toBe("onetwo");
    expect(all(server.agent.effects, "origin_send_end")).toHaveLength(1);
  });

  it("H13 has its trailers, without those that would change the message", () => {
    const server = connected();
    const { stream } = server.begin({ method: "PUT", body: null });
    sendEnd(server.session, stream, ["X-Sum", "1", "Host", "evil", "content-length", "9", "x-sum", "2"]);
    server.settle();
    expect(only(server.agent.effects, "origin_send_end").trailers).toEqual(["X-Sum", "1", "x-sum", "2"]);
  });

  it("waits for credit until the origin's connection takes it", () => {
    const server = connected();
    const { stream, exchange } = server.begin({ method: "PUT", body: null });
    const body = bytesOf(4 * agentLimits.windowBytes);
    sendBody(server.session, stream, body);
    sendEnd(server.session, stream, []);
    server.settle();
    expect(sentTo(server.agent.effects, exchange)).toHaveLength(agentLimits.windowBytes);
    for (let rounds = 0; all(server.agent.effects, "origin_send_end").length === 0; rounds++) {
      expect(rounds, "the upload stands still").toBeLessThan(100);
      server.agent.take(exchange);
      server.settle();
    }
    expect(Buffer.compare(sentTo(server.agent.effects, exchange), body)).toBe(0);
    server.agent.head(exchange);
    server.agent.end(exchange);
    server.settle();
    server.expectIdle();
  });

  it("H24 may take longer than the deadline of the head as long as it moves", () => {
    const server = connected();
    const { stream, exchange } = server.begin({ method: "PUT", body: null });
    for (let minutes = 0; minutes < 10; minutes++) {
      server.agent.advanceAlive(60_000);
      sendBody(server.session, stream, bytesOf(1_000));
      server.settle();
      server.agent.take(exchange);
    }
    expect(all(server.agent.effects, "origin_abort")).toEqual([]);
  });

  it("that the origin does not take is given up by the deadline", () => {
    const server = connected();
    const { stream } = server.begin({ method: "PUT", body: null });
    sendBody(server.session, stream, bytesOf(1_000));
    server.settle();
    server.agent.advanceAlive(agentLimits.originHeadMs + agentLimits.pingMs);
    server.settle();
    expect(server.problemOf(stream)).toEqual({ status: 504, code: "origin_timeout" });
  });

  it.each([
    ["longer", "1234567"],
    ["shorter", "123"],
  ])("that is %s than its declared length fails the request", (_, text) => {
    const server = connected();
    const { stream } = server.begin({ method: "PUT", headers: ["content-length", "5"], body: null });
    sendBody(server.session, stream, Buffer.from(text));
    sendEnd(server.session, stream, []);
    server.settle();
    expect(server.problemOf(stream)).toEqual({ status: 400, code: "bad_request" });
    expect(all(server.agent.effects, "origin_abort")).toHaveLength(1);
    server.expectIdle();
  });

  it("H20 is taken and dropped once the origin has answered without it", () => {
    const server = connected();
    const { stream, exchange } = server.begin({ method: "PUT", body: null });
    server.agent.head(exchange, ["content-length", "0"], 413);
    server.agent.end(exchange);
    const body = bytesOf(4 * agentLimits.windowBytes);
    sendBody(server.session, stream, body);
    sendEnd(server.session, stream, []);
    server.settle();
    expect(server.answerOf(stream)).toMatchObject({ ended: true, head: { status: 413 } });
    expect(sentTo(server.agent.effects, exchange)).toHaveLength(0);
    server.expectIdle();
  });
});

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
    expect(server.pieces - before).toBeLessThanOrEqual(18);
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
    server.agent.head(exchange, ["a", "x".repeat(agentLimits.packetBytesMax)]);
    server.settle();
    expect(server.problemOf(stream)).toEqual({ status: 502, code: "limit_response_headers" });
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
    expect(server.answerOf(silent.stream).reset).toBe("agent_gave_up");
    expect(server.answerOf(paused.stream).reset).toBeNull();
  });
});

describe("an upgrade", () => {
  const asked = {
    target: "/ws",
    headers: [
      ...["Host", "home.example", "Connection", "keep-alive, Upgrade", "Upgrade", "websocket"],
      ...[
        "Sec-WebSocket-Key",
        "dGhlIHNhbXBsZSBub25jZQ==",
        "Keep-Alive",
        "5",
        "sec-websocket-protocol",
        "a, b",
      ],
    ],
    upgrade: true,
    body: null,
  };
  const accepted = [
    "Upgrade",
    "websocket",
    "connection",
    "Upgrade",
    "Sec-WebSocket-Accept",
    "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
  ];

  it("T21 is asked of the origin as it came, and then carries raw bytes both ways", () => {
    const server = connected();
    const { stream, exchange, request } = server.begin(asked);
    expect(request).toMatchObject({ upgrade: true, body: null, bodyBytes: null });
    expect(request.headers).toEqual([
      ...["Host", "origin.test", "Connection", "keep-alive, Upgrade", "Upgrade", "websocket"],
      ...["Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==", "sec-websocket-protocol", "a, b"],
    ]);
    server.agent.head(exchange, accepted, 101);
    server.settle();
    expect(server.answerOf(stream).head).toEqual({ status: 101, headers: accepted });
    for (const text of ["ping", "\u0081\u0085", "bye"]) {
      sendBody(server.session, stream, Buffer.from(text, "latin1"));
      server.settle();
      expect(
        all(server.agent.body(exchange, Buffer.from(text, "latin1")), "socket_send_packet"),
      ).toHaveLength(1);
      server.settle();
    }
    expect(Buffer.from(sentTo(server.agent.effects, exchange)).toString("latin1")).toBe(
      "ping\u0081\u0085bye",
    );
    expect(Buffer.from(server.bodyOf(stream)).toString("latin1")).toBe("ping\u0081\u0085bye");
    sendEnd(server.session, stream, []);
    server.settle();
    expect(only(server.agent.effects, "origin_send_end").exchange).toBe(exchange);
    server.agent.end(exchange);
    server.settle();
    expect(server.answerOf(stream).ended).toBe(true);
    server.expectIdle();
  });

  it("T23 that the origin refuses is the plain response that it is", () => {
    const server = connected();
    const { stream, exchange } = server.begin(asked);
    server.agent.head(exchange, ["location", "/login", "content-length", "2"], 302);
    server.agent.body(exchange, Buffer.from("no"));
    sendBody(server.session, stream, Buffer.from("early frames"));
    server.settle();
    server.agent.end(exchange);
    sendEnd(server.session, stream, []);
    server.settle();
    expect(server.answerOf(stream)).toMatchObject({ ended: true, head: { status: 302 } });
    expect(server.textOf(stream)).toBe("no");
    server.expectIdle();
  });

  it("lives on without traffic from the origin as long as the visitor speaks", () => {
    const server = connected();
    const { stream, exchange } = server.begin(asked);
    server.agent.head(exchange, accepted, 101);
    for (let minutes = 0; minutes < 10; minutes++) {
      server.agent.advanceAlive(60_000);
      sendBody(server.session, stream, Buffer.from("ping"));
      server.settle();
      server.agent.take(exchange);
    }
    expect(server.answerOf(stream).reset).toBeNull();
  });

  it("that is broken by the origin is reset", () => {
    const server = connected();
    const { stream, exchange } = server.begin(asked);
    server.agent.head(exchange, accepted, 101);
    server.agent.step({ type: "origin_failed", exchange, fault: "broken" });
    server.settle();
    expect(server.answerOf(stream).reset).toBe("agent_gave_up");
    server.expectIdle();
  });

  it("H27 with a body is refused", () => {
    const server = connected();
    const stream = server.ask({ ...asked, headers: [...asked.headers, "Content-Length", "5"] });
    expect(server.answerOf(stream).head?.status).toBe(400);
    server.begin({ ...asked, headers: [...asked.headers, "Content-Length", "0"] });
  });

  it("with bytes before its answer is refused", () => {
    const server = connected();
    const { stream } = server.begin(asked);
    sendBody(server.session, stream, Buffer.from("early"));
    server.settle();
    expect(server.answerOf(stream).head?.status).toBe(400);
  });
});
