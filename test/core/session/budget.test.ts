/** What windows may come to together: promises cost nothing, what flows or is held does. */
import { describe, expect, it } from "vitest";
import { agentLimits } from "../../../core/limits.ts";
import { passTime } from "../../../core/session/budget.ts";
import { checkSession } from "../../../core/session/check.ts";
import { consume } from "../../../core/session/credit.ts";
import { onSessionFlushed, pump } from "../../../core/session/pump.ts";
import { receiveFrame } from "../../../core/session/receive.ts";
import { flushStream, resetStream, sendBody, sendHead } from "../../../core/session/send.ts";
import { countedBytes, type Session, type Stream } from "../../../core/session/state.ts";
import { createPair, createUnpaced, open, type Pair, pattern, run } from "./pair.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const { windowBytes, windowBytesMin, windowBytesMax, tunnelWindowBytes, readerBytes } = agentLimits;

const PIECE = pattern(256 * KIB, 1);

/** More than what it takes to be known as still. */
const LONG_MS = 1_000;

function wait(pair: Pair, ms = LONG_MS): void {
  pair.nowMs += ms;
  for (const { session } of [pair.server, pair.agent]) passTime(session, pair.nowMs);
}

/** Opens an exchange whose answer has begun; returns the server's side of it. */
function begun(pair: Pair, id: number): Stream {
  const stream = open(pair, id);
  run(pair);
  const there = agentStream(pair, id);
  sendHead(pair.agent.session, there, 200, []);
  return stream;
}

function agentStream(pair: Pair, id: number): Stream {
  const stream = pair.agent.session.streams.get(id);
  if (stream === undefined) throw new Error("the exchange did not arrive");
  return stream;
}

/** Fills the exchange's window with an answer that nobody takes. */
function unread(pair: Pair, id: number): Stream {
  const stream = begun(pair, id);
  sendBody(pair.agent.session, agentStream(pair, id), pattern(stream.receive.windowBytes + 64 * KIB, id));
  runQuickly(pair, id, () => 0, 8);
  expect(stream.receive.receivedBytes).toBe(stream.receive.windowBytes);
  return stream;
}

/**
 * One answer without an end over a path that takes one round per direction, for so many rounds; of what came in a round, `take`
 * says how much is passed on.
 */
function runQuickly(pair: Pair, id: number, take: (receivedBytes: number) => number, rounds: number): void {
  const here = pair.server.session.streams.get(id);
  if (here === undefined) throw new Error("the exchange is over");
  const there = agentStream(pair, id);
  let toServer: Uint8Array[] = [];
  let toAgent: Uint8Array[] = [];
  for (let round = 0; round < rounds; round++) {
    const down = quickly(pair, pair.server.session);
    const up = quickly(pair, pair.agent.session);
    for (const frame of toServer) receiveFrame(pair.server.session, frame);
    for (const frame of toAgent) receiveFrame(pair.agent.session, frame);
    toServer = up;
    toAgent = down;
    checkSession(pair.server.session);
    const { receivedBytes, consumedBytes } = here.receive;
    const taken = Math.min(take(receivedBytes), receivedBytes) - consumedBytes;
    if (taken > 0) consume(pair.server.session, here, taken);
    while (take(1) > 0 && there.send.queuedBytes < 2 * here.receive.windowBytes)
      sendBody(pair.agent.session, there, PIECE);
  }
}

function quickly(pair: Pair, session: Session): Uint8Array[] {
  const frames: Uint8Array[] = [];
  pump(session, pair.nowMs, {
    push: (effect) => frames.push(new Uint8Array(Buffer.concat([effect.header, ...effect.body]))),
  });
  onSessionFlushed(session, session.unsentBytes);
  return frames;
}

/** How large the window of an eager reader gets, in so many rounds. */
function windowOfReader(pair: Pair, id: number, rounds = 60): number {
  const stream = begun(pair, id);
  runQuickly(pair, id, (receivedBytes) => receivedBytes, rounds);
  return stream.receive.windowBytes;
}

const wide = () => createPair({ socketBytesMax: 64 * MIB });

describe("an idle exchange", () => {
  it("counts nothing once it has stood still, and what it makes use of when it moves again", () => {
    const pair = createUnpaced();
    const stream = begun(pair, 1);
    expect(countedBytes(pair.server.session)).toBe(windowBytes - windowBytesMin);
    wait(pair);
    wait(pair);
    expect(countedBytes(pair.server.session)).toBe(0);
    sendBody(pair.agent.session, agentStream(pair, 1), pattern(1, 1));
    run(pair);
    wait(pair, 0);
    expect(stream.receive.receivedBytes).toBe(0);
    sendBody(pair.agent.session, agentStream(pair, 1), pattern(64 * KIB, 1));
    run(pair);
    expect(stream.receive.receivedBytes).toBe(64 * KIB);
    expect(countedBytes(pair.server.session)).toBe(64 * KIB - windowBytesMin);
  });

  it("does not change what another gets, however many there are of it", () => {
    const alone = wide();
    const crowded = wide();
    for (let id = 1; id <= 1_000; id++) begun(crowded, id);
    wait(crowded);
    wait(crowded);
    expect(begun(crowded, 2_000).receive.windowBytes).toBe(begun(alone, 2_000).receive.windowBytes);
    expect(windowOfReader(crowded, 2_001)).toBe(windowOfReader(alone, 2_001));
  });

  it("does not either while all say a little all the time", () => {
    const alone = wide();
    const crowded = wide();
    for (let id = 1; id <= 300; id++) begun(crowded, id);
    for (let round = 0; round < 20; round++) {
      for (let id = 1; id <= 300; id++) {
        const there = agentStream(crowded, id);
        sendBody(crowded.agent.session, there, pattern(100, id));
        flushStream(crowded.agent.session, there);
      }
      run(crowded);
      for (const stream of crowded.server.session.streams.values())
        consume(crowded.server.session, stream, 100);
      wait(crowded, 100);
    }
    expect(crowded.server.session.flowing).toHaveLength(300);
    expect(begun(crowded, 2_000).receive.windowBytes).toBe(begun(alone, 2_000).receive.windowBytes);
    expect(windowOfReader(crowded, 2_001)).toBe(windowOfReader(alone, 2_001));
  });

  it("costs nothing while others flow: it is in no list that is gone through", () => {
    const pair = createPair();
    for (let id = 1; id <= 100; id++) begun(pair, id);
    wait(pair);
    wait(pair);
    expect(pair.server.session.flowing).toEqual([]);
    const stream = begun(pair, 101);
    expect(pair.server.session.flowing).toEqual([stream.receive]);
  });

  it("is found still at once where nobody looked for a long time", () => {
    const pair = createPair();
    begun(pair, 1);
    wait(pair, 60_000);
    expect(countedBytes(pair.server.session)).toBe(0);
  });
});

describe("what begins at the same time", () => {
  it("begins with less and less, and never with less than the least", () => {
    const pair = createPair();
    const windows = Array.from({ length: 900 }, (_, index) => open(pair, index + 1).receive.windowBytes);
    expect(windows[0]).toBe(windowBytes);
    expect(windows).toEqual(windows.toSorted((a, b) => b - a));
    expect(windows.at(-1)).toBe(windowBytesMin);
    expect(countedBytes(pair.server.session)).toBeLessThanOrEqual(tunnelWindowBytes / 4);
  });
});

describe("bodies that nobody takes", () => {
  it("hold no more together than the tunnel may and the least of each, though a thousand come one after the other", () => {
    const pair = createUnpaced();
    let heldBytes = 0;
    for (let id = 1; id <= 200; id++) {
      heldBytes += unread(pair, id).receive.receivedBytes;
      wait(pair);
      wait(pair);
    }
    expect(heldBytes).toBeLessThanOrEqual(tunnelWindowBytes + 200 * windowBytesMin);
    expect(open(pair, 1_000).receive.windowBytes).toBeLessThan(windowBytes / 8);
  });

  it("leave a reader room to grow", () => {
    const pair = wide();
    for (let id = 1; id <= 100; id++) unread(pair, id);
    wait(pair);
    wait(pair);
    expect(windowOfReader(pair, 101)).toBeGreaterThanOrEqual(tunnelWindowBytes / 8);
  });

  it("are known to the agent to have come, so that it holds nothing of them twice", () => {
    const pair = createPair();
    unread(pair, 1);
    run(pair);
    expect(pair.agent.session.retainedBytes).toBe(0);
  });

  it("give everything back when they are taken after all", () => {
    const pair = createPair();
    const stream = unread(pair, 1);
    wait(pair);
    wait(pair);
    expect(pair.server.session.counted).toEqual({
      still: windowBytes - windowBytesMin,
      newcomers: 0,
      readers: 0,
    });
    consume(pair.server.session, stream, stream.receive.receivedBytes);
    wait(pair);
    wait(pair);
    expect(countedBytes(pair.server.session)).toBe(0);
  });

  it("count nothing any more when they are given up", () => {
    const pair = createPair();
    const stream = unread(pair, 1);
    wait(pair);
    wait(pair);
    resetStream(pair.server.session, stream, "visitor_left");
    expect(countedBytes(pair.server.session)).toBe(0);
  });
});

describe("a window", () => {
  it("grows beyond the newcomers' pool for who has taken more than buffers hold, and not before", () => {
    const pair = wide();
    const stream = begun(pair, 1);
    runQuickly(pair, 1, (receivedBytes) => Math.min(receivedBytes, readerBytes - 1), 60);
    expect(stream.receive.windowBytes).toBeLessThanOrEqual(tunnelWindowBytes / 4);
    expect(windowOfReader(wide(), 1)).toBe(windowBytesMax);
  });

  it("that has grown gives back what is taken up again beyond the whole", () => {
    const limits = {
      windowBytes: 64 * KIB,
      windowBytesMax: 512 * KIB,
      tunnelWindowBytes: 1 * MIB,
      readerBytes: 256 * KIB,
    };
    const pair = createPair({ ...limits, socketBytesMax: 64 * MIB });
    const ids = [1, 2, 3, 4, 5];
    const grown = ids.map((id) => {
      const window = windowOfReader(pair, id);
      wait(pair);
      wait(pair);
      return window;
    });
    // Each was alone when it grew.
    expect(grown).toEqual(grown.map(() => limits.windowBytesMax));
    for (let round = 0; round < 8; round++) {
      for (const id of ids) runQuickly(pair, id, (receivedBytes) => receivedBytes, 4);
    }
    expect(countedBytes(pair.server.session)).toBeLessThanOrEqual(limits.tunnelWindowBytes * 1.125);
  });
});
