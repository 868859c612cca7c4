/** What a session takes from the other side, what it refuses, and what it answers: T05, T06, T08, T09. */
import { beforeEach, describe, expect, it } from "vitest";
import { consume } from "../../../core/session/credit.ts";
import { receiveFrame } from "../../../core/session/receive.ts";
import { resetStream, sendBody } from "../../../core/session/send.ts";
import type { Stream } from "../../../core/session/state.ts";
import { FLAG, FRAME, readU32, readU48 } from "../../../core/wire/native.ts";
import { entry, frame, headSection, section, text } from "./frames.ts";
import { attach, createPair, detach, open, type Pair, pumped } from "./pair.ts";

describe("the server's session", () => {
  let pair: Pair;
  let stream: Stream;

  beforeEach(() => {
    pair = createPair({ windowBytes: 100, windowBytesMin: 10 }, 1_000);
    stream = open(pair, 1);
    pumped(pair.server.session, 1);
  });

  const to = (bytes: Uint8Array) => receiveFrame(pair.server.session, bytes);
  const piece = (flags: number, number: number, payload: Iterable<number>) =>
    to(frame(FRAME.piece, flags, 1, number, payload));

  it.each<[string, Uint8Array]>([
    ["shorter than its header", new Uint8Array(11)],
    ["empty", new Uint8Array(0)],
    ["of kind 0", frame(0, 0, 0, 0)],
    ["of an unknown kind", frame(11, 0, 0, 0)],
    ["a second hello", frame(FRAME.hello, 0, 0, 0, text("{}"))],
    ["a welcome", frame(FRAME.welcome, 0, 0, 0, text("{}"))],
    ["a piece about no exchange", frame(FRAME.piece, FLAG.last, 0, 0)],
    ["a piece with an unknown flag", frame(FRAME.piece, 16, 1, 0, headSection())],
    ["an empty piece", frame(FRAME.piece, 0, 1, 0)],
    [
      "trailers before the end",
      frame(FRAME.piece, FLAG.head | FLAG.trailers, 1, 0, [...headSection(), 0, 0, 0, 1, 0]),
    ],
    [
      "an interim response with a body",
      frame(FRAME.piece, FLAG.head | FLAG.interim, 1, 0, [...headSection(103), 1]),
    ],
    [
      "a last interim response",
      frame(FRAME.piece, FLAG.head | FLAG.interim | FLAG.last, 1, 0, headSection(103)),
    ],
    ["an interim response without a head", frame(FRAME.piece, FLAG.interim, 1, 0, [1])],
    ["a head whose length lies", frame(FRAME.piece, FLAG.head, 1, 0, [0xff, 0xff, 0xff, 0xff, 0])],
    ["a piece of more than 64 KiB", frame(FRAME.piece, 0, 1, 0, new Uint8Array(65_537))],
    ["a gap", frame(FRAME.piece, FLAG.head, 1, 1, headSection())],
    ["a reset without code", frame(FRAME.reset, 0, 1, 0)],
    ["a reset with flags", frame(FRAME.reset, 1, 1, 0, text("x"))],
    ["a reset with a code in capitals", frame(FRAME.reset, 0, 1, 0, text("X"))],
    ["a reset with a code of 65 bytes", frame(FRAME.reset, 0, 1, 0, text("x".repeat(65)))],
    ["a credit frame without entry", frame(FRAME.credit, 0, 0, 0)],
    ["a credit frame cut in an entry", frame(FRAME.credit, 0, 0, 0, new Uint8Array(17))],
    ["a credit frame with an exchange", frame(FRAME.credit, 0, 1, 0, entry(1, 0, 0))],
    ["a credit frame with a number", frame(FRAME.credit, 0, 0, 1, entry(1, 0, 0))],
    ["an acknowledgement of what was not sent", frame(FRAME.credit, 0, 0, 0, entry(1, 2, 0))],
    ["a resume frame that nobody asked for", frame(FRAME.resume, 0, 0, 0)],
    ["a drain frame with a payload", frame(FRAME.drain, 0, 0, 0, [1])],
    ["a moved frame with a payload", frame(FRAME.moved, 0, 0, 0, [1])],
    ["a ping of 7 bytes", frame(FRAME.ping, 0, 0, 0, new Uint8Array(7))],
    ["a pong of 9 bytes", frame(FRAME.pong, 0, 0, 0, new Uint8Array(9))],
  ])("T06 T05 ends the session on a frame that is %s", (_, bytes) => {
    expect(to(bytes)).toMatchObject({ type: "violation" });
  });

  it("T06 takes no response that is cut at any of its bytes for a whole one", () => {
    const whole = frame(FRAME.piece, FLAG.head | FLAG.last | FLAG.trailers, 1, 0, [
      ...headSection(200, ["a", "b"]),
      ...section(new Uint8Array([1, 1, 0x63, 1, 0x64])),
    ]);
    for (let end = 0; end < whole.length; end++) {
      const each = createPair();
      open(each, 1);
      pumped(each.server.session, 1);
      expect(["violation", "broken"]).toContain(
        receiveFrame(each.server.session, whole.subarray(0, end)).type,
      );
    }
    expect(to(whole)).toMatchObject({ type: "piece", last: true, trailers: ["c", "d"] });
  });

  it.each<[string, number, number[]]>([
    ["has a malformed head", FLAG.head, section(new Uint8Array([0, 200, 1]))],
    ["begins without a head", 0, [1]],
    ["has an interim response of status 101", FLAG.head | FLAG.interim, headSection(101)],
    ["has an interim response of status 200", FLAG.head | FLAG.interim, headSection(200)],
    [
      "has malformed trailers",
      FLAG.head | FLAG.last | FLAG.trailers,
      [...headSection(), ...section(new Uint8Array(2))],
    ],
  ])("ends one exchange alone when its response %s", (_, flags, payload) => {
    const other = open(pair, 2);
    pumped(pair.server.session, 1);
    expect(piece(flags, 0, payload)).toMatchObject({ type: "broken", code: "agent_protocol", stream });
    resetStream(pair.server.session, stream, "agent_protocol");
    expect(pumped(pair.server.session, 1).map((bytes) => bytes[0])).toEqual([FRAME.reset]);
    const answer = to(frame(FRAME.piece, FLAG.head | FLAG.last, 2, 0, headSection()));
    expect(answer).toMatchObject({ type: "piece", stream: other });
  });

  it("ends one exchange alone when a head comes twice, and when an interim response comes late", () => {
    piece(FLAG.head, 0, headSection());
    expect(piece(FLAG.head, 1, headSection())).toMatchObject({ type: "broken" });
    expect(piece(FLAG.head | FLAG.interim, 2, headSection(103))).toMatchObject({ type: "broken" });
  });

  it("ends one exchange alone when a head is larger than the limit, and takes one that is as large", () => {
    const large = (bytes: number) => headSection(200, ["x", "v".repeat(bytes - 7)]);
    expect(large(1_000).length).toBe(1_004);
    expect(piece(FLAG.head | FLAG.interim, 0, [...large(1_001)])).toMatchObject({
      type: "broken",
      code: "limit_response_headers",
    });
    expect(piece(FLAG.head, 1, [...large(1_000)])).toMatchObject({ type: "piece" });
  });

  it("T09 takes a body up to its credit and ends the session at the first byte beyond it", () => {
    expect(piece(FLAG.head, 0, [...headSection(), ...new Uint8Array(100)])).toMatchObject({ type: "piece" });
    expect(piece(0, 1, [1])).toMatchObject({ type: "violation" });
  });

  it("T09 takes credit of zero, of 2^31 and of 2^48 - 1, and never goes back", () => {
    sendBody(pair.server.session, stream, new Uint8Array(2_000));
    for (const limit of [0, 2 ** 31, 2 ** 48 - 1, 5]) {
      expect(to(frame(FRAME.credit, 0, 0, 0, entry(1, 0, limit)))).toEqual({ type: "nothing" });
    }
    expect(stream.send.limit).toBe(2 ** 48 - 1);
  });

  it("T05 drops a frame that comes again", () => {
    piece(FLAG.head, 0, headSection());
    piece(0, 1, [1, 2]);
    expect(piece(0, 1, [1, 2])).toEqual({ type: "nothing" });
    expect(piece(FLAG.head, 0, headSection())).toEqual({ type: "nothing" });
    expect(pair.server.session.counters.duplicates).toBe(2);
    expect(piece(FLAG.last, 2, [3])).toMatchObject({ type: "piece" });
  });

  it("T08 drops what is about an exchange that it does not know, and acknowledges its reset", () => {
    expect(to(frame(FRAME.piece, FLAG.head, 9, 0, headSection()))).toEqual({ type: "nothing" });
    expect(to(frame(FRAME.credit, 0, 0, 0, entry(9, 5, 5)))).toEqual({ type: "nothing" });
    expect(to(frame(FRAME.reset, 0, 9, 4, text("gone")))).toEqual({ type: "nothing" });
    expect(pair.server.session.counters.stray).toBe(2);
    expect(pumped(pair.server.session, 1)).toEqual([]);
    const [told] = pumped(pair.server.session, 1_000);
    expect(told?.[0]).toBe(FRAME.credit);
    expect([readU48(told ?? new Uint8Array(), 12), readU32(told ?? new Uint8Array(), 18)]).toEqual([9, 5]);
  });

  it("T08 ends the session when the agent speaks of an exchange before it was told of it", () => {
    open(pair, 2);
    expect(to(frame(FRAME.piece, FLAG.head, 2, 0, headSection()))).toMatchObject({ type: "violation" });
    expect(to(frame(FRAME.reset, 0, 2, 0, text("x")))).toMatchObject({ type: "violation" });
    expect(to(frame(FRAME.credit, 0, 0, 0, entry(2, 0, 9)))).toMatchObject({ type: "violation" });
  });

  it("T24 is told of a reset once, and forgets at once", () => {
    expect(to(frame(FRAME.reset, 0, 1, 3, text("agent_gave_up")))).toEqual({
      type: "reset",
      stream,
      code: "agent_gave_up",
    });
    expect(pair.server.session.streams.size).toBe(0);
    expect(to(frame(FRAME.reset, 0, 1, 3, text("agent_gave_up")))).toEqual({ type: "nothing" });
    resetStream(pair.server.session, stream, "visitor_left");
    consume(pair.server.session, stream, 10);
    expect(pair.server.session.streams.size).toBe(0);
  });

  it("T24 drops what crosses its own reset, and forgets when the reset is acknowledged", () => {
    resetStream(pair.server.session, stream, "visitor_left");
    resetStream(pair.server.session, stream, "visitor_left");
    expect(pumped(pair.server.session, 1)).toHaveLength(1);
    expect(piece(FLAG.head, 0, headSection())).toEqual({ type: "nothing" });
    to(frame(FRAME.credit, 0, 0, 0, entry(1, 1, 0)));
    expect(pair.server.session.streams.size).toBe(1);
    to(frame(FRAME.credit, 0, 0, 0, entry(1, 2, 0)));
    expect(pair.server.session.streams.size).toBe(0);
  });

  it("forgets an exchange at once that is reset before anything of it went out", () => {
    resetStream(pair.server.session, open(pair, 2), "visitor_left");
    expect(pumped(pair.server.session, 1)).toEqual([]);
    expect(pair.server.session.streams.size).toBe(1);
  });

  it("passes on a bounded number of interim responses and acknowledges the rest", () => {
    const { interimsMax } = pair.limits;
    const types = Array.from({ length: interimsMax + 2 }, (_, number) => {
      return piece(FLAG.head | FLAG.interim, number, headSection(103)).type;
    });
    expect(types.filter((type) => type === "interim")).toHaveLength(interimsMax);
    expect(pair.server.session.counters.interimsDropped).toBe(2);
    expect(piece(FLAG.head, interimsMax + 2, headSection())).toMatchObject({ type: "piece" });
  });

  it("answers only the newest of many pings", () => {
    to(frame(FRAME.ping, 0, 0, 0, [1, 1, 1, 1, 1, 1, 1, 1]));
    to(frame(FRAME.ping, 0, 0, 0, [2, 2, 2, 2, 2, 2, 2, 2]));
    expect(pumped(pair.server.session, 1)).toEqual([frame(FRAME.pong, 0, 0, 0, new Uint8Array(8).fill(2))]);
  });

  it("answers a ping as it came, whatever becomes of the buffer that it came in", () => {
    const ping = Buffer.from(frame(FRAME.ping, 0, 0, 0, new Uint8Array(8).fill(7)));
    to(ping);
    ping.fill(0);
    expect(pumped(pair.server.session, 1)).toEqual([frame(FRAME.pong, 0, 0, 0, new Uint8Array(8).fill(7))]);
  });

  it("holds back even acknowledgements from a peer that does not read, and asks for no timer meanwhile", () => {
    const { session } = pair.server;
    session.unsentBytes = 2 * pair.limits.socketBytesMax;
    for (let count = 0; count < 1_000; count++) {
      to(frame(FRAME.ping, 0, 0, 0, new Uint8Array(8)));
      to(frame(FRAME.reset, 0, 100 + count, 0, text("x")));
    }
    expect(pumped(session, 1)).toEqual([]);
  });

  it("lets no frame in but the resume frame after the socket was lost", () => {
    detach(pair);
    attach(pair, true);
    expect(pumped(pair.server.session, 1).map((bytes) => bytes[0])).toEqual([FRAME.resume]);
    expect(to(frame(FRAME.ping, 0, 0, 0, new Uint8Array(8)))).toMatchObject({ type: "violation" });
  });

  it("ends an exchange as forgotten that the agent had and does not name", () => {
    piece(FLAG.head, 0, headSection());
    detach(pair);
    attach(pair, true);
    expect(to(frame(FRAME.resume, 0, 0, 0))).toEqual({ type: "resumed", forgotten: [stream] });
    expect(pair.server.session.streams.size).toBe(0);
  });
});
