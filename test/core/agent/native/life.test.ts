import { describe, expect, it } from "vitest";
import { NOTICED_LATER_MS } from "../../../../core/agent/native/session.ts";
import { agentDeadlineMs } from "../../../../core/agent.ts";
import type { SocketId } from "../../../../core/ids.ts";
import { agentLimits } from "../../../../core/limits.ts";
import { sendBody, sendDrain, sendEnd } from "../../../../core/session/send.ts";
import { encodeWelcome } from "../../../../core/wire/native.ts";
import { bytesOf } from "../../../helpers/pair.ts";
import { all, config as base, Harness, only, reports } from "../harness.ts";
import { GRACE_MS, NativeServer, sentTo } from "./harness.ts";

function connected(config: ConstructorParameters<typeof NativeServer>[0] = {}): NativeServer {
  const server = new NativeServer(config);
  server.connect();
  return server;
}

/** An agent whose handshake is under way. */
function connecting(config: ConstructorParameters<typeof Harness>[0] = {}): Harness {
  const harness = new Harness({ protocol: "auto", ...config });
  harness.step({ type: "tick" });
  return harness;
}

describe("negotiation", () => {
  it.each([
    ["auto", ["culvert.1"]],
    ["native", ["culvert.1"]],
    ["moosicbox", []],
  ] as const)("T18 offers what the agent is set to: %s", (protocol, protocols) => {
    const harness = connecting({ protocol });
    expect(only(harness.effects, "socket_connect").protocols).toEqual(protocols);
  });

  it.each([
    ["token", []],
    ["public", ["culvert-access", "public"]],
    ["basic user:00ff", ["culvert-access", "basic user:00ff"]],
  ])("declares who may visit, where that is not the default: %s", (access, headers) => {
    expect(only(connecting({ access }).effects, "socket_connect").headers).toEqual([
      ...["authorization", "Bearer client-token"],
      ...headers,
      ...["culvert-instance", base.instance],
    ]);
  });

  it("says which process it is in each handshake, but not where it speaks the MoosicBox protocol", () => {
    const harness = connecting();
    const { socket } = harness;
    const said = [only(harness.effects, "socket_connect").headers];
    harness.step({ type: "socket_failed", socket, fault: { kind: "refused", detail: "" } });
    said.push(only(harness.advanceToDeadline(), "socket_connect").headers);
    for (const headers of said) expect(headers).toContain(base.instance);
    const other = connecting({ protocol: "moosicbox" });
    expect(only(other.effects, "socket_connect").headers).not.toContain("culvert-instance");
  });

  it("T18 speaks the MoosicBox protocol where the server chose nothing", () => {
    const harness = connecting();
    const effects = harness.step({ type: "socket_opened", socket: harness.socket, protocol: null });
    expect(reports(effects)).toEqual(["connected", "reachable"]);
    harness.request(1);
  });

  it("T18 stops with one clear line where it must be native and the server is not", () => {
    const harness = connecting({ protocol: "native" });
    const { socket } = harness;
    const effects = harness.step({ type: "socket_opened", socket, protocol: null });
    expect(only(effects, "socket_close").code).toBe(1002);
    const { failure } = only(
      harness.step({ type: "socket_closed", socket, code: 1002, reason: "" }),
      "stopped",
    );
    expect(failure).toBe("the server does not speak culvert.1: use --protocol auto");
  });

  it.each([
    ["auto", "culvert.9"],
    ["native", "culvert.9"],
    ["moosicbox", "culvert.9"],
    ["moosicbox", "culvert.1"],
  ] as const)(
    "T18 tries again where it is %s and the server chose %s, which was not offered",
    (own, chosen) => {
      const harness = connecting({ protocol: own });
      const { socket } = harness;
      const effects = harness.step({ type: "socket_opened", socket, protocol: chosen });
      expect(only(effects, "socket_close")).toMatchObject({ socket, code: 1002 });
      expect(reports(effects)).toEqual(["retrying"]);
      harness.step({ type: "socket_closed", socket, code: 1006, reason: "" });
      harness.advanceToDeadline();
      harness.step({ type: "socket_opened", socket: harness.socket, protocol: null });
      expect(harness.socket).not.toBe(socket);
    },
  );

  it("T18 stops with the server's reason where the server speaks other versions only", () => {
    const harness = connecting();
    const detail = `This server speaks culvert.2.\n\u001b[31m${"x".repeat(300)}`;
    const body = JSON.stringify({ code: "bad_request", detail });
    const { failure } = only(
      harness.step({ type: "socket_refused", socket: harness.socket, status: 400, body }),
      "stopped",
    );
    expect(failure).toContain("refused the handshake with 400: This server speaks culvert.2.");
    expect(failure).toMatch(/^[ -~]{0,250}$/);
  });

  it.each([
    [
      400,
      '{"title":"?","code":"bad_request","detail":"clientId is missing"}',
      "the handshake with 400: clientId is missing",
    ],
    [503, '{"title":"?","code":"draining"}', "the handshake with 503"],
    [400, "<html>culvert.1</html>", "it answered 400"],
    [503, '{"detail":"busy"}', "the server answered 503: busy"],
    [503, '{"detail":5}', "the server answered 503"],
    [400, '{"detail":"no route for /ws with client-token culvert.1"}', "it answered 400"],
  ])("tries again after any other refusal, and says why: %i %s", (status, body, words) => {
    const harness = new Harness({ protocol: "auto" });
    harness.step({ type: "tick" });
    const effects = harness.step({ type: "socket_refused", socket: harness.socket, status, body });
    const report = only(effects, "report").report;
    expect(report).toMatchObject({
      type: "retrying",
      cause: expect.stringMatching(new RegExp(`${words}$`)),
    });
  });
});

describe("hello and welcome", () => {
  it("begin the session: only then is the agent connected", () => {
    const server = new NativeServer();
    server.greet();
    expect(server.hello).toEqual({ windowBytes: agentLimits.windowBytes, ticket: null, host: null });
    expect(server.agent.phase).toBe("greeting");
    server.welcome(false);
    expect(server.agent.phase).toBe("connected");
    expect(reports(server.agent.effects)).toEqual(["connected", "reachable"]);
  });

  it("T15 a welcome that does not come in time ends the socket", () => {
    const server = new NativeServer();
    server.greet();
    const effects = server.agent.advance(agentLimits.helloMs);
    expect(all(effects, "socket_terminate")).toHaveLength(1);
    expect(reports(effects)).toContain("retrying");
  });

  it.each([
    ["another frame", new Uint8Array(12)],
    ["nothing", new Uint8Array()],
    ["nobody's session", encodeWelcome({ ticket: "0".repeat(32), resumed: true, graceMs: 1, idleMs: null })],
  ])("T15 %s instead of a welcome is a violation", (_, bytes) => {
    const server = new NativeServer();
    server.greet();
    const { socket } = server.agent;
    const effects = server.agent.step({ type: "socket_bytes", socket, bytes });
    expect(only(effects, "socket_close")).toMatchObject({ socket, code: 1002 });
    expect(reports(effects)).toEqual(["server_protocol_error", "retrying"]);
  });

  it("T19 a text message is a violation", () => {
    const greeting = new NativeServer();
    greeting.greet();
    for (const server of [greeting, connected()]) {
      const effects = server.agent.step({ type: "socket_text", socket: server.agent.socket, text: "{}" });
      expect(only(effects, "socket_close").code).toBe(1002);
    }
  });
});

describe("the loss of a native tunnel", () => {
  it("T01 in the middle of a response is a pause: the rest follows, once", () => {
    const server = connected();
    const { agent } = server;
    const { stream, exchange } = server.begin();
    const body = bytesOf(600_000);
    agent.head(exchange, ["content-length", String(body.length)]);
    agent.body(exchange, body.slice(0, 100_000));
    server.settle();
    // Sent, and lost on the way.
    server.deaf = true;
    agent.body(exchange, body.slice(100_000, 200_000));
    server.settle();
    expect(all(server.cut(), "origin_abort")).toEqual([]);
    server.deaf = false;
    // Read while there is no tunnel.
    agent.body(exchange, body.slice(200_000, 280_000));
    server.connect(true);
    expect(server.hello?.ticket).toBe(server.ticket(1));
    server.advance(agentLimits.packetFillMs);
    expect(server.bodyOf(stream)).toHaveLength(280_000);
    agent.body(exchange, body.slice(280_000));
    agent.end(exchange);
    server.settle();
    expect(Buffer.compare(server.bodyOf(stream), body)).toBe(0);
    expect(server.answerOf(stream).ended).toBe(true);
    expect(all(agent.effects, "origin_request")).toHaveLength(1);
    expect(agent.state.counters).toMatchObject({ sessionsResumed: 1, exchangesResumed: 1, connects: 2 });
    server.expectIdle();
  });

  it("T02 in the middle of an upload is a pause: the origin gets the rest, once", () => {
    const server = connected();
    const { agent } = server;
    const { stream, exchange } = server.begin({ method: "PUT", body: null });
    const body = bytesOf(200_000);
    sendBody(server.session, stream, body.slice(0, 90_000));
    server.settle();
    server.lossy(() => sendBody(server.session, stream, body.slice(90_000, 150_000)));
    server.cut();
    sendBody(server.session, stream, body.slice(150_000));
    sendEnd(server.session, stream, []);
    // The origin's connection takes bytes meanwhile; the credit for them is told when the tunnel is back.
    agent.take(exchange);
    server.connect(true);
    expect(Buffer.compare(sentTo(agent.effects, exchange), body)).toBe(0);
    expect(all(agent.effects, "origin_send_end")).toHaveLength(1);
    expect(all(agent.effects, "origin_request")).toHaveLength(1);
    agent.take(exchange);
    agent.head(exchange);
    agent.end(exchange);
    server.settle();
    server.expectIdle();
  });

  it("pauses the origins that fill their queue meanwhile, and lets them go on after it", () => {
    const server = connected();
    const { stream, exchange } = server.begin();
    server.agent.head(exchange);
    server.cut();
    const chunk = bytesOf(64 * 1024);
    let chunks = 0;
    for (; !server.agent.origins.get(exchange)?.paused; chunks++) server.agent.body(exchange, chunk);
    expect(chunks * chunk.length).toBeLessThanOrEqual(agentLimits.queueBytesMax + chunk.length);
    server.connect(true);
    expect(server.agent.origins.get(exchange)?.paused).toBe(false);
    expect(server.bodyOf(stream)).toHaveLength(chunks * chunk.length);
  });

  it("T03 that lasts a little longer than the grace time is for the server to judge, which may have noticed it later", () => {
    const server = connected();
    const { stream, exchange } = server.begin();
    server.cut();
    server.agent.advance(GRACE_MS + agentLimits.silenceMs);
    server.connect(true);
    expect(server.hello?.ticket).toBe(server.ticket(1));
    server.agent.head(exchange);
    server.agent.end(exchange);
    server.settle();
    expect(server.answerOf(stream).ended).toBe(true);
  });

  it("T03 that lasts far beyond the grace time ends all exchanges, and the ticket is forgotten", () => {
    const server = connected();
    const { exchange } = server.begin();
    server.cut();
    const effects = server.agent.advance(GRACE_MS + NOTICED_LATER_MS);
    expect(all(effects, "origin_abort")).toEqual([{ type: "origin_abort", exchange }]);
    expect(server.agent.state.counters.exchangesLost).toBe(1);
    server.connect();
    expect(server.hello?.ticket).toBeNull();
    server.expectIdle();
  });

  it("whose session the server has no more ends the old exchanges, and new ones begin", () => {
    const server = connected();
    const { exchange } = server.begin();
    server.agent.head(exchange);
    server.cut();
    server.connect(false);
    expect(server.hello?.ticket).toBe(server.ticket(1));
    expect(only(server.agent.effects, "origin_abort").exchange).toBe(exchange);
    const next = server.begin();
    server.agent.head(next.exchange);
    server.agent.end(next.exchange);
    server.settle();
    expect(server.answerOf(next.stream).ended).toBe(true);
    server.expectIdle();
  });

  it("whose server speaks MoosicBox's protocol when it is back ends the old exchanges", () => {
    const server = connected();
    server.begin();
    server.cut();
    server.agent.connect();
    expect(all(server.agent.effects, "origin_abort")).toHaveLength(1);
    server.agent.request(1);
  });

  it("again, before the welcome, asks with the same ticket once more", () => {
    const server = connected();
    const { stream, exchange } = server.begin();
    server.cut();
    server.greet();
    server.cut();
    server.connect(true);
    expect(server.hello?.ticket).toBe(server.ticket(1));
    server.agent.head(exchange);
    server.agent.end(exchange);
    server.settle();
    expect(server.answerOf(stream).ended).toBe(true);
    server.cut();
    server.connect(true);
    expect(server.hello?.ticket).toBe(server.ticket(2));
  });

  it("does not give up the session while a hello for it is under way", () => {
    const server = connected();
    const { exchange } = server.begin();
    server.cut();
    server.agent.advance(GRACE_MS + NOTICED_LATER_MS - 1);
    server.greet();
    server.agent.advance(2);
    server.welcome(true);
    server.agent.head(exchange);
    server.agent.end(exchange);
    server.settle();
    expect(all(server.agent.effects, "origin_abort")).toEqual([]);
  });

  it("gives up the session when that hello leads to nothing", () => {
    const server = connected();
    server.begin();
    server.cut();
    server.agent.advance(GRACE_MS + NOTICED_LATER_MS - 1);
    server.greet();
    const effects = server.agent.advance(agentLimits.helloMs);
    expect(all(effects, "origin_abort")).toHaveLength(1);
    expect(server.agent.state.links[0].session).toBeNull();
  });

  it.each([
    ["superseded", 4001],
    ["a protocol error", 1002],
  ])("T16 by %s ends the session at once", (_, code) => {
    const server = connected();
    server.begin();
    expect(all(server.cut(code), "origin_abort")).toHaveLength(1);
    expect(server.agent.state.links[0].session).toBeNull();
  });

  it("after the server's drain ends the session at once", () => {
    const server = connected();
    server.begin();
    sendDrain(server.session);
    server.settle();
    expect(all(server.cut(1001), "origin_abort")).toHaveLength(1);
  });

  it("forgets what the server has forgotten", () => {
    const server = connected();
    const { exchange } = server.begin();
    server.agent.head(exchange);
    server.advance(10);
    server.cut();
    server.forgetAll();
    server.connect(true);
    expect(only(server.agent.effects, "origin_abort").exchange).toBe(exchange);
    expect(server.agent.state.counters.exchangesLost).toBe(1);
    server.expectIdle();
  });

  it("retries at once each time where the network cuts every few seconds", () => {
    const server = connected();
    for (let cuts = 0; cuts < 20; cuts++) {
      server.agent.advance(2_500);
      server.cut();
      const atMs = server.agent.nowMs;
      for (let refusals = 0; ; refusals++) {
        expect(refusals, "the agent hurries").toBeLessThan(4);
        while (server.agent.phase === "waiting") server.agent.advanceToDeadline();
        if (server.agent.nowMs - atMs >= 500) break;
        server.agent.step({ type: "socket_closed", socket: server.agent.socket, code: 1006, reason: "" });
      }
      server.connect(true);
      expect(server.agent.nowMs - atMs).toBeLessThanOrEqual(1_500);
    }
  });

  it("backs off where a resumed tunnel is lost at once, again and again", () => {
    const server = connected();
    const waits: number[] = [];
    for (let cuts = 0; cuts < 8; cuts++) {
      server.cut();
      waits.push(agentDeadlineMs(server.agent.state) - server.agent.nowMs);
      server.connect(true);
    }
    expect(waits.at(-1)).toBeGreaterThan(1_000);
  });
});

describe("a violation", () => {
  it.each([
    ["T06 a frame that is too short", new Uint8Array(3)],
    ["T06 an unknown kind", Uint8Array.of(99, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)],
    [
      "T15 a second welcome",
      encodeWelcome({ ticket: "0".repeat(32), resumed: false, graceMs: 1, idleMs: null }),
    ],
  ])("%s closes with 1002 and ends the session", (_, bytes) => {
    const server = connected();
    const { exchange } = server.begin();
    const effects = server.send(bytes);
    expect(only(effects, "socket_close").code).toBe(1002);
    expect(only(effects, "origin_abort").exchange).toBe(exchange);
    expect(reports(effects)).toEqual(["server_protocol_error", "disconnected", "retrying"]);
    expect(server.agent.state.counters.protocolErrors).toBe(1);
    server.connect();
    server.begin();
  });
});

describe("the drain of a native tunnel", () => {
  it("tells the server at once, finishes what runs and refuses what crossed it", () => {
    const server = connected();
    const { stream, exchange } = server.begin();
    server.agent.step({ type: "drain_requested" });
    server.settle();
    expect(server.drains).toBe(1);
    expect(server.problemOf(server.ask())).toEqual({ status: 503, code: "draining" });
    server.agent.head(exchange);
    server.agent.body(exchange, Buffer.from("whole"));
    server.agent.end(exchange);
    server.settle();
    expect(server.textOf(stream)).toBe("whole");
    server.advance(2 * agentLimits.ackDelayMs);
    const { socket, code } = only(server.agent.effects, "socket_close");
    expect(code).toBe(1000);
    const effects = server.agent.step({ type: "socket_closed", socket, code, reason: "" });
    expect(only(effects, "stopped").failure).toBeNull();
  });

  it("T25 cuts by its deadline what does not finish, and the server hears of each", () => {
    const server = connected();
    const headed = server.begin();
    const waiting = server.begin();
    server.agent.head(headed.exchange);
    server.advance(10);
    server.agent.step({ type: "drain_requested" });
    server.agent.advanceAlive(agentLimits.drainMs);
    server.takeLast();
    expect(server.answerOf(headed.stream).reset).toBe("agent_gave_up");
    expect(server.problemOf(waiting.stream)).toEqual({ status: 503, code: "draining" });
    expect(all(server.agent.effects, "origin_abort")).toHaveLength(2);
    expect(server.agent.phase).toBe("closing");
  });

  it("stops at once while there is no tunnel, or when it is lost", () => {
    const away = connected();
    away.begin();
    away.cut();
    const stopped = away.agent.step({ type: "drain_requested" });
    expect(all(stopped, "origin_abort")).toHaveLength(1);
    expect(all(stopped, "stopped")).toHaveLength(1);
    const draining = connected();
    draining.begin();
    draining.agent.step({ type: "drain_requested" });
    const lost = draining.cut();
    expect(all(lost, "origin_abort")).toHaveLength(1);
    expect(all(lost, "stopped")).toHaveLength(1);
  });

  it("gives up a greeting", () => {
    const server = new NativeServer();
    server.greet();
    const effects = server.agent.step({ type: "drain_requested" });
    expect(only(effects, "socket_terminate").socket).toBe(1 as SocketId);
    expect(all(effects, "stopped")).toHaveLength(1);
  });
});
