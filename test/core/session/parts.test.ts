/** What an agent's session lets go of, so that its memory can be used for something else at once. */
import { describe, expect, it } from "vitest";
import { sendBody, sendEnd, sendHead } from "../../../core/session/send.ts";
import type { Stream } from "../../../core/session/state.ts";
import { attach, consumeAll, createPair, detach, open, type Pair, pattern, pumped, run } from "./pair.ts";

const KIB = 1024;

function accepted(pair: Pair): Stream {
  open(pair, 1);
  run(pair);
  const stream = pair.agent.session.streams.get(1);
  if (stream === undefined) throw new Error("the exchange did not arrive");
  pair.server.react = (received) => consumeAll(pair.server, received);
  return stream;
}

describe("a large part of a body", () => {
  it("is given back once, when the last of the frames that it went into is acknowledged", () => {
    const pair = createPair();
    const { session } = pair.agent;
    const stream = accepted(pair);
    const part = pattern(100 * KIB, 1);
    sendHead(session, stream, 200, []);
    sendBody(session, stream, part);
    sendEnd(session, stream, []);
    expect(session.finishedParts).toEqual([]);
    run(pair);
    expect(session.finishedParts.map(({ buffer }) => buffer)).toEqual([part.buffer]);
    expect(pair.server.seen.get(1)?.body).toEqual([...pattern(100 * KIB, 1)]);
  });

  it("stays while its acknowledgement may still be lost with the socket", () => {
    const pair = createPair();
    const { session } = pair.agent;
    const stream = accepted(pair);
    sendHead(session, stream, 200, []);
    sendBody(session, stream, pattern(40 * KIB, 1));
    sendEnd(session, stream, []);
    expect(pumped(session, pair.nowMs)).not.toEqual([]);
    detach(pair);
    expect(session.finishedParts).toEqual([]);
    attach(pair, true);
    run(pair);
    expect(pair.server.seen.get(1)?.body).toEqual([...pattern(40 * KIB, 1)]);
    expect(session.finishedParts).toHaveLength(1);
  });

  it("is the only kind that is: small ones, and views of a larger buffer, are left to the collector", () => {
    const pair = createPair();
    const { session } = pair.agent;
    const stream = accepted(pair);
    sendHead(session, stream, 200, []);
    sendBody(session, stream, pattern(1 * KIB, 1));
    sendBody(session, stream, pattern(40 * KIB, 2).subarray(0, 30 * KIB));
    sendEnd(session, stream, []);
    run(pair);
    expect(pair.server.seen.get(1)?.ends).toBe(1);
    expect(session.finishedParts).toEqual([]);
  });
});
