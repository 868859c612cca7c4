/** The agent's session, and what both ends have in common. */
import { describe, expect, it } from "vitest";
import { createQueue } from "../../../core/queue.ts";
import { receiveFrame } from "../../../core/session/receive.ts";
import { flushStream, sendBody, sendDrain, sendEnd, sendHead } from "../../../core/session/send.ts";
import { FLAG, FRAME, writeU32 } from "../../../core/wire/native.ts";
import { frame, headSection, section } from "./frames.ts";
import { attach, createPair, detach, give, open, pattern, pumped, REQUEST, run } from "./pair.ts";

describe("the agent's session", () => {
  it.each<[string, Uint8Array]>([
    ["begins without a head", frame(FRAME.piece, 0, 7, 0, [1])],
    ["begins with a malformed head", frame(FRAME.piece, FLAG.head, 7, 0, section(new Uint8Array(6)))],
    ["is an interim response", frame(FRAME.piece, FLAG.head | FLAG.interim, 7, 0, headSection(103))],
  ])("T08 ends on an exchange that %s", (_, bytes) => {
    expect(receiveFrame(createPair().agent.session, bytes)).toMatchObject({ type: "violation" });
  });

  it("T08 never begins an exchange with a frame that is not its first", () => {
    const { session } = createPair().agent;
    expect(receiveFrame(session, frame(FRAME.piece, FLAG.last, 7, 1, [1]))).toEqual({ type: "nothing" });
    expect(session.counters.stray).toBe(1);
  });

  it("ends on a second head, for a server is not to be trusted after that", () => {
    const pair = createPair();
    open(pair, 1);
    const [opening] = pumped(pair.server.session, 1);
    expect(give(pair.agent, opening ?? new Uint8Array())).toMatchObject({ type: "opened" });
    const again = new Uint8Array(opening ?? []);
    writeU32(again, 8, 1);
    expect(receiveFrame(pair.agent.session, again)).toMatchObject({ type: "violation" });
  });

  it("sends a small response, head, body, end and trailers, as one frame", () => {
    const pair = createPair();
    open(pair, 1);
    run(pair);
    const { session } = pair.agent;
    const stream = session.streams.get(1);
    if (stream === undefined) throw new Error("the exchange did not arrive");
    sendHead(session, stream, 200, ["a", "b"]);
    sendBody(session, stream, pattern(100, 1));
    expect(pumped(session, pair.nowMs)).toEqual([]);
    sendEnd(session, stream, ["c", "d"]);
    const [only, ...more] = pumped(session, pair.nowMs);
    expect(more).toEqual([]);
    expect(give(pair.server, only ?? new Uint8Array())).toMatchObject({
      head: { status: 200, headers: ["a", "b"] },
      body: pattern(100, 1),
      last: true,
      trailers: ["c", "d"],
    });
  });

  it("holds a short remainder of a body until it is flushed, and lets a full frame go", () => {
    const pair = createPair({ frameBytesMax: 50 });
    open(pair, 1);
    run(pair);
    const { session } = pair.agent;
    const stream = session.streams.get(1);
    if (stream === undefined) throw new Error("the exchange did not arrive");
    sendHead(session, stream, 200, []);
    sendBody(session, stream, pattern(70, 1));
    expect(pumped(session, pair.nowMs)).toHaveLength(1);
    expect(stream.send.queuedBytes).toBe(20);
    flushStream(session, stream);
    expect(pumped(session, pair.nowMs)).toHaveLength(1);
    expect(stream.send.queuedBytes).toBe(0);
    flushStream(session, stream);
    sendBody(session, stream, pattern(20, 1));
    expect(pumped(session, pair.nowMs)).toEqual([]);
  });
});

describe("both sessions", () => {
  it("say once that they drain, and again after a resumption", () => {
    const pair = createPair();
    sendDrain(pair.server.session);
    sendDrain(pair.server.session);
    run(pair);
    expect(pair.agent.draining.count).toBe(1);
    detach(pair);
    attach(pair, true);
    run(pair);
    expect(pair.agent.draining.count).toBe(2);
  });

  it("count frames modulo 2^32", () => {
    const pair = createPair();
    const stream = open(pair, 1);
    run(pair);
    const there = pair.agent.session.streams.get(1);
    if (there === undefined) throw new Error("the exchange did not arrive");
    const late = 2 ** 32 - 2;
    pair.server.session.retainedBytes -= stream.send.retainedBytes;
    Object.assign(stream.send, { sent: createQueue(), retainedBytes: 0 });
    for (const { send, receive } of [stream, there]) {
      Object.assign(send, { next: late, acked: late, resend: late });
      Object.assign(receive, { received: late, toldFrames: late });
    }
    for (let count = 0; count < 5; count++) {
      sendBody(pair.server.session, stream, Uint8Array.of(count));
      // The last two are lost with the socket.
      if (count < 3) run(pair);
      else expect(pumped(pair.server.session, pair.nowMs)).toHaveLength(1);
    }
    detach(pair);
    sendEnd(pair.server.session, stream, []);
    attach(pair, true);
    run(pair);
    expect(pair.agent.seen.get(1)).toMatchObject({ opened: 1, ends: 1, body: [0, 1, 2, 3, 4] });
    expect(pair.server.session.counters.resent).toBe(2);
    expect(stream.send.acked).toBe(2 ** 32 + 4);
  });

  it("keep the request's head as it was given", () => {
    const pair = createPair();
    open(pair, 2 ** 48 - 1);
    const [bytes] = pumped(pair.server.session, 1);
    expect(give(pair.agent, bytes ?? new Uint8Array())).toMatchObject({ type: "opened", head: REQUEST });
  });
});
