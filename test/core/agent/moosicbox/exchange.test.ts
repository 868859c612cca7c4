import { describe, expect, it } from "vitest";
import type { OriginFault } from "../../../../core/events.ts";
import { agentLimits } from "../../../../core/limits.ts";
import { decodeAgentText } from "../../../../core/wire/frames.ts";
import { decodeUtf8 } from "../../../../core/wire/utf8.ts";
import { all, Harness, only, packets, problem, reports } from "../harness.ts";

function connected(): Harness {
  const harness = new Harness();
  harness.connect();
  return harness;
}

describe("a request", () => {
  it("goes to the origin with its query, accept, range and profile", () => {
    const harness = connected();
    const effects = harness.frame(5, {
      method: "GET",
      path: "files/track",
      query: { clientId: "C", title: "a b&c+d" },
      headers: { accept: "*/*", range: "bytes=0-", cookie: "not ours to pass", "user-agent": "nor this" },
      profile: "kitchen",
    });
    expect(only(effects, "origin_request")).toMatchObject({
      method: "GET",
      target: "/files/track?clientId=C&title=a%20b%26c+d",
      headers: [
        ...["Host", "origin.test", "user-agent", "MOOSICBOX_TUNNEL"],
        ...["accept", "*/*", "range", "bytes=0-", "moosicbox-profile", "kitchen"],
      ],
      body: null,
    });
  });

  it("carries its JSON body as it was written", () => {
    const harness = connected();
    const effects = harness.text(
      '{"type":"HTTP","request_id":1,"method":"POST","path":"","query":{},"payload":{"n":1.0, "é":18446744073709551615},"profile":null}',
    );
    const request = only(effects, "origin_request");
    expect(request.target).toBe("/");
    expect(request.headers).toEqual([
      ...["Host", "origin.test", "user-agent", "MOOSICBOX_TUNNEL"],
      ...["content-type", "application/json"],
    ]);
    const body = request.body instanceof Uint8Array ? request.body : new Uint8Array();
    expect(decodeUtf8(body)).toBe('{"n":1.0, "é":18446744073709551615}');
  });

  it("keeps ids beyond 2^53 apart", () => {
    const harness = connected();
    const first = harness.request(18446744073709551614n);
    const second = harness.request(18446744073709551615n);
    harness.head(second);
    expect(packets(harness.end(second))[0]?.requestId).toBe(18446744073709551615n);
    harness.head(first);
    expect(packets(harness.end(first))[0]?.requestId).toBe(18446744073709551614n);
  });

  it.each([
    ["CONNECT", "x", null],
    ["GE T", "x", null],
    ["", "x", null],
    ["GET", "a b", null],
    ["GET", "a\r\nHost: evil", null],
    ["GET", "a?b", null],
    ["GET", "a#b", null],
    ["GET", "é", null],
    ["GET", "x", "a\r\nevil: 1"],
    ["GET", "x", "кухня"],
  ])("T28 H16 is refused where HTTP cannot carry it: %j %j %j", (method, path, profile) => {
    const harness = connected();
    const effects = harness.frame(5, { method, path, profile });
    expect(all(effects, "origin_request")).toEqual([]);
    expect(reports(effects)).toEqual(["server_protocol_error"]);
    expect(problem(effects)).toMatchObject({ status: 400, code: "bad_request", requestId: 5 });
  });

  it.each(["http://evil/x", "//evil/x", "../../x", "@evil"])(
    "T28 stays in origin form, whatever its path claims: %s",
    (path) => {
      expect(only(connected().frame(5, { path }), "origin_request").target).toBe(`/${path}`);
    },
  );

  it("with the id of one that runs is refused and leaves that one alone", () => {
    const harness = connected();
    const exchange = harness.request(5);
    const effects = harness.frame(5);
    expect(reports(effects)).toEqual(["server_protocol_error"]);
    expect(effects).toHaveLength(1);
    harness.head(exchange);
    expect(packets(harness.end(exchange))).toHaveLength(1);
  });

  it("may have the id of one that has ended", () => {
    const harness = connected();
    for (let round = 0; round < 3; round++) {
      const exchange = harness.request(5);
      harness.head(exchange);
      expect(packets(harness.end(exchange))).toHaveLength(1);
    }
  });

  it("beyond the limit gets 503 and the others go on", () => {
    const harness = new Harness({ limits: { ...agentLimits, exchangesMax: 2 } });
    harness.connect();
    const first = harness.request(1);
    harness.request(2);
    expect(problem(harness.frame(3))).toEqual({ status: 503, code: "limit_exchanges", requestId: 3 });
    harness.head(first);
    harness.end(first);
    harness.request(4);
  });

  it("T10 gets 503 for a moment after too many were taken back unanswered", () => {
    const harness = new Harness({ limits: { ...agentLimits, abortsPerSecondMax: 2 } });
    harness.connect();
    for (const id of [1, 2]) {
      harness.request(id);
      harness.text(`{"type":"ABORT","request_id":${id}}`);
    }
    expect(problem(harness.frame(3))).toEqual({ status: 503, code: "limit_aborts", requestId: 3 });
    harness.advance(500);
    harness.request(4);
  });
});

describe("a response head", () => {
  it("goes out without the headers of the connection, in its order and spelling", () => {
    const harness = connected();
    const exchange = harness.request(1);
    harness.head(exchange, ["X-B", "1", "Connection", "x-a", "x-a", "2", "Content-Type", "audio/flac"], 206);
    expect(packets(harness.end(exchange))[0]?.head).toEqual({
      status: 206,
      headers: ["X-B", "1", "Content-Type", "audio/flac"],
    });
  });

  it("H14 joins several values of a header in order", () => {
    const harness = connected();
    const exchange = harness.request(1);
    harness.head(exchange, ["Link", "<a>", "vary", "accept", "link", "<b>", "LINK", "<c>"]);
    expect(packets(harness.end(exchange))[0]?.head?.headers).toEqual([
      "Link",
      "<a>, <b>, <c>",
      "vary",
      "accept",
    ]);
  });

  it("H14 with several cookies is refused, since none may be lost", () => {
    const harness = connected();
    const exchange = harness.request(1);
    const effects = harness.head(exchange, ["Set-Cookie", "a=1", "set-cookie", "b=2"]);
    expect(problem(effects)).toMatchObject({ status: 502, code: "limit_set_cookie" });
    expect(all(effects, "origin_abort")).toHaveLength(1);
  });

  it("with one cookie is carried", () => {
    const harness = connected();
    const exchange = harness.request(1);
    harness.head(exchange, ["Set-Cookie", "a=1"]);
    expect(packets(harness.end(exchange))[0]?.head?.headers).toEqual(["Set-Cookie", "a=1"]);
  });

  it("carries Latin-1 values", () => {
    const harness = connected();
    const exchange = harness.request(1);
    harness.head(exchange, ["x-name", "caf\u00e9"]);
    expect(packets(harness.end(exchange))[0]?.head?.headers).toEqual(["x-name", "caf\u00e9"]);
  });

  it.each([
    [200, ["a b", "1"]],
    [200, ["", "1"]],
    [200, ["a", "1\r\nb: 2"]],
    [200, ["a", "\u0000"]],
    [200, ["content-length", "5", "content-length", "6"]],
    [200, ["content-length", "+5"]],
    [101, []],
    [1000, []],
  ])("H10 that is no HTTP is answered with 502: %i %j", (status, headers) => {
    const harness = connected();
    const effects = harness.head(harness.request(1), headers, status);
    expect(problem(effects)).toMatchObject({ status: 502, code: "origin_malformed" });
  });

  it("H10 that does not fit a packet is answered with 502", () => {
    const harness = connected();
    const effects = harness.head(harness.request(1), ["x-big", "v".repeat(agentLimits.packetBytesMax)]);
    expect(problem(effects)).toMatchObject({ status: 502, code: "limit_response_headers" });
  });

  it.each([
    ["HEAD", 200],
    ["GET", 204],
    ["GET", 304],
  ])("H12 of %s %i is a whole response: a body that comes is dropped", (method, status) => {
    const harness = connected();
    const exchange = harness.request(1, { method });
    harness.head(exchange, ["content-length", "100"], status);
    harness.body(exchange, 10);
    const [packet, ...others] = packets(harness.end(exchange));
    expect(others).toEqual([]);
    expect(packet).toMatchObject({ last: true, head: { status, headers: ["content-length", "100"] } });
    expect(packet?.body).toHaveLength(0);
  });
});

describe("an origin that fails", () => {
  it.each<[OriginFault, number]>([
    ["refused", 502],
    ["name_not_resolved", 502],
    ["tls_invalid", 502],
    ["connect_timeout", 504],
    ["broken", 502],
    ["malformed", 502],
  ])("H30 before its head gets a problem of its own: %s", (fault, status) => {
    const harness = connected();
    const exchange = harness.request(9);
    const effects = harness.step({ type: "origin_failed", exchange, fault });
    expect(problem(effects)).toEqual({ status, code: `origin_${fault}`, requestId: 9 });
    expect(reports(effects)).toEqual(["exchange_failed"]);
  });

  it("while its head still waits for a body gets a problem as well", () => {
    const harness = connected();
    const exchange = harness.request(9);
    harness.head(exchange);
    const effects = harness.step({ type: "origin_failed", exchange, fault: "broken" });
    expect(problem(effects)).toMatchObject({ status: 502, code: "origin_broken" });
  });

  it("PB14 after its head makes the agent tell the server, and never ends the response", () => {
    const harness = connected();
    const exchange = harness.request(9);
    harness.head(exchange);
    harness.body(exchange, 10);
    harness.advance(agentLimits.packetFillMs);
    const effects = harness.step({ type: "origin_failed", exchange, fault: "broken" });
    expect(packets(effects)).toEqual([]);
    expect(decodeAgentText(only(effects, "socket_send_text").text, 0)).toEqual({
      type: "abort",
      requestId: 9,
    });
    expect(packets(harness.effects).some((packet) => packet.last)).toBe(false);
  });

  it("by not answering in time gets 504 and is aborted", () => {
    const harness = connected();
    harness.request(9);
    harness.advanceAlive(agentLimits.originIdleMs - 1);
    const effects = harness.advance(1);
    expect(only(effects, "origin_abort").exchange).toBe(1);
    expect(problem(effects)).toMatchObject({ status: 504, code: "origin_timeout" });
  });

  it("has no more time for its head although it takes the request and says that it works on it", () => {
    const harness = connected();
    const exchange = harness.request(9, { method: "POST", payload: { a: 1 } });
    harness.advanceAlive(agentLimits.originIdleMs - 1);
    expect(harness.step({ type: "origin_flushed", exchange, bytes: 7 })).toEqual([]);
    expect(harness.step({ type: "origin_interim", exchange, status: 102, headers: [] })).toEqual([]);
    expect(problem(harness.advance(1))).toMatchObject({ status: 504, code: "origin_timeout" });
  });

  it("by falling silent is given up, counted from its last bytes", () => {
    const harness = connected();
    const exchange = harness.request(9);
    harness.head(exchange);
    harness.advanceAlive(200_000);
    harness.body(exchange, 1);
    harness.advanceAlive(agentLimits.originIdleMs - 1);
    expect(all(harness.effects, "origin_abort")).toEqual([]);
    const effects = harness.advance(1);
    expect(all(effects, "origin_abort")).toHaveLength(1);
    expect(all(effects, "socket_send_text")).toHaveLength(1);
  });

  it("H11 with fewer bytes than it declared is never ended cleanly", () => {
    const harness = connected();
    const exchange = harness.request(9);
    harness.head(exchange, ["content-length", "100"]);
    harness.body(exchange, 99);
    expect(problem(harness.end(exchange))).toMatchObject({ code: "origin_broken" });
    expect(all(harness.effects, "origin_abort")).toEqual([]);
  });

  it("H11 with more bytes than it declared is aborted", () => {
    const harness = connected();
    const exchange = harness.request(9);
    harness.head(exchange, ["content-length", "100"]);
    harness.body(exchange, 100);
    harness.advance(agentLimits.packetFillMs);
    const effects = harness.body(exchange, 1);
    expect(all(effects, "origin_abort")).toHaveLength(1);
    expect(all(effects, "socket_send_text")).toHaveLength(1);
  });

  it("H30 is told to a browser as a page", () => {
    const harness = connected();
    const exchange = harness.request(9, { headers: { accept: "text/html,*/*;q=0.8" } });
    const effects = harness.step({ type: "origin_failed", exchange, fault: "refused" });
    const [packet] = packets(effects);
    expect(packet?.head?.headers).toContain("text/html; charset=utf-8");
    expect(decodeUtf8(packet?.body ?? new Uint8Array())).toContain("origin_refused");
  });
});

describe("an ABORT", () => {
  const phases: Record<string, (harness: Harness, exchange: ReturnType<Harness["request"]>) => void> = {
    "before the head": () => {},
    "while the head waits": (harness, exchange) => harness.head(exchange),
    "while first bytes wait": (harness, exchange) => {
      harness.head(exchange);
      harness.body(exchange, 10);
    },
    "in the middle of the body": (harness, exchange) => {
      harness.head(exchange);
      harness.body(exchange, 200_000);
    },
    "while the origin is paused": (harness, exchange) => {
      harness.head(exchange);
      harness.body(exchange, agentLimits.sendBytesHigh + 1);
    },
  };

  it.each(Object.entries(phases))(
    "H21 T24 %s cancels the origin once and silences the exchange",
    (_, enter) => {
      const harness = connected();
      const exchange = harness.request(5);
      enter(harness, exchange);
      expect(harness.text('{"type":"ABORT","request_id":5}')).toEqual([{ type: "origin_abort", exchange }]);
      expect(harness.text('{"type":"ABORT","request_id":5}')).toEqual([]);
      expect(harness.head(exchange)).toEqual([]);
      expect(harness.body(exchange, 100_000)).toEqual([]);
      expect(harness.end(exchange)).toEqual([]);
      expect(harness.step({ type: "origin_failed", exchange, fault: "broken" })).toEqual([]);
      expect(all(harness.advance(agentLimits.packetFillMs), "socket_send_packet")).toEqual([]);
      expect(harness.state.counters.exchangesAborted).toBe(1);
    },
  );

  it("T08 for an unknown request changes nothing", () => {
    const harness = connected();
    harness.request(5);
    expect(harness.text('{"type":"ABORT","request_id":6}')).toEqual([]);
  });
});

describe("a lost tunnel", () => {
  it("takes all its exchanges along, and nothing of them is sent on the next one", () => {
    const harness = connected();
    const waiting = harness.request(1);
    const headed = harness.request(2);
    const streaming = harness.request(3);
    harness.head(headed);
    harness.head(streaming);
    harness.body(streaming, 100_000);
    const effects = harness.lose();
    expect(all(effects, "origin_abort").map((effect) => effect.exchange)).toEqual([
      waiting,
      headed,
      streaming,
    ]);
    harness.connect();
    for (const exchange of [waiting, headed, streaming]) {
      expect(harness.head(exchange)).toEqual([]);
      expect(harness.body(exchange, 10)).toEqual([]);
      expect(harness.end(exchange)).toEqual([]);
    }
    expect(all(harness.advance(1_000), "socket_send_packet")).toEqual([]);
    expect(harness.state.counters.exchangesLost).toBe(3);
  });

  it("leaves its ids free for the next one", () => {
    const harness = connected();
    harness.request(1);
    harness.lose();
    harness.connect();
    const exchange = harness.request(1);
    harness.head(exchange);
    expect(packets(harness.end(exchange))).toHaveLength(1);
  });

  it("does nothing more when it reports again", () => {
    const harness = connected();
    const { socket } = harness;
    harness.lose();
    const next = harness.connect();
    expect(next).not.toBe(socket);
    for (const event of [
      { type: "socket_closed", socket, code: 1006, reason: "" },
      { type: "socket_opened", socket, protocol: null },
      { type: "socket_refused", socket, status: 401, body: "" },
      { type: "socket_text", socket, text: "{" },
      { type: "socket_bytes", socket, bytes: new Uint8Array(1) },
      { type: "socket_heard", socket },
      { type: "socket_flushed", socket, bytes: 5 },
    ] as const) {
      expect(harness.step(event)).toEqual([]);
    }
    expect(harness.phase).toBe("connected");
  });
});

describe("what the protocol has no place for", () => {
  it.each([
    "",
    "no JSON",
    "[]",
    "{}",
    '{"type":"HTTP"}',
    '{"type":"HTTP","request_id":-1}',
    '{"type":"HTTP","request_id":18446744073709551616,"method":"GET","path":"x","query":{}}',
    '{"type":"HTTP","request_id":1,"method":"GET","path":"x","query":{"a":1}}',
    '{"type":"NEW","request_id":1}',
    '{"type":"WS","conn_id":1,"request_id":0,"body":{},"profile":null}',
  ])("T06 is reported, and the tunnel lives: %s", (text) => {
    const harness = connected();
    const effects = harness.text(text);
    expect(reports(effects)).toEqual(["server_protocol_error"]);
    expect(effects).toHaveLength(1);
    expect(harness.state.counters.protocolErrors).toBe(1);
    harness.request(77);
  });

  it("T19 binary is reported, and the tunnel lives", () => {
    const harness = connected();
    const { socket } = harness;
    const effects = harness.step({ type: "socket_bytes", socket, bytes: new Uint8Array(100) });
    expect(reports(effects)).toEqual(["server_protocol_error"]);
    expect(harness.phase).toBe("connected");
  });

  it("a visitor socket's message is answered once, to its own request", () => {
    const harness = connected();
    const effects = harness.text('{"type":"WS","conn_id":3,"request_id":8,"body":{"a":1},"profile":null}');
    const answer = decodeAgentText(only(effects, "socket_send_text").text, 0);
    expect(answer).toMatchObject({ type: "socket_answer", requestId: 8, to: null, exclude: null });
    expect(effects).toHaveLength(1);
  });
});
