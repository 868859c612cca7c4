/** A whole exchange over the native protocol, seen from both ends of the server. */
import { describe, expect, it } from "vitest";
import { serverLimits } from "../../../../core/limits.ts";
import { NativeAgent, requestBody } from "../../../helpers/native-agent.ts";
import { bytesOf } from "../../../helpers/pair.ts";
import { TestServer } from "../../../helpers/test-server.ts";

function connected(limits = {}) {
  const server = new TestServer(limits);
  return { server, agent: new NativeAgent(server).connect() };
}

describe("a native tunnel", () => {
  it("is chosen where the agent offers it, and is the home's from its hello on", () => {
    const server = new TestServer();
    const agent = new NativeAgent(server);
    const socket = agent.open("culvert.2, culvert.1");
    expect(socket.protocol).toBe("culvert.1");
    expect(server.reports.map((report) => report.type)).not.toContain("tunnel_accepted");
    agent.hello();
    expect(agent.welcome).toMatchObject({ resumed: false });
    expect(server.reports).toContainEqual({
      type: "tunnel_accepted",
      socket: socket.id,
      clientId: "home",
      protocol: "native",
    });
    server.expectEmpty();
  });

  it("T06 T18 is refused with a readable reason where only other versions are offered", () => {
    const server = new TestServer();
    const socket = new NativeAgent(server).open("culvert.2");
    expect(socket.refusal).toMatchObject({ status: 400, code: "bad_request" });
    server.expectEmpty();
  });

  it("speaks MoosicBox's protocol where something else is offered", () => {
    const server = new TestServer();
    const socket = new NativeAgent(server).open("chat");
    expect(socket).toMatchObject({ protocol: null, isOpen: true });
    server.expectEmpty();
  });

  it("T15 is closed where the agent does not say hello in time", () => {
    const server = new TestServer();
    const agent = new NativeAgent(server);
    const socket = agent.open();
    server.idle(server.state.config.limits.helloMs);
    expect(socket.closed).toEqual({ code: 1002, reason: "agent_protocol" });
    server.expectEmpty();
  });

  it.each(["text", "no hello", "a second hello"])("T06 T15 is closed on %s, and no other is", (what) => {
    const { server, agent } = connected();
    const other = new NativeAgent(server, { clientId: "other" }).connect();
    const visit = server.visit({ clientId: "other" });
    const socket = what === "no hello" ? agent.open() : (agent.socket ?? expect.fail());
    if (what === "text") socket.say("{}");
    else if (what === "no hello") socket.sendBytes(new Uint8Array(12));
    else agent.hello();
    expect(socket.closed).toEqual({ code: 1002, reason: "agent_protocol" });
    other.answer(200, ["content-length", "2"], "ok");
    expect(visit).toMatchObject({ status: 200, text: "ok", end: "clean" });
    server.expectEmpty();
  });
});

describe("an exchange over a native tunnel", () => {
  it("gives each piece of a body away for good, and none of a MoosicBox agent's, which may come again", () => {
    const { server, agent } = connected();
    const visit = server.visit();
    agent.head(200, []);
    agent.body(bytesOf(20_000));
    expect(new Set(visit.lastUses)).toEqual(new Set([true]));
    const old = new TestServer();
    const tunnel = old.tunnel();
    const plain = old.visit();
    tunnel.send({ requestId: plain.requestId, packetId: 1, body: bytesOf(20_000) });
    expect(plain.lastUses).toEqual([false]);
  });

  it("carries the request's head in order and as it is, without what was ours or this hop's", () => {
    const { server, agent } = connected();
    const headers = ["X-A", "1", "Connection", "x-gone", "X-Gone", "1", "x-a", "é", "Expect", "100-continue"];
    const visit = server.visit({ method: "PURGE", target: "/a%2Fb?q=%20+&clientId=home", headers });
    const { head, isWhole } = agent.request;
    expect(head).toMatchObject({
      method: "PURGE",
      target: "/a%2Fb?q=%20+&clientId=home",
      peer: "192.0.2.1",
      upgrade: false,
    });
    expect(head.headers.slice(0, 6)).toEqual(["X-A", "1", "x-a", "é", "X-Forwarded-For", "192.0.2.1"]);
    expect(isWhole).toBe(true);
    agent.answer(200, ["Set-Cookie", "a=1", "set-cookie", "b=2", "Connection", "close"], "hello");
    expect(visit).toMatchObject({ status: 200, text: "hello", end: "clean", whole: true });
    expect(visit.headers).toEqual(["Set-Cookie", "a=1", "set-cookie", "b=2", "content-length", "5"]);
    server.expectEmpty();
  });

  it("has as Host the authority of a target in absolute form, whatever the field says", () => {
    const { server, agent } = connected();
    server.visit({
      target: "http://tunnel.example:81/a?clientId=home",
      headers: ["X", "1", "Host", "evil.example"],
    });
    expect(agent.request.head.headers.slice(0, 4)).toEqual(["X", "1", "Host", "tunnel.example:81"]);
  });

  it("streams a response with its trailers, but for those that frame or route", () => {
    const { server, agent } = connected();
    const visit = server.visit();
    agent.head(206, ["Trailer", "x-sum"]);
    agent.body("one");
    expect(visit).toMatchObject({ status: 206, text: "one", end: "none" });
    agent.body("two");
    agent.end(["X-Sum", "42", "Content-Length", "9", "Host", "evil"]);
    expect(visit).toMatchObject({ text: "onetwo", end: "clean", trailers: ["X-Sum", "42"] });
    expect(visit.header("trailer")).toBe("x-sum");
    server.expectEmpty();
  });

  it("streams a request with its trailers, and stops reading the visitor when the home does not take it", () => {
    const { server, agent } = connected();
    agent.takes = false;
    const visit = server.visit({ method: "POST", streams: true });
    const chunk = bytesOf(65_536);
    let sent = 0;
    while (!visit.isPaused) {
      visit.sendBody(chunk);
      sent++;
      expect(sent).toBeLessThan(20);
    }
    expect(agent.request.parts.length).toBeGreaterThan(0);
    expect(requestBody(agent.request)).toHaveLength(serverLimits.windowBytes);
    agent.takes = true;
    agent.take();
    expect(visit.isPaused).toBe(false);
    visit.endBody(["X-Sum", "42", "Transfer-Encoding", "chunked"]);
    expect(requestBody(agent.request)).toHaveLength(sent * chunk.length);
    expect(agent.request).toMatchObject({ isWhole: true, trailers: ["X-Sum", "42"] });
    agent.answer(201, [], "");
    expect(visit).toMatchObject({ status: 201, end: "clean" });
    server.expectEmpty();
  });

  it("T11 gives credit only for what the visitor takes, and holds back nobody else", () => {
    const { server, agent } = connected();
    const slow = server.visit({ takes: false });
    const slowRequest = agent.request;
    agent.head(200, [], slowRequest);
    for (let index = 0; index < 20; index++) agent.body(bytesOf(65_536), slowRequest);
    expect(slow.parts.reduce((sum, part) => sum + part.length, 0)).toBe(serverLimits.windowBytes);
    const quick = server.visit();
    agent.answer(200, ["content-length", "2"], "ok");
    expect(quick).toMatchObject({ text: "ok", end: "clean" });
    slow.takes = true;
    slow.take();
    agent.end([], slowRequest);
    expect(slow.body).toHaveLength(20 * 65_536);
    expect(slow.end).toBe("clean");
    expect(agent.socket?.paused).toBe(false);
    expect(server.state.heldBytes).toBe(0);
    server.expectEmpty();
  });

  it("passes 103 on, and asks for the body when the home says 100", () => {
    const { server, agent } = connected();
    const visit = server.visit({
      method: "PUT",
      body: "body",
      expectsContinue: true,
      headers: ["Expect", "100-continue"],
    });
    expect(agent.request.head.headers).toContain("Expect");
    expect(visit.isRead).toBe(false);
    agent.interim(103, ["Link", "</a.css>", "link", "</b.css>", "content-length", "1"]);
    expect(visit.interims).toEqual([{ status: 103, headers: ["Link", "</a.css>", "link", "</b.css>"] }]);
    agent.interim(100);
    expect(requestBody(agent.request)).toEqual(new Uint8Array(Buffer.from("body")));
    agent.answer(204, ["content-length", "0"], "");
    expect(visit).toMatchObject({ status: 204, headers: [], end: "clean", closesConnection: false });
    server.expectEmpty();
  });

  it("asks for the body after a while where the home says nothing, and never after its final head", () => {
    const { server, agent } = connected();
    const options = { method: "PUT", body: "body", expectsContinue: true } as const;
    const patient = server.visit(options);
    server.advance(server.state.config.limits.continueMs);
    expect(patient.isRead).toBe(true);
    const refused = server.visit(options);
    agent.answer(413, [], "no");
    server.idle(10_000);
    expect(refused).toMatchObject({ isRead: false, status: 413, text: "no", closesConnection: true });
    server.expectEmpty();
  });

  it("H20 delivers an early answer whole, and gives up the rest of the upload only then", () => {
    const { server, agent } = connected();
    const visit = server.visit({ method: "POST", streams: true });
    visit.sendBody("half");
    agent.head(413);
    agent.body("too ");
    expect(agent.request.resetCode).toBe(null);
    visit.sendBody("more");
    agent.body("large");
    agent.end();
    expect(visit).toMatchObject({ status: 413, text: "too large", end: "clean" });
    expect(agent.request.resetCode).toBe("response_complete");
    expect(agent.heldBytes).toBe(0);
    server.expectEmpty();
  });

  it.each(["HEAD", "204", "304"])("H14 discards the body of a response that has none: %s", (what) => {
    const { server, agent } = connected();
    const visit = server.visit({ method: what === "HEAD" ? "HEAD" : "GET" });
    agent.answer(what === "HEAD" ? 200 : Number(what), ["content-length", "4"], "body");
    expect(visit).toMatchObject({ text: "", end: "clean" });
    expect(visit.header("content-length")).toBe(what === "204" ? undefined : "4");
    server.expectEmpty();
  });

  it.each([
    ["a body longer than its content-length", ["content-length", "2"], "abc"],
    ["a body shorter than its content-length", ["content-length", "9"], "abc"],
    ["two lengths", ["content-length", "2", "content-length", "3"], "abc"],
    ["a header that splits", ["x-a", "1\r\nx-b: 2"], "abc"],
  ])("H11 fails on %s, and its session lives", (_, headers, body) => {
    const { server, agent } = connected();
    const visit = server.visit();
    agent.answer(200, headers, body);
    expect(visit).toMatchObject({ status: 502, code: "agent_protocol" });
    const next = server.visit();
    agent.answer(200, [], "ok");
    expect(next.text).toBe("ok");
    server.expectEmpty();
  });

  it.each([
    ["a HEAD", { method: "HEAD" }],
    ["one that is gathered", { blocking: true }],
    ["one that is whole at once", {}],
  ])("announces no trailers where there can be none: %s", (_, options) => {
    const { server, agent } = connected();
    const visit = server.visit(options);
    agent.answer(200, ["Trailer", "x-sum"], "body");
    expect(visit).toMatchObject({ status: 200, end: "clean" });
    expect(visit.header("trailer")).toBe(undefined);
    server.expectEmpty();
  });

  it("gathers a blocking response and sends it whole", () => {
    const { server, agent } = connected();
    const visit = server.visit({ blocking: true });
    agent.head(200);
    for (let index = 0; index < 10; index++) agent.body(bytesOf(65_536));
    expect(visit.status).toBe(0);
    agent.end(["x-sum", "1"]);
    expect(visit).toMatchObject({ status: 200, end: "clean" });
    expect(visit.header("content-length")).toBe("655360");
    server.expectEmpty();
  });

  it("T24 tells the home when the visitor leaves, and holds nothing more", () => {
    const { server, agent } = connected();
    const visit = server.visit({ method: "POST", streams: true });
    visit.sendBody(bytesOf(100_000));
    agent.head(200);
    agent.body("half");
    visit.leave();
    expect(agent.request.resetCode).toBe("visitor_left");
    expect(agent.heldBytes + server.state.heldBytes).toBe(0);
    server.expectEmpty();
  });

  it.each([
    ["agent_gave_up", 502, "agent_gave_up"],
    ["response_timeout", 504, "response_timeout"],
    ["unauthorized", 502, "agent_gave_up"],
    ["something_else", 502, "agent_gave_up"],
  ])("T24 ends as its agent says: %s", (code, status, expected) => {
    const { server, agent } = connected();
    const visit = server.visit();
    agent.reset(code);
    expect(visit).toMatchObject({ status, code: expected });
    const cut = server.visit();
    agent.head(200);
    agent.body("half");
    agent.reset(code);
    expect(cut).toMatchObject({ status: 200, end: "cut" });
    server.expectEmpty();
  });

  it("waits for a visitor who stops sending only so long, and for the home longer", () => {
    const { server, agent } = connected();
    const { exchangeIdleMs, agentNoticeMs } = server.state.config.limits;
    const stalled = server.visit({ method: "POST", streams: true });
    const unanswered = server.visit({ method: "POST", body: "whole" });
    server.idle(exchangeIdleMs);
    expect(stalled).toMatchObject({ status: 408, code: "request_timeout" });
    expect(unanswered.status).toBe(0);
    server.idle(agentNoticeMs);
    expect(unanswered).toMatchObject({ status: 504, code: "response_timeout" });
    expect(agent.request.resetCode).toBe("response_timeout");
    server.expectEmpty();
  });
});

describe("a native tunnel beside one of MoosicBox's protocol", () => {
  it("takes over a request that is being read, whatever its body is", () => {
    const server = new TestServer();
    const older = server.tunnel();
    const visit = server.visit({ method: "POST", streams: true });
    visit.sendBody("no ");
    const agent = new NativeAgent(server).connect();
    expect(older.closed).toEqual({ code: 4001, reason: "superseded" });
    visit.sendBody("JSON");
    visit.endBody(["X-Sum", "1", "Content-Length", "7"]);
    expect(older.requests).toHaveLength(0);
    expect(Buffer.from(requestBody(agent.request)).toString()).toBe("no JSON");
    expect(agent.request.trailers).toEqual(["X-Sum", "1"]);
    agent.answer(200, [], "ok");
    expect(visit).toMatchObject({ text: "ok", closesConnection: false });
    server.expectEmpty();
  });

  it("leaves the older one serving until it has said hello", () => {
    const server = new TestServer();
    const older = server.tunnel();
    const agent = new NativeAgent(server);
    agent.open();
    server.visit();
    expect([older.requests.length, agent.requests.length]).toEqual([1, 0]);
    agent.hello();
    expect(older.closed).toEqual({ code: 4001, reason: "superseded" });
    server.expectEmpty();
  });

  it("takes no more exchanges at once than a tunnel may have", () => {
    const { server, agent } = connected({ tunnelExchangesMax: 2 });
    server.visit();
    server.visit();
    expect(server.visit()).toMatchObject({ status: 429, code: "limit_tunnel_exchanges" });
    agent.answer(200, [], "ok");
    expect(server.visit().status).toBe(0);
    server.expectEmpty();
  });
});

describe("memory for uploads to native agents", () => {
  it("T09 is bounded for the whole server, whatever windows agents give", () => {
    const total = 1024 * 1024;
    const limits = {
      heldBytesTotal: total,
      heldBytesHard: total,
      heldBytesSoft: total,
      parkedBytesMax: total,
      responseBufferBytesMax: total,
    };
    const server = new TestServer(limits);
    const agent = new NativeAgent(server, { windowBytes: 2 ** 40 }).connect();
    const small = server.visit({ method: "POST", streams: true });
    small.sendBody("small");
    const large = server.visit({ method: "POST", streams: true });
    agent.mute = true;
    for (let sent = 0; sent < 2 * total && !large.isClosed; sent += 65_536) large.sendBody(bytesOf(65_536));
    expect(large).toMatchObject({ status: 502, code: "limit_slow_agent" });
    expect(server.state.sessionBytes).toBeLessThanOrEqual(total);
    expect(small.status).toBe(0);
    server.expectEmpty();
  });
});
