import { describe, expect, it } from "vitest";
import { agentLimits } from "../../../../core/limits.ts";
import { sendBody, sendEnd } from "../../../../core/session/send.ts";
import { bytesOf } from "../../../helpers/pair.ts";
import { all, only, reports } from "../harness.ts";
import { connected, sentTo } from "./harness.ts";

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

  it("has no other spelling of a configured header, before its body or behind it", () => {
    const server = connected({ headers: ["X-Auth-User", "ours"] });
    const headers = ["x_auth_user", "admin", "X-AUTH_USER", "root"];
    const { stream, request } = server.begin({ method: "PUT", headers, body: null });
    expect(request.headers).toEqual(["Host", "origin.test", "X-Auth-User", "ours"]);
    sendEnd(server.session, stream, ["X_Auth-User", "admin", "X-Sum", "1"]);
    server.settle();
    expect(only(server.agent.effects, "origin_send_end").trailers).toEqual(["X-Sum", "1"]);
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

  it.each(["/x/../secret", "/x/%2e%2e/secret", "/x/..%2fsecret", "/x/%252e.\\secret", "/..;a/secret"])(
    "does not leave the part of a service that is for visitors: %s",
    (target) => {
      const parts = [
        { prefix: "/", authority: "a.test", basePath: "/app" },
        { prefix: "/x", authority: "b.test" },
      ];
      for (const part of parts) {
        const server = connected({ origins: [part] });
        const there = `${part.prefix === "/" ? "" : part.prefix}${target}`;
        expect(server.problemOf(server.ask({ target: there }))).toMatchObject({ code: "bad_request" });
        server.expectIdle();
      }
      const whole = connected({ origins: [{ prefix: "/", authority: "a.test" }] });
      expect(whole.begin({ target }).request.target).toBe(target);
    },
  );

  it("leaves what only looks like it to such a service", () => {
    const server = connected({ origins: [{ prefix: "/", authority: "a.test", basePath: "/app" }] });
    const target = "/a%2Fb/./...?q=/../x";
    expect(server.begin({ target }).request.target).toBe(target);
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

  it("T10 is asked of the origin however many were taken back after their answer began", () => {
    const server = connected({ limits: { ...agentLimits, abortsPerSecondMax: 2 } });
    for (let count = 0; count < 40; count++) {
      const { stream, exchange } = server.begin();
      server.agent.head(exchange);
      server.reset(stream, "visitor_left");
    }
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
    server.agent.advanceAlive(agentLimits.originIdleMs + agentLimits.pingMs);
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

  it("H20 that the origin left in its connection counts as taken once it has answered", () => {
    const server = connected();
    const { stream, exchange } = server.begin({ method: "PUT", body: null });
    sendBody(server.session, stream, bytesOf(2 * agentLimits.windowBytes));
    sendEnd(server.session, stream, []);
    server.settle();
    expect(sentTo(server.agent.effects, exchange)).toHaveLength(agentLimits.windowBytes);
    server.agent.head(exchange, ["content-length", "0"], 413);
    server.agent.end(exchange);
    server.settle();
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
