import { describe, expect, it } from "vitest";
import { agentLimits } from "../../../../core/limits.ts";
import { sendBody, sendEnd } from "../../../../core/session/send.ts";
import { bytesOf } from "../../../helpers/pair.ts";
import { all, only } from "../harness.ts";
import { connected, sentTo } from "./harness.ts";

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

  it("T23 that the origin refuses has what the visitor goes on to send taken and dropped", () => {
    const server = connected();
    const { stream, exchange } = server.begin(asked);
    server.agent.head(exchange, [], 302);
    sendBody(server.session, stream, bytesOf(4 * agentLimits.windowBytes));
    sendEnd(server.session, stream, []);
    server.settle();
    expect(sentTo(server.agent.effects, exchange)).toHaveLength(0);
    server.agent.end(exchange);
    server.settle();
    server.expectIdle();
  });

  it("has no length, and bytes of any number go at once", () => {
    const server = connected();
    const { stream, exchange } = server.begin(asked);
    server.agent.head(exchange, [...accepted, "content-length", "5"], 101);
    server.settle();
    const sent = all(server.agent.body(exchange, 20_000), "socket_send_packet");
    expect(
      sent.reduce((sum, { body }) => sum + body.reduce((bytes, part) => bytes + part.length, 0), 0),
    ).toBe(20_000);
    server.settle();
    expect(server.bodyOf(stream)).toHaveLength(20_000);
    expect(server.answerOf(stream).reset).toBeNull();
  });

  it("that the origin does not answer is given up by the deadline", () => {
    const server = connected();
    const { stream } = server.begin(asked);
    server.agent.advanceAlive(agentLimits.originIdleMs);
    server.settle();
    expect(server.problemOf(stream)).toEqual({ status: 504, code: "origin_timeout" });
  });

  it("lives on without any traffic, and is given up where the origin takes nothing of what it is sent", () => {
    const server = connected();
    const { stream, exchange } = server.begin(asked);
    server.agent.head(exchange, accepted, 101);
    server.agent.advanceAlive(10 * agentLimits.originIdleMs);
    server.settle();
    expect(server.answerOf(stream).reset).toBeNull();
    sendBody(server.session, stream, Buffer.from("ping"));
    server.settle();
    server.agent.advanceAlive(agentLimits.originIdleMs);
    server.settle();
    expect(server.answerOf(stream).reset).toBe("response_timeout");
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
