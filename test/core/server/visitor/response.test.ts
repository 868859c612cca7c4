import { describe, expect, it } from "vitest";
import { TestServer } from "../../../helpers/test-server.ts";
import type { Visit } from "../../../helpers/test-visit.ts";

type Mode = { readonly blocking: boolean };

/** A request on its way to the agent; `say` sends a packet of its answer. */
function scene(options: Parameters<TestServer["visit"]>[0] = {}) {
  const server = new TestServer();
  const tunnel = server.tunnel();
  const visit = server.visit(options);
  const say = (packetId: number, body: string | Uint8Array, last = false, headers = {}, status = 200) =>
    tunnel.send({ requestId: visit.requestId, packetId, last, body, headers, status });
  return { server, tunnel, visit, say };
}

function expectDelivered(visit: Visit, text: string): void {
  expect(visit).toMatchObject({ status: 200, text, end: "clean", isClosed: true });
}

describe.each<Mode>([{ blocking: false }, { blocking: true }])("an answer, blocking $blocking", (mode) => {
  it("arrives whole when it comes in one packet", () => {
    const { server, visit, say } = scene(mode);
    say(1, "hello", true, { "content-type": "text/plain", "x-own": "ü" });
    expectDelivered(visit, "hello");
    expect(visit.headers).toEqual(["content-type", "text/plain", "x-own", "ü", "content-length", "5"]);
    expect(server.outcomes("completed")).toBe(1);
    server.expectEmpty();
  });

  it("arrives in order when it comes in many packets", () => {
    const { server, visit, say } = scene(mode);
    for (const [index, piece] of ["a", "b", "c", "d"].entries()) say(index + 1, piece, index === 3);
    expectDelivered(visit, "abcd");
    server.expectEmpty();
  });

  it("PB13 has the status and headers of packet 1, which the last packet overtook", () => {
    const { server, visit, say } = scene(mode);
    say(4, "d", true);
    say(3, "c");
    say(2, "b");
    expect(visit.status).toBe(0);
    say(1, "a", false, { "x-own": "1" }, 201);
    expect(visit).toMatchObject({ status: 201, text: "abcd", end: "clean" });
    expect(visit.header("x-own")).toBe("1");
    server.expectEmpty();
  });

  it("PB04 goes on behind packets without a body", () => {
    const { server, visit, say } = scene(mode);
    say(1, "");
    say(2, "a");
    say(3, "");
    say(4, "");
    expect(visit.end).toBe("none");
    say(5, "b");
    say(6, "", true);
    expectDelivered(visit, "ab");
    server.expectEmpty();
  });

  it("PB12 drops packets that come again, and their bytes count once", () => {
    const { server, tunnel, visit, say } = scene(mode);
    for (const id of [2, 2, 1, 1, 2, 4, 4, 3, 3, 2, 1]) say(id, "abcd".charAt(id - 1));
    expect(server.state.counters.duplicatePackets).toBe(7);
    say(5, "e", true);
    expectDelivered(visit, "abcde");
    expect(tunnel.aborts).toEqual([]);
    server.expectEmpty();
  });

  it("PB03 ends once, though its last packet comes twice", () => {
    const { server, visit, say } = scene(mode);
    say(2, "b", true);
    say(2, "b", true);
    say(1, "a");
    say(2, "b", true);
    expectDelivered(visit, "ab");
    expect(server.outcomes("completed")).toBe(1);
    expect(server.state.counters.outcomes).toEqual(new Map([["completed", 1]]));
    server.expectEmpty();
  });

  it.each<[string, (say: ReturnType<typeof scene>["say"]) => void]>([
    ["a packet comes again with another body", (say) => [say(2, "b"), say(2, "x")]],
    ["a delivered packet comes again with another body", (say) => [say(1, "a"), say(1, "x")]],
    ["a packet comes again with another last flag", (say) => [say(2, "b"), say(2, "b", true)]],
    ["packet 1 comes again with another status", (say) => [say(1, "a"), say(1, "a", false, {}, 404)]],
    ["packet 1 comes again with other headers", (say) => [say(1, "a"), say(1, "a", false, { x: "1" })]],
    ["a packet comes behind the last one", (say) => [say(3, "c", true), say(4, "d")]],
    ["a packet before another one says that it is the last", (say) => [say(3, "c"), say(2, "b", true)]],
    ["there are two last packets", (say) => [say(3, "c", true), say(2, "b", true)]],
    ["a first packet's status is not final", (say) => say(1, "", true, {}, 101)],
    ["a first packet's status is beyond HTTP", (say) => say(1, "", true, {}, 600)],
    ["H10 a header value has a line break", (say) => say(1, "", true, { x: "a\r\nb: c" })],
    ["H10 a header value has a NUL", (say) => say(1, "", true, { x: "a\0" })],
    ["H10 a header value is not Latin-1", (say) => say(1, "", true, { x: "家" })],
    ["H10 a header has no name", (say) => say(1, "", true, { "": "x" })],
    ["H10 a header's name is no token", (say) => say(1, "", true, { "a b": "x" })],
    ["a content-length is no number", (say) => say(1, "a", true, { "content-length": "+1" })],
    ["content-lengths differ", (say) => say(1, "a", true, { "content-length": "1, 2" })],
    ["H11 the body is longer than declared", (say) => say(1, "abc", true, { "content-length": "2" })],
    ["H11 the body is shorter than declared", (say) => say(1, "abc", true, { "content-length": "4" })],
  ])("is broken by its agent when %s", (_, send) => {
    const { server, tunnel, visit, say } = scene(mode);
    const neighbour = server.visit();
    send(say);
    if (visit.status === 502) expect(visit.code).toBe("agent_protocol");
    else expect(visit).toMatchObject({ status: 200, end: "cut" });
    if (mode.blocking) expect(visit.status).toBe(502);
    expect(server.outcomes("agent_protocol")).toBe(1);
    expect(tunnel.aborts).toEqual([visit.requestId]);
    tunnel.send({ requestId: neighbour.requestId, packetId: 1, last: true, body: "fine" });
    expectDelivered(neighbour, "fine");
    server.expectEmpty();
  });

  it("is refused when its headers are larger than the limit", () => {
    const { server, tunnel, visit, say } = scene(mode);
    say(1, "", true, { x: "x".repeat(64 * 1024) });
    expect(visit).toMatchObject({ status: 502, code: "limit_response_headers" });
    expect(tunnel.aborts).toEqual([visit.requestId]);
    server.expectEmpty();
  });

  it.each([
    ["HEAD", 200],
    ["GET", 204],
    ["GET", 304],
  ])("H12 to %s with status %i loses the body that it must not have", (method, status) => {
    for (const pieces of [["x"], ["x", "y"]]) {
      const { server, visit, say } = scene({ ...mode, method });
      for (const [index, piece] of pieces.entries()) {
        say(index + 1, piece, index === pieces.length - 1, { "content-length": "100" }, status);
      }
      expect(visit).toMatchObject({ status, text: "", end: "clean" });
      expect(visit.header("content-length")).toBe(status === 204 ? undefined : "100");
      server.expectEmpty();
    }
  });

  it("keeps one content-length of several equal ones, and no header of the home's connection", () => {
    const { visit, say } = scene(mode);
    const hops = { Connection: "close, X-Hop", "X-Hop": "1", "Transfer-Encoding": "chunked", upgrade: "h2c" };
    say(1, "abcde", true, { ...hops, "Content-Length": "5, 5", ETag: '"1"' });
    expectDelivered(visit, "abcde");
    expect(visit.headers).toEqual(["ETag", '"1"', "content-length", "5"]);
  });

  it("comes as text packets just as well", () => {
    const { server, tunnel, visit } = scene(mode);
    const say = (text: string) => tunnel.say(`TUNNEL_RESPONSE:${visit.requestId}|${text}`);
    say("2|1Yg==");
    say('1|0200|{"x-own":"1"}|YQ==');
    expectDelivered(visit, "ab");
    expect(visit.header("x-own")).toBe("1");
    server.expectEmpty();
  });

  it("is given up when the agent says so", () => {
    const { server, tunnel, visit, say } = scene(mode);
    say(1, "a");
    tunnel.say(`{"type":"ABORT","request_id":${visit.requestId}}`);
    if (mode.blocking) expect(visit).toMatchObject({ status: 502, code: "agent_gave_up" });
    else expect(visit).toMatchObject({ status: 200, end: "cut" });
    server.expectEmpty();
  });

  it("PB14 is never ended cleanly when the tunnel is lost in the middle", () => {
    const { server, tunnel, visit, say } = scene(mode);
    say(1, "a");
    say(2, "b");
    tunnel.lose();
    if (mode.blocking) expect(visit).toMatchObject({ status: 502, code: "agent_lost", end: "clean" });
    else expect(visit).toMatchObject({ status: 200, text: "ab", end: "cut" });
    expect(server.outcomes("agent_lost")).toBe(1);
    server.expectEmpty();
  });
});

describe("a streamed answer", () => {
  it("is written as it becomes contiguous", () => {
    const { visit, say } = scene();
    say(1, "a");
    expect(visit).toMatchObject({ status: 200, text: "a" });
    say(3, "c");
    expect(visit.text).toBe("a");
    say(2, "b");
    expect(visit.text).toBe("abc");
  });

  it("has its head sent before its body comes", () => {
    const { visit, say } = scene();
    say(1, "", false, { "content-length": "7" });
    expect(visit).toMatchObject({ status: 200, end: "none" });
    expect(visit.header("content-length")).toBe("7");
  });

  it("H11 is cut as soon as it is longer than declared, before a byte too many", () => {
    const { visit, say } = scene();
    say(1, "ab", false, { "content-length": "3" });
    say(2, "cd");
    expect(visit).toMatchObject({ text: "ab", end: "cut" });
  });

  it("goes out in one write when one packet has it all", () => {
    const { visit, say } = scene();
    say(1, "a", true);
    expect(visit.whole).toBe(true);
  });
});

describe("a blocking answer", () => {
  it("is not begun before it is whole, and then has a content-length", () => {
    const { server, visit, say } = scene({ blocking: true });
    say(2, "b");
    say(1, "a");
    expect(visit.status).toBe(0);
    expect(server.state.heldBytes).toBe(2);
    say(3, "c", true);
    expectDelivered(visit, "abc");
    expect(visit.header("content-length")).toBe("3");
  });

  it("is never compressed, for it is sent as it was gathered", () => {
    const { visit, say } = scene({ blocking: true, headers: ["accept-encoding", "br, gzip"] });
    say(1, "x".repeat(5_000), true, { "content-type": "text/plain" });
    expect(visit.coding).toBeNull();
    expect(visit.header("content-length")).toBe("5000");
  });
});

describe("compression", () => {
  const BIG = "x".repeat(2_000);
  const TEXT = { "content-type": "text/html", "content-length": String(BIG.length), ETag: '"1"' };

  it("is chosen for a text that is large enough, in what the visitor prefers", () => {
    const { visit, say } = scene({ headers: ["accept-encoding", "gzip;q=0.5, br"] });
    say(1, BIG, true, TEXT);
    expect(visit).toMatchObject({ coding: "br", end: "clean" });
    expect(visit.headers).toEqual([
      ...["content-type", "text/html", "ETag", 'W/"1"'],
      ...["content-encoding", "br", "vary", "Accept-Encoding"],
    ]);
  });

  it.each<[string, Record<string, string>, readonly string[], number]>([
    ["the visitor takes none", TEXT, [], 200],
    [
      "the body is small",
      { "content-type": "text/html", "content-length": "10" },
      ["accept-encoding", "br"],
      200,
    ],
    ["it is audio", { "content-type": "audio/flac" }, ["accept-encoding", "br"], 200],
    ["it is coded already", { ...TEXT, "content-encoding": "gzip" }, ["accept-encoding", "br"], 200],
    ["the visitor asks for a range", TEXT, ["accept-encoding", "br", "range", "bytes=0-1"], 200],
    ["it is a range", { ...TEXT, "content-range": "bytes 0-1/5" }, ["accept-encoding", "br"], 206],
  ])("is not chosen when %s", (_, answer, request, status) => {
    const { visit, say } = scene({ headers: request });
    say(1, BIG.slice(0, Number(answer["content-length"] ?? BIG.length)), true, answer, status);
    expect(visit).toMatchObject({ coding: null, end: "clean", status });
  });

  it("H11 still holds the body against its declared length", () => {
    const { server, visit, say } = scene({ headers: ["accept-encoding", "gzip"] });
    say(1, BIG.slice(2), false, TEXT);
    say(2, "x", true);
    expect(visit).toMatchObject({ coding: "gzip", end: "cut", text: BIG.slice(2) });
    server.expectEmpty();
  });
});
