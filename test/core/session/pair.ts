/** Two sessions on a fake wire, with the smallest possible server and agent around them, which remember all that came. */

import type { SocketId } from "../../../core/ids.ts";
import { agentLimits } from "../../../core/limits.ts";
import { Outbox } from "../../../core/outbox.ts";
import { checkSession } from "../../../core/session/check.ts";
import { consume } from "../../../core/session/credit.ts";
import { attachSession, detachSession } from "../../../core/session/life.ts";
import type { SessionLimits } from "../../../core/session/limits.ts";
import { onSessionFlushed, pump, pumpDueMs } from "../../../core/session/pump.ts";
import { type Received, receiveFrame } from "../../../core/session/receive.ts";
import { openStream } from "../../../core/session/send.ts";
import { createSession, type SendPacket, type Session, type Stream } from "../../../core/session/state.ts";

/** What one end was given of one exchange. */
export type Seen = {
  stream: Stream;
  opened: number;
  interims: number[];
  heads: number[];
  headers: string[];
  body: number[];
  ends: number;
  trailers: string[];
  resets: string[];
  forgotten: number;
};

export type Side = {
  readonly session: Session;
  readonly seen: Map<number, Seen>;
  /** Called with what came; a test's owner. */
  react: (received: Received) => void;
  readonly draining: { count: number };
};

export type Pair = {
  readonly server: Side;
  readonly agent: Side;
  readonly limits: SessionLimits;
  readonly toAgent: Uint8Array[];
  readonly toServer: Uint8Array[];
  /** How many frames each way get through before the wire is cut, and how many have. */
  cutToAgent: number;
  cutToServer: number;
  doneToAgent: number;
  doneToServer: number;
  nowMs: number;
  sockets: number;
};

export const limitsOf = (some: Partial<SessionLimits> = {}): SessionLimits => ({ ...agentLimits, ...some });

export function createPair(some: Partial<SessionLimits> = {}, headBytesMax = 65_536): Pair {
  const limits = limitsOf(some);
  const options = { peerWindowBytes: limits.windowBytes, headBytesMax };
  const pair: Pair = {
    server: side(createSession("server", limits, options)),
    agent: side(createSession("agent", limits)),
    limits,
    toAgent: [],
    toServer: [],
    cutToAgent: Number.POSITIVE_INFINITY,
    cutToServer: Number.POSITIVE_INFINITY,
    doneToAgent: 0,
    doneToServer: 0,
    nowMs: 1,
    sockets: 0,
  };
  attach(pair, false);
  return pair;
}

/** A wire that nobody measures: what holds a piece back is what the test is about. */
export function createUnpaced(some: Partial<SessionLimits> = {}): Pair {
  const pair = createPair(some);
  for (const { session } of [pair.server, pair.agent]) session.pace.limitBytes = Number.POSITIVE_INFINITY;
  return pair;
}

function side(session: Session): Side {
  return { session, seen: new Map(), react: () => {}, draining: { count: 0 } };
}

export function attach(pair: Pair, resumed: boolean): void {
  pair.sockets++;
  pair.toAgent.length = 0;
  pair.toServer.length = 0;
  pair.doneToAgent = 0;
  pair.doneToServer = 0;
  attachSession(pair.server.session, pair.sockets as SocketId, resumed);
  attachSession(pair.agent.session, pair.sockets as SocketId, resumed);
}

export function detach(pair: Pair): void {
  detachSession(pair.server.session);
  detachSession(pair.agent.session);
}

export const REQUEST = {
  upgrade: false,
  method: "POST",
  target: "/a?b=%20c",
  peer: "192.0.2.1",
  headers: ["X-A", "1", "x-a", "2", "Set-Cookie", "\u00e9"],
};

export function open(pair: Pair, id: number): Stream {
  const stream = openStream(pair.server.session, id, REQUEST);
  pair.server.seen.set(id, newSeen(stream));
  return stream;
}

function newSeen(stream: Stream): Seen {
  return {
    stream,
    opened: 0,
    interims: [],
    heads: [],
    headers: [],
    body: [],
    ends: 0,
    trailers: [],
    resets: [],
    forgotten: 0,
  };
}

/** What a session orders now, as whole messages; nothing is counted as flushed. */
export function pumped(session: Session, nowMs: number): Uint8Array[] {
  const out = new Outbox<SendPacket>();
  const frames: Uint8Array[] = [];
  pump(session, nowMs, out);
  out.drain((effect) => frames.push(new Uint8Array(Buffer.concat([effect.header, ...effect.body]))));
  checkSession(session);
  return frames;
}

/** Gives a frame to one end and remembers what it comes to. */
export function give(side: Side, bytes: Uint8Array): Received {
  const received = receiveFrame(side.session, bytes);
  checkSession(side.session);
  remember(side, received);
  side.react(received);
  checkSession(side.session);
  return received;
}

/** Runs until neither end has anything to say, time included. Everything is flushed at once and consumed by `react`. */
export function run(pair: Pair): void {
  for (let turns = 0; turns < 100_000; turns++) {
    const moved = step(pair);
    if (moved) continue;
    const dueMs = Math.min(pumpDueMs(pair.server.session), pumpDueMs(pair.agent.session));
    if (dueMs === Number.POSITIVE_INFINITY) return;
    pair.nowMs = Math.max(pair.nowMs, dueMs);
  }
  throw new Error("the pair does not come to rest");
}

/** One frame each way. */
export function step(pair: Pair): boolean {
  collect(pair);
  let moved = false;
  const down = pair.toAgent.shift();
  if (down !== undefined) {
    moved = true;
    if (pair.doneToAgent++ < pair.cutToAgent) give(pair.agent, down);
  }
  collect(pair);
  const up = pair.toServer.shift();
  if (up !== undefined) {
    moved = true;
    if (pair.doneToServer++ < pair.cutToServer) give(pair.server, up);
  }
  return moved;
}

function collect(pair: Pair): void {
  collectOne(pair, pair.server.session, pair.toAgent);
  collectOne(pair, pair.agent.session, pair.toServer);
}

function collectOne(pair: Pair, session: Session, into: Uint8Array[]): void {
  for (;;) {
    const frames = pumped(session, pair.nowMs);
    if (frames.length === 0) return;
    for (const frame of frames) {
      into.push(frame);
      onSessionFlushed(session, frame.length);
    }
  }
}

function remember(side: Side, received: Received): void {
  switch (received.type) {
    case "opened": {
      const seen = side.seen.get(received.stream.id) ?? newSeen(received.stream);
      side.seen.set(received.stream.id, seen);
      seen.stream = received.stream;
      seen.opened++;
      seen.headers.push(...received.head.headers);
      takePiece(seen, received);
      break;
    }
    case "interim":
      side.seen.get(received.stream.id)?.interims.push(received.status);
      break;
    case "piece": {
      const seen = side.seen.get(received.stream.id);
      if (seen === undefined) throw new Error("a piece of an exchange that nobody opened");
      if (received.head !== null) {
        seen.heads.push(received.head.status);
        seen.headers.push(...received.head.headers);
      }
      takePiece(seen, received);
      break;
    }
    case "reset":
      side.seen.get(received.stream.id)?.resets.push(received.code);
      break;
    case "resumed":
      for (const stream of received.forgotten) {
        const seen = side.seen.get(stream.id);
        if (seen !== undefined) seen.forgotten++;
      }
      break;
    case "draining":
      side.draining.count++;
      break;
    case "violation":
    case "broken":
      throw new Error(`${side.session.role}: ${received.detail}`);
    case "nothing":
  }
}

function takePiece(
  seen: Seen,
  piece: { readonly body: Uint8Array; readonly last: boolean; readonly trailers: readonly string[] },
): void {
  for (const byte of piece.body) seen.body.push(byte);
  if (piece.last) seen.ends++;
  seen.trailers.push(...piece.trailers);
}

/** Passes on at once what came. */
export function consumeAll(side: Side, received: Received): void {
  if (received.type === "opened" || received.type === "piece") {
    consume(side.session, received.stream, received.body.length);
  }
}

/** Bytes that differ by place, so that a swap or a repetition shows. */
export function pattern(length: number, salt: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let index = 0; index < length; index++) bytes[index] = (index * 31 + salt * 7 + (index >> 8)) & 0xff;
  return bytes;
}
