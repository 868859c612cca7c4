import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  decodeAgentText,
  decodeServerFrame,
  encodeAbortFrame,
  encodeHttpFrame,
  encodeSocketAnswer,
  encodeSocketFrame,
} from "../../../core/wire/frames.ts";
import { parseWireId } from "../../../core/wire/packet.ts";

const HEADER_BYTES_MAX = 64 * 1024;

const anyText = fc.string({ unit: "binary", maxLength: 20 });
const anyField = fc.string({ unit: fc.constantFrom(...'\t "\\{}*/=-azÀÿ') });
const anyRawJson = fc
  .tuple(fc.jsonValue({ maxDepth: 3 }), fc.constantFrom(0, 2))
  .map(([value, indent]) => JSON.stringify(value, null, indent));
const anyWireId = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map((id) => parseWireId(String(id)) ?? 0);

const anyRequest = fc.record({
  requestId: fc.maxSafeNat(),
  method: fc.constantFrom("GET", "POST", "PROPFIND"),
  path: anyText,
  query: fc.array(fc.tuple(anyText, anyText), { maxLength: 4 }).map((pairs) => new Map(pairs)),
  payload: fc.option(anyRawJson),
  accept: fc.option(anyField),
  range: fc.option(anyField),
  profile: fc.option(anyText),
});

describe("frames from server to agent", () => {
  it("are written as the protocol document has them", () => {
    const request = {
      requestId: 7,
      method: "GET",
      path: "files/track",
      query: new Map([
        ["clientId", "C"],
        ["trackId", "1"],
      ]),
      payload: null,
      accept: "*/*",
      range: "bytes=0-",
      profile: null,
    };
    expect(encodeHttpFrame(request)).toBe(
      '{"type":"HTTP","request_id":7,"method":"GET","path":"files/track","query":{"clientId":"C","trackId":"1"},' +
        '"headers":{"accept":"*/*","range":"bytes=0-"},"encoding":"BINARY","profile":null}',
    );
    expect(
      encodeHttpFrame({ ...request, payload: '{ "a": 1.0 }', accept: null, range: null, profile: "p" }),
    ).toBe(
      '{"type":"HTTP","request_id":7,"method":"GET","path":"files/track","query":{"clientId":"C","trackId":"1"},' +
        '"payload":{ "a": 1.0 },"encoding":"BINARY","profile":"p"}',
    );
    expect(encodeSocketFrame({ connectionId: 3, requestId: 4, body: '{"x":1}', profile: null })).toBe(
      '{"type":"WS","conn_id":3,"request_id":4,"body":{"x":1},"profile":null}',
    );
    expect(encodeAbortFrame(2n ** 63n + 1n)).toBe('{"type":"ABORT","request_id":9223372036854775809}');
  });

  it("H18 carry a request there, its body and its range to the letter", () => {
    fc.assert(
      fc.property(anyRequest, (request) => {
        const { accept, range, ...same } = request;
        const headers = new Map<string, string>();
        if (accept !== null) headers.set("accept", accept);
        if (range !== null) headers.set("range", range);
        const decoded = decodeServerFrame(encodeHttpFrame(request));
        expect(decoded).toEqual({ type: "http_request", ...same, headers });
        if (decoded.type === "http_request") expect([...decoded.query]).toEqual([...request.query]);
      }),
      { numRuns: 500 },
    );
  });

  it("carry a visitor socket's message there", () => {
    const anyMessage = fc.record({
      connectionId: fc.maxSafeNat(),
      requestId: fc.maxSafeNat(),
      body: anyRawJson,
      profile: fc.option(anyText),
    });
    fc.assert(
      fc.property(anyMessage, (message) => {
        expect(decodeServerFrame(encodeSocketFrame(message))).toEqual({ type: "socket_message", ...message });
      }),
    );
  });

  it("carry an abort there, every bit of its id", () => {
    fc.assert(
      fc.property(anyWireId, (requestId) => {
        expect(decodeServerFrame(encodeAbortFrame(requestId))).toEqual({ type: "abort", requestId });
      }),
    );
  });

  it("keep the ids of a foreign server apart beyond 2^53", () => {
    const [first, second] = ["9007199254740993", "9007199254740992"].map((id) =>
      decodeServerFrame(`{"type":"ABORT","request_id":${id}}`),
    );
    expect(first).toEqual({ type: "abort", requestId: 9007199254740993n });
    expect(second).toEqual({ type: "abort", requestId: 9007199254740992n });
  });

  it("are read in any order, with unknown members and with what may be missing missing", () => {
    const text =
      '{"profile":null,"new":[1],"path":"","method":"GET","request_id":1,"headers":{"Range":"x","n":1},"type":"HTTP"}';
    expect(decodeServerFrame(text)).toEqual({
      type: "http_request",
      requestId: 1,
      method: "GET",
      path: "",
      query: new Map(),
      payload: null,
      headers: new Map([["range", "x"]]),
      profile: null,
    });
  });

  it.each([
    ["a text that is not JSON", "hello", null],
    ["an array", "[]", null],
    ["no request id", '{"type":"ABORT"}', null],
    ["a request id in quotes", '{"type":"ABORT","request_id":"1"}', null],
    ["a negative request id", '{"type":"ABORT","request_id":-1}', null],
    ["a fractional request id", '{"type":"ABORT","request_id":1.0}', null],
    ["a request id beyond 64 bits", '{"type":"ABORT","request_id":18446744073709551616}', null],
    ["T06 an unknown type", '{"type":"TCP","request_id":1}', 1],
    ["no type", '{"request_id":1}', 1],
    ["no method", '{"type":"HTTP","request_id":1,"path":"a"}', 1],
    ["a path that is no string", '{"type":"HTTP","request_id":1,"method":"GET","path":["a"]}', 1],
    ["a query of numbers", '{"type":"HTTP","request_id":1,"method":"GET","path":"a","query":{"a":1}}', 1],
    ["a query that is a list", '{"type":"HTTP","request_id":1,"method":"GET","path":"a","query":[]}', 1],
    [
      "H10 a header that would split the request",
      '{"type":"HTTP","request_id":1,"method":"GET","path":"a","headers":{"range":"x\\r\\ny: z"}}',
      1,
    ],
    [
      "a profile that is no string",
      '{"type":"HTTP","request_id":1,"method":"GET","path":"a","profile":1}',
      1,
    ],
    ["a message without a connection", '{"type":"WS","request_id":1,"body":1}', 1],
    ["a message without a body", '{"type":"WS","request_id":1,"conn_id":1}', 1],
  ])("are refused with %s", (_name, text, requestId) => {
    expect(decodeServerFrame(text)).toMatchObject({ type: "problem", requestId });
  });
});

describe("texts from agent to server", () => {
  it("carry an answer to a visitor socket, its body to the letter", () => {
    const anyAnswer = fc.record({
      requestId: anyWireId,
      body: anyRawJson,
      to: fc.option(fc.array(anyWireId, { maxLength: 4 })),
    });
    fc.assert(
      fc.property(anyAnswer, (answer) => {
        expect(decodeAgentText(encodeSocketAnswer(answer), HEADER_BYTES_MAX)).toEqual({
          type: "socket_answer",
          ...answer,
          exclude: null,
        });
      }),
    );
  });

  it("name the visitor sockets to send to and to leave out, every bit of their ids", () => {
    const text =
      '{"request_id":0,"body":null,"exclude_connection_ids":[ 1 ,\n18446744073709551615],"to_connection_ids":[]}';
    expect(decodeAgentText(text, HEADER_BYTES_MAX)).toEqual({
      type: "socket_answer",
      requestId: 0,
      body: "null",
      exclude: [1, 18446744073709551615n],
      to: [],
    });
  });

  it("carry an abort, which is Culvert's own", () => {
    expect(decodeAgentText(encodeAbortFrame(9), HEADER_BYTES_MAX)).toEqual({ type: "abort", requestId: 9 });
  });

  it("may be packets", () => {
    expect(decodeAgentText("TUNNEL_RESPONSE:1|2|1b2s=", HEADER_BYTES_MAX)).toEqual({
      type: "packet",
      requestId: 1,
      packetId: 2,
      last: true,
      head: null,
      body: Uint8Array.from(Buffer.from("ok")),
    });
  });

  it.each([
    ["a text that is not JSON", "hello", null],
    ["no request id", '{"body":1}', null],
    ["no body", '{"request_id":1}', 1],
    ["a list of ids with a string", '{"request_id":0,"body":1,"to_connection_ids":["1"]}', 0],
    ["a list of ids with a list", '{"request_id":0,"body":1,"to_connection_ids":[[1,2]]}', 0],
    ["a list of ids that is an object", '{"request_id":0,"body":1,"exclude_connection_ids":{"a":1}}', 0],
    ["endlessly many ids", `{"request_id":0,"body":1,"to_connection_ids":[${"1,".repeat(100_000)}1]}`, 0],
  ])("are refused with %s", (_name, text, requestId) => {
    const decoded = decodeAgentText(text, HEADER_BYTES_MAX);
    expect(decoded).toMatchObject({ type: "problem", requestId, code: "agent_protocol" });
  });
});

describe("both decoders", () => {
  const members = fc.constantFrom(
    ...["type", "request_id", "conn_id", "body", "method", "path", "query", "headers", "payload", "profile"],
    ...["to_connection_ids", "exclude_connection_ids", "__proto__"],
  );
  const values = fc.oneof(fc.constantFrom("HTTP", "WS", "ABORT", "GET", 1, {}, [], [1]), fc.jsonValue());
  const nearlyFrame = fc.array(fc.tuple(members, values)).map((pairs) => {
    const written = pairs.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`);
    return `{${written.join(",")}}`;
  });

  it("never throw", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: "binary" }), nearlyFrame), (text) => {
        expect(["http_request", "socket_message", "abort", "problem"]).toContain(
          decodeServerFrame(text).type,
        );
        expect(["packet", "socket_answer", "abort", "problem"]).toContain(
          decodeAgentText(text, HEADER_BYTES_MAX).type,
        );
      }),
      { numRuns: 5_000 },
    );
  });
});
