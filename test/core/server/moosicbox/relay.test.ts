import { describe, expect, it } from "vitest";
import { serverLimits } from "../../../../core/limits.ts";
import { SIGNATURE, TestServer } from "../../../helpers/test-server.ts";

function scene() {
  const server = new TestServer();
  const tunnel = server.tunnel();
  const visitors = [server.visitorSocket(), server.visitorSocket(), server.visitorSocket()] as const;
  return { server, tunnel, visitors, ids: visitors.map((visitor) => visitor.wireId) };
}

describe("a visitor socket's message", () => {
  it("reaches the agent with the socket's id, a request id of its own and the profile", () => {
    const server = new TestServer();
    const tunnel = server.tunnel();
    server.grant("signature", SIGNATURE, "home");
    const visitor = server.upgrade(`/ws?clientId=home&signature=${SIGNATURE}&moosicboxProfile=kitchen`);
    visitor.say('{"type":"PING"}');
    expect(tunnel.lastFrame).toEqual({
      type: "WS",
      conn_id: visitor.wireId,
      request_id: expect.any(Number),
      body: { type: "PING" },
      profile: "kitchen",
    });
    visitor.say("1");
    const ids = tunnel.texts.map((text) => JSON.parse(text).request_id);
    expect(new Set(ids).size).toBe(2);
    expect(ids.every(Number.isSafeInteger)).toBe(true);
  });

  it("T21 is carried verbatim both ways, numbers beyond 2^53 included", () => {
    const { tunnel, visitors } = scene();
    const text = '{ "id":18446744073709551615, "x":[1.0,1e400,"\\u00e9"] }';
    visitors[0].say(text);
    expect(tunnel.texts.at(-1)).toContain(`"body":${text},`);
    tunnel.say(`{"body":${text},"request_id":${tunnel.lastFrame.request_id}}`);
    expect(visitors[0].texts).toEqual([text]);
  });

  it.each(["hello", "", "{", "undefined"])(
    "that is not JSON closes its socket and nothing else: %j",
    (text) => {
      const { server, tunnel, visitors } = scene();
      visitors[0].say(text);
      expect(visitors[0].closed).toEqual({ code: 1007, reason: "not_json" });
      expect(visitors[1].isOpen && tunnel.isOpen).toBe(true);
      expect(tunnel.texts).toEqual([]);
      server.expectEmpty();
    },
  );

  it("that is binary closes its socket", () => {
    const { visitors } = scene();
    visitors[0].sendBytes(new Uint8Array(3));
    expect(visitors[0].closed).toEqual({ code: 1003, reason: "not_text" });
  });

  it("that is too large in bytes closes its socket", () => {
    const { server, tunnel, visitors } = scene();
    const fits = `"${"é".repeat(serverLimits.visitorMessageBytesMax / 2 - 1)}"`;
    visitors[0].say(fits);
    expect(tunnel.texts).toHaveLength(1);
    visitors[0].say(`${fits} `);
    expect(visitors[0].closed).toEqual({ code: 1009, reason: "limit_message" });
    server.expectEmpty();
  });

  it("that nobody can take closes its socket, for it must not look delivered", () => {
    const { server, tunnel, visitors } = scene();
    tunnel.lose();
    expect(visitors[0].isOpen).toBe(true);
    visitors[0].say("1");
    expect(visitors[0].closed).toEqual({ code: 1013, reason: "agent_not_connected" });
    server.tunnel();
    visitors[1].say("1");
    expect(visitors[1].isOpen).toBe(true);
  });
});

describe("an agent's message", () => {
  it("that answers a question reaches who asked and nobody else", () => {
    const { server, tunnel, visitors } = scene();
    for (const visitor of visitors) visitor.say("1");
    const questions = tunnel.texts.map((text) => JSON.parse(text).request_id);
    tunnel.say(`{"request_id":${questions[1]},"body":"two"}`);
    tunnel.say(`{"request_id":${questions[0]},"body":"one"}`);
    expect(visitors.map((visitor) => visitor.texts)).toEqual([['"one"'], ['"two"'], []]);
    server.expectEmpty();
  });

  it("that nobody asked for reaches all, those it names, or all but those it excludes", () => {
    const { tunnel, visitors, ids } = scene();
    const [a, b, c] = ids;
    tunnel.say('{"request_id":0,"body":1}');
    tunnel.say(`{"request_id":0,"body":2,"to_connection_ids":[${b},${c}]}`);
    tunnel.say(`{"request_id":0,"body":3,"exclude_connection_ids":[${b}]}`);
    tunnel.say(`{"request_id":0,"body":4,"to_connection_ids":[${a}],"exclude_connection_ids":[${a}]}`);
    tunnel.say('{"request_id":0,"body":5,"to_connection_ids":[]}');
    tunnel.say('{"request_id":0,"body":6,"exclude_connection_ids":[]}');
    tunnel.say('{"request_id":0,"body":7,"to_connection_ids":[18446744073709551615,1]}');
    tunnel.say('{"request_id":0,"body":8,"to_connection_ids":null,"exclude_connection_ids":null}');
    expect(visitors.map((visitor) => visitor.texts.join(""))).toEqual(["13468", "1268", "12368"]);
  });

  it("never reaches a visitor socket of another client id, whatever it names", () => {
    const { server, tunnel, visitors } = scene();
    const other = server.tunnel("other");
    visitors[0].say("1");
    const question = tunnel.lastFrame.request_id;
    other.say(`{"request_id":${question},"body":"stolen"}`);
    other.say('{"request_id":0,"body":"to all"}');
    other.say(`{"request_id":0,"body":"named","to_connection_ids":[${visitors[0].wireId}]}`);
    expect(visitors.every((visitor) => visitor.texts.length === 0)).toBe(true);
    expect(server.state.counters.strayPackets).toBe(1);
    tunnel.say(`{"request_id":${question},"body":"own"}`);
    expect(visitors[0].texts).toEqual(['"own"']);
  });

  it("still finds who asked when it comes on the agent's next tunnel", () => {
    const { server, tunnel, visitors } = scene();
    visitors[0].say("1");
    const question = tunnel.lastFrame.request_id;
    const next = server.tunnel();
    next.say(`{"request_id":${question},"body":"late"}`);
    expect(visitors[0].texts).toEqual(['"late"']);
  });

  it("T24 is dropped and counted when who asked has gone, and no abort is sent", () => {
    const { server, tunnel, visitors } = scene();
    visitors[0].say("1");
    const question = tunnel.lastFrame.request_id;
    visitors[0].lose();
    expect(server.state.questions.size).toBe(0);
    tunnel.say(`{"request_id":${question},"body":1}`);
    tunnel.say('{"request_id":18446744073709551615,"body":1}');
    expect(server.state.counters.strayPackets).toBe(2);
    expect(tunnel.aborts).toEqual([]);
    server.expectEmpty();
  });

  it("is a protocol error without a body or with a malformed list, and the tunnel lives", () => {
    const { server, tunnel, visitors } = scene();
    tunnel.say('{"request_id":0}');
    tunnel.say('{"request_id":0,"body":1,"to_connection_ids":"all"}');
    tunnel.say('{"request_id":0,"body":1,"to_connection_ids":[-1]}');
    expect(server.state.counters.agentProtocolErrors).toBe(3);
    expect(visitors.every((visitor) => visitor.texts.length === 0)).toBe(true);
    expect(tunnel.isOpen).toBe(true);
  });
});

describe("the bounds of the relay", () => {
  it("forget the oldest question of one socket, and nobody else's", () => {
    const { server, tunnel, visitors } = scene();
    visitors[1].say("0");
    for (let asked = 0; asked <= serverLimits.visitorQuestionsMax; asked++) visitors[0].say(String(asked));
    expect(server.state.questions.size).toBe(serverLimits.visitorQuestionsMax + 1);
    const ids = tunnel.texts.map((text) => JSON.parse(text).request_id);
    tunnel.say(`{"request_id":${ids[1]},"body":"forgotten"}`);
    tunnel.say(`{"request_id":${ids[2]},"body":"known"}`);
    tunnel.say(`{"request_id":${ids[0]},"body":"neighbour"}`);
    expect(visitors[0].texts).toEqual(['"known"']);
    expect(visitors[1].texts).toEqual(['"neighbour"']);
    server.expectEmpty();
  });

  it("close a visitor socket that does not read, and only that one", () => {
    const server = new TestServer({ visitorSendBytesMax: 1_000 });
    const tunnel = server.tunnel();
    const slow = server.visitorSocket();
    const fast = server.visitorSocket();
    slow.reacts = false;
    const body = JSON.stringify("x".repeat(248));
    for (let message = 0; message < 4; message++) tunnel.say(`{"request_id":0,"body":${body}}`);
    expect(slow.unflushedBytes).toBe(1_000);
    expect(slow.isOpen).toBe(true);
    tunnel.say('{"request_id":0,"body":1}');
    expect(slow.closed).toEqual({ code: 1013, reason: "limit_slow_visitor" });
    expect(fast.texts).toHaveLength(5);
    server.expectEmpty();
  });

  it("close a visitor socket whose agent does not read", () => {
    const server = new TestServer({ tunnelSendBytesMax: 5 * 1024 * 1024 });
    const tunnel = server.tunnel();
    tunnel.reacts = false;
    const visitor = server.visitorSocket();
    const text = JSON.stringify("x".repeat(1_000_000));
    for (let message = 0; message < 5; message++) visitor.say(text);
    expect(visitor.isOpen).toBe(true);
    visitor.say(text);
    expect(visitor.closed).toEqual({ code: 1013, reason: "limit_slow_agent" });
    expect(tunnel.isOpen).toBe(true);
    server.expectEmpty();
  });
});
