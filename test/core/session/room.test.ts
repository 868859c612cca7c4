/** How much each stream may queue: all of its own while little is queued for all, less and less beside many. */
import { describe, expect, it } from "vitest";
import { agentLimits } from "../../../core/limits.ts";
import { onSessionFlushed, pump } from "../../../core/session/pump.ts";
import { isFull, sendBody } from "../../../core/session/send.ts";
import type { Session } from "../../../core/session/state.ts";
import { createPair, open, pattern } from "./pair.ts";

const { queueBytesMax, tunnelQueueBytes, windowBytes } = agentLimits;
const PIECE = pattern(64 * 1024, 1);

/** Queues pieces, as a source does that is asked after each whether it is to be paused. */
function fill(session: Session, id: number): number {
  const stream = session.streams.get(id);
  if (stream === undefined) throw new Error("there is no such exchange");
  do sendBody(session, stream, PIECE);
  while (!isFull(session, stream));
  stream.sourcePaused = true;
  return stream.send.queuedBytes;
}

function flushAll(session: Session): void {
  for (let orders = 1; orders > 0; onSessionFlushed(session, session.unsentBytes)) {
    orders = 0;
    pump(session, 1, { push: () => orders++ });
  }
}

describe("a stream's queue", () => {
  it("takes all that it may while it is the only one", () => {
    const pair = createPair();
    open(pair, 1);
    expect(fill(pair.server.session, 1)).toBe(queueBytesMax + PIECE.length);
  });

  it("takes a piece beside a thousand that are full, and all of them not much more than the whole and a piece each", () => {
    const pair = createPair();
    const { session } = pair.server;
    for (let id = 1; id <= 1_000; id++) {
      open(pair, id);
      fill(session, id);
    }
    open(pair, 1_001);
    expect(fill(session, 1_001)).toBe(PIECE.length);
    expect(session.queuedBytes).toBeLessThanOrEqual(tunnelQueueBytes + 1_001 * PIECE.length);
  });

  it("is relieved at the latest when it is empty", () => {
    const pair = createPair({ tunnelQueueBytes: 0, socketBytesMax: 16 * 1024 * 1024 });
    const { session } = pair.server;
    const stream = open(pair, 1);
    expect(fill(session, 1)).toBe(PIECE.length);
    expect(PIECE.length).toBeLessThan(windowBytes);
    flushAll(session);
    expect(session.relieved).toEqual([stream]);
    expect(isFull(session, stream)).toBe(false);
  });
});
