/** Turns, credit and growing windows: T09, T11. */
import { describe, expect, it } from "vitest";
import { agentLimits } from "../../../core/limits.ts";
import { Outbox } from "../../../core/outbox.ts";
import { consume } from "../../../core/session/credit.ts";
import { onSessionFlushed, pump, pumpAndArm, pumpDueMs } from "../../../core/session/pump.ts";
import {
  flushStream,
  openStream,
  resetStream,
  sendBody,
  sendEnd,
  sendHead,
  sendInterim,
} from "../../../core/session/send.ts";
import {
  countedBytes,
  heldBytes,
  type SendPacket,
  type Session,
  type Stream,
} from "../../../core/session/state.ts";
import { createTimer, createTimers, isArmed } from "../../../core/timers.ts";
import { FRAME, readU48 } from "../../../core/wire/native.ts";
import {
  attach,
  consumeAll,
  createPair,
  createUnpaced,
  detach,
  give,
  open,
  type Pair,
  pattern,
  pumped,
  REQUEST,
  run,
} from "./pair.ts";

const KIB = 1024;

/** Opens an exchange and returns the agent's side of it. */
function accepted(pair: Pair, id: number): Stream {
  open(pair, id);
  run(pair);
  const stream = pair.agent.session.streams.get(id);
  if (stream === undefined) throw new Error("the exchange did not arrive");
  return stream;
}

function respond(session: Session, stream: Stream, bytes: number): void {
  sendHead(session, stream, 200, []);
  sendBody(session, stream, pattern(bytes, stream.id));
  sendEnd(session, stream, []);
}

/** Which exchanges the pieces among the frames are about. */
function turns(frames: readonly Uint8Array[]): number[] {
  return frames.filter((bytes) => bytes[0] === FRAME.piece).map((bytes) => readU48(bytes, 2));
}

describe("the scheduler", () => {
  it("lets a small answer out before the next piece of twenty bulk bodies", () => {
    const pair = createUnpaced();
    const { session } = pair.agent;
    const bulk = Array.from({ length: 20 }, (_, index) => accepted(pair, index + 1));
    for (const stream of bulk) respond(session, stream, 250 * KIB);
    const before = turns(pumped(session, pair.nowMs));
    expect(before.length).toBeLessThanOrEqual(5);
    for (let round = 0; round < 30; round++) {
      onSessionFlushed(session, 64 * KIB);
      pumped(session, pair.nowMs);
    }
    openStream(pair.server.session, 99, REQUEST);
    for (const frame of pumped(pair.server.session, pair.nowMs)) give(pair.agent, frame);
    const small = session.streams.get(99);
    if (small === undefined) throw new Error("the exchange did not arrive");
    sendInterim(session, small, 103, []);
    respond(session, small, 500);
    onSessionFlushed(session, 64 * KIB);
    expect(turns(pumped(session, pair.nowMs)).slice(0, 2)).toEqual([99, 99]);
  });

  it("gives bulk bodies their turns one frame each", () => {
    const pair = createPair({ frameBytesMax: 1 * KIB, socketBytesMax: 8 * KIB });
    const { session } = pair.agent;
    const streams = [1, 2, 3].map((id) => accepted(pair, id));
    for (const stream of streams) respond(session, stream, 20 * KIB);
    const order: number[] = [];
    for (let round = 0; round < 20; round++) {
      order.push(...turns(pumped(session, pair.nowMs)));
      onSessionFlushed(session, session.unsentBytes);
    }
    expect(order).toHaveLength(60);
    const counts = [1, 2, 3].map((id) => order.slice(0, 30).filter((each) => each === id).length);
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
  });

  it("does not let streams that send a little all the time keep a bulk body from sending", () => {
    const pair = createUnpaced({ frameBytesMax: 1 * KIB, socketBytesMax: 1 * KIB });
    const { session } = pair.agent;
    const bulk = accepted(pair, 1);
    // More than the socket takes at once.
    const chatty = Array.from({ length: 12 }, (_, index) => accepted(pair, index + 2));
    respond(session, bulk, 60 * KIB);
    for (const stream of chatty) sendHead(session, stream, 200, []);
    const order: number[] = [];
    for (let round = 0; round < 200; round++) {
      for (const stream of chatty) {
        sendBody(session, stream, pattern(100, 1));
        flushStream(session, stream);
      }
      order.push(...turns(pumped(session, pair.nowMs)));
      onSessionFlushed(session, session.unsentBytes);
    }
    expect(order.filter((id) => id === 1).length).toBeGreaterThan(20);
  });

  it("stops at the socket's bound and at nothing else", () => {
    const pair = createUnpaced({ windowBytes: 1_024 * KIB });
    const { session } = pair.agent;
    respond(session, accepted(pair, 1), 900 * KIB);
    pumped(session, pair.nowMs);
    expect(session.unsentBytes).toBeGreaterThanOrEqual(256 * KIB);
    expect(session.unsentBytes).toBeLessThan(256 * KIB + 65 * KIB);
  });
});

describe("credit", () => {
  it("T11 stops a stream whose reader stands still, and no other", () => {
    const pair = createPair();
    const { session } = pair.agent;
    const stalled = accepted(pair, 1);
    const other = accepted(pair, 2);
    pair.server.react = (received) => {
      if ("stream" in received && received.stream.id === 2) consumeAll(pair.server, received);
    };
    respond(session, stalled, 1_000 * KIB);
    respond(session, other, 1_000 * KIB);
    run(pair);
    expect(pair.server.seen.get(1)?.body.length).toBe(agentLimits.windowBytes);
    expect(pair.server.seen.get(2)?.ends).toBe(1);
    expect(session.retainedBytes).toBeLessThanOrEqual(128 * KIB + 100);
    const seen = pair.server.seen.get(1);
    if (seen === undefined) throw new Error("the exchange is missing");
    pair.server.react = (received) => consumeAll(pair.server, received);
    consume(pair.server.session, seen.stream, agentLimits.windowBytes);
    run(pair);
    expect(pair.server.seen.get(1)?.body).toEqual([...pattern(1_000 * KIB, 1)]);
    expect(heldBytes(session)).toBe(0);
  });

  it("is whole again when all is over, a reset and the loss of the socket among it", () => {
    const pair = createPair();
    const streams = [1, 2, 3].map((id) => accepted(pair, id));
    const windows = [...pair.server.session.streams.values()].map(({ receive }) => receive.windowBytes);
    expect(countedBytes(pair.server.session)).toBe(
      windows.reduce((sum, bytes) => sum + bytes - agentLimits.windowBytesMin, 0),
    );
    for (const stream of streams) respond(pair.agent.session, stream, 300 * KIB);
    run(pair);
    detach(pair);
    for (const seen of pair.server.seen.values())
      resetStream(pair.server.session, seen.stream, "visitor_left");
    expect(countedBytes(pair.server.session)).toBe(0);
    attach(pair, true);
    run(pair);
    for (const { session } of [pair.server, pair.agent]) {
      expect([
        countedBytes(session),
        session.queuedBytes,
        session.retainedBytes,
        session.streams.size,
      ]).toEqual([0, 0, 0, 0]);
    }
  });

  it("tells the owner once that a paused source may go on", () => {
    const pair = createUnpaced();
    const stream = open(pair, 1);
    sendBody(pair.server.session, stream, pattern(200 * KIB, 1));
    stream.sourcePaused = true;
    pair.server.session.unsentBytes = 255 * KIB;
    pumped(pair.server.session, 1);
    expect(pair.server.session.relieved).toEqual([]);
    onSessionFlushed(pair.server.session, 200 * KIB);
    pumped(pair.server.session, 1);
    expect(pair.server.session.relieved).toEqual([stream]);
    expect(stream.sourcePaused).toBe(false);
  });
});

describe("acknowledgements", () => {
  it("of finished exchanges wait a moment for each other", () => {
    const pair = createPair();
    const stream = accepted(pair, 1);
    sendEnd(pair.server.session, pair.server.seen.get(1)?.stream ?? stream, []);
    for (const frame of pumped(pair.server.session, 1)) give(pair.agent, frame);
    expect(pumped(pair.agent.session, 100)).toEqual([]);
    expect(pumpDueMs(pair.agent.session)).toBe(100 + pair.limits.ackDelayMs);
    expect(pumped(pair.agent.session, 124)).toEqual([]);
    expect(pumped(pair.agent.session, 125).map((bytes) => bytes[0])).toEqual([FRAME.credit]);
    expect(pumpDueMs(pair.agent.session)).toBe(Number.POSITIVE_INFINITY);
  });

  it("have a timer at the time when they go, armed once, and none when they are gone", () => {
    const pair = createPair();
    const stream = accepted(pair, 1);
    sendEnd(pair.server.session, pair.server.seen.get(1)?.stream ?? stream, []);
    for (const frame of pumped(pair.server.session, 1)) give(pair.agent, frame);
    const timers = createTimers<string>();
    const timer = createTimer("pump");
    const out = new Outbox<SendPacket>();
    for (const nowMs of [100, 110]) pumpAndArm(pair.agent.session, timers, timer, nowMs, out);
    expect(isArmed(timer)).toBe(true);
    expect(timer.atMs).toBe(100 + pair.limits.ackDelayMs);
    expect(timers.armed).toBe(1);
    expect(out.count).toBe(0);
    pumpAndArm(pair.agent.session, timers, timer, timer.atMs, out);
    expect(out.count).toBe(1);
    expect(isArmed(timer)).toBe(false);
  });

  it("go out together as soon as there are 64", () => {
    const pair = createPair();
    for (let id = 1; id <= 64; id++) {
      const stream = open(pair, id);
      sendEnd(pair.server.session, stream, []);
    }
    for (const frame of pumped(pair.server.session, 1)) give(pair.agent, frame);
    const [told, ...more] = pumped(pair.agent.session, 1);
    expect(more).toEqual([]);
    expect(told).toHaveLength(12 + 64 * 16);
  });

  it("keep what small frames cost their sender bounded", () => {
    const pair = createPair();
    const { session } = pair.agent;
    const stream = accepted(pair, 1);
    sendHead(session, stream, 200, []);
    for (let count = 0; count < 1_000; count++) {
      sendBody(session, stream, Uint8Array.of(count));
      flushStream(session, stream);
      run(pair);
      expect(stream.send.next - stream.send.acked).toBeLessThanOrEqual(64);
    }
  });
});

/**
 * One download over a path that takes one round per direction: what is sent in a round arrives in the next. Returns the window after so
 * many rounds.
 */
function windowAfter(rounds: number, passOn: (bytes: number) => number, linkBytes = 2 ** 40): number {
  const pair = createPair({ socketBytesMax: 64 * 1_024 * KIB });
  const { session } = pair.agent;
  const stream = accepted(pair, 1);
  const here = pair.server.seen.get(1)?.stream ?? stream;
  pair.server.react = () => {};
  sendHead(session, stream, 200, []);
  const chunk = pattern(1_024 * KIB, 1);
  let toServer: Uint8Array[] = [];
  let toAgent: Uint8Array[] = [];
  for (let round = 0; round < rounds; round++) {
    while (stream.send.queuedBytes < 40 * 1_024 * KIB) sendBody(session, stream, chunk);
    const up = [...toServer, ...quickly(session)];
    const down = quickly(pair.server.session);
    let budget = linkBytes;
    while (up.length > 0 && budget > 0) {
      const frame = up.shift() ?? new Uint8Array();
      budget -= frame.length;
      give(pair.server, frame);
    }
    toServer = up;
    for (const frame of toAgent) give(pair.agent, frame);
    toAgent = down;
    const { receivedBytes, consumedBytes } = here.receive;
    consume(pair.server.session, here, Math.min(passOn(receivedBytes), receivedBytes) - consumedBytes);
    // Only counters are looked at.
    pair.server.seen.get(1)?.body.splice(0);
  }
  return here.receive.windowBytes;
}

function quickly(session: Session): Uint8Array[] {
  const frames: Uint8Array[] = [];
  pump(session, 1, {
    push: (effect) => frames.push(new Uint8Array(Buffer.concat([effect.header, ...effect.body]))),
  });
  onSessionFlushed(session, session.unsentBytes);
  return frames;
}

describe("a window", () => {
  it("grows to its limit while a fast reader is held back by the round trip alone", () => {
    expect(windowAfter(45, (received) => received)).toBe(16 * 1_024 * KIB);
  });

  it("stays as it is while a reader stands still or is slow", () => {
    expect(windowAfter(30, () => 0)).toBe(agentLimits.windowBytes);
    let allowed = 0;
    expect(windowAfter(60, () => (allowed += 8 * KIB))).toBe(agentLimits.windowBytes);
  });

  it("is never measured for bodies that fit into a quarter of it", () => {
    const pair = createPair();
    pair.server.react = (received) => consumeAll(pair.server, received);
    for (let id = 1; id <= 50; id++) respond(pair.agent.session, accepted(pair, id), 50 * KIB);
    run(pair);
    expect(pair.server.session.round).toBe(0);
  });
});
