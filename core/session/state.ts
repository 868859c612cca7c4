/**
 * What of the native protocol survives the loss of a socket: the session of one agent with one server, the same at both
 * ends (`../wire/native.md`). It holds a stream for each exchange, and for each of its two directions what is queued, what
 * was sent and is not acknowledged, and how far the other side may go.
 *
 * `send.ts` queues, `pump.ts` forms frames and gives them to the socket by turns, as fast as `pace.ts` says, `receive.ts` takes the other side's
 * frames, `credit.ts` decides how much may come, `budget.ts` how much of all together, `life.ts` begins and ends a socket and takes up where the one before
 * ended. Nothing goes out but by `pump`. The owner, server or agent, knows what an exchange is; the session does not.
 */
import { assert } from "../assert.ts";
import type { SocketEffect } from "../effects.ts";
import type { HeaderList } from "../http/headers.ts";
import { IdTable } from "../id-table.ts";
import type { SocketId } from "../ids.ts";
import { createQueue, type Queue } from "../queue.ts";
import { PIECE_BODY_BYTES_MAX } from "../wire/native.ts";
import type { NativeRequestHead, NativeResponseHead } from "../wire/native-head.ts";
import type { SessionLimits } from "./limits.ts";
import { createPace, type Pace } from "./pace.ts";

export type SendPacket = Extract<SocketEffect, { type: "socket_send_packet" }>;

/** Where pump puts its packets: the outbox of the server or the agent. */
export type PacketOutbox = { push(effect: SendPacket): void };

/** A numbered frame that went out and may have to again, with the same bytes. */
export type SentFrame = {
  readonly header: Uint8Array;
  readonly body: readonly Uint8Array[];
  readonly bytes: number;
};

/** One direction of an exchange, at the end that sends. Numbers count frames and grow beyond 2^32; the wire shows the rest. */
export type SendHalf = {
  /** Queued interim responses, before the head. */
  readonly interims: Queue<NativeResponseHead>;
  /** The head while it is queued. */
  head: NativeRequestHead | NativeResponseHead | null;
  /** The head was given, queued or sent. */
  headed: boolean;
  /** Queued body; the first part loses its beginning when a frame takes only some of it. */
  readonly parts: Queue<Uint8Array>;
  queuedBytes: number;
  /** Whether what is queued may go out although it does not fill a frame. */
  flushed: boolean;
  /** `sendEnd` was called: nothing is queued after it. */
  ended: boolean;
  trailers: HeaderList;
  /** The frame with `last`, or a reset, was formed: nothing is formed after it. */
  finished: boolean;
  /** Number of the frame that is formed next. */
  next: number;
  /** All frames below it are acknowledged. */
  acked: number;
  /** The frames from `acked` to `next`; none any more once the exchange was reset. */
  readonly sent: Queue<SentFrame>;
  retainedBytes: number;
  /** The next frame to go out again after a resumption, `next` when none has to. */
  resend: number;
  sentBytes: number;
  /** How far `sentBytes` may go. */
  limit: number;
};

/** One direction of an exchange, at the end that receives. Outlives its stream while there is something to tell of it. */
export type ReceiveHalf = {
  readonly id: number;
  /** Number of the frame that is expected next, which acknowledges those below it. */
  received: number;
  /** How far the other side was told, or is about to be told, that it may go with `receivedBytes`. */
  limit: number;
  /** Body that came. */
  receivedBytes: number;
  /** Body that was passed on. */
  consumedBytes: number;
  /** Whether it is in the session's `tells`. */
  tellQueued: boolean;
  /** Frames and body bytes that the other side knows to have come, and how far it may go by what it was told. */
  toldFrames: number;
  toldBytes: number;
  toldLimit: number;
  /** What may be under way or held for the owner. */
  windowBytes: number;
  /** The final head came. */
  headed: boolean;
  /** Interim responses that came. */
  interims: number;
  /** The last frame came, or the exchange is over: until then it has a part in the session's budget. */
  ended: boolean;
  /** Its part of the session's `counted`. */
  countedAs: keyof Counted;
  countedBytes: number;
  /** Its place in the session's `flowing`, and the periods in which it began to flow and last moved. */
  flowAt: number;
  flowsFrom: number;
  movedIn: number;
  /** What it makes use of while it flows, and `receivedBytes` when that was measured. */
  usedBytes: number;
  measuredBytes: number;
  /** It is one of the session's `busy`. */
  isBusy: boolean;
  /** The round trip that is measured, and what was passed on when this exchange first took part in it. */
  round: number;
  roundBytes: number;
};

/** Bytes beyond the least window of each: what is held by those that stand still, and used by those that flow (`budget.ts`). */
export type Counted = { still: number; newcomers: number; readers: number };

export type Stream = {
  /** Number of the exchange on the wire. */
  readonly id: number;
  readonly send: SendHalf;
  readonly receive: ReceiveHalf;
  /**
   * `reset`: this end has ended the exchange and holds it until the other side says that it knows.
   * `gone`: forgotten; all operations on it do nothing.
   */
  phase: "open" | "reset" | "gone";
  /** The code while the phase is `reset`. */
  resetCode: string;
  /** Set by the owner when it paused what fills this stream; `pump` lists the stream in `relieved` and clears it. */
  sourcePaused: boolean;
  /** Something of the other side about this exchange came, so that it must have arrived there. */
  heard: boolean;
  /** In which ring of the scheduler it is. */
  ring: "none" | "fresh" | "bulk";
  /** Bytes sent since it came into a ring. */
  turnBytes: number;
  /** The resumption in which the other side last named it. */
  named: number;
};

export type Session = {
  readonly role: "server" | "agent";
  readonly limits: SessionLimits;
  readonly options: SessionOptions;
  readonly streams: IdTable<number, Stream>;
  /** Where frames go; null while detached. */
  socket: SocketId | null;
  /** Ordered on this socket and not yet flushed. */
  unsentBytes: number;
  /** Streams whose paused source may go on, filled by `pump`, emptied by the owner. */
  readonly relieved: Stream[];
  /** Agent: large parts of bodies that nobody will ask for again, for the owner to give back. */
  readonly finishedParts: Uint8Array[];
  /** Where headers of frames are cut from, up to `slabUsed`. */
  slab: Uint8Array;
  slabUsed: number;
  readonly counters: SessionCounters;
  /** Sums of all streams. */
  queuedBytes: number;
  retainedBytes: number;
  /** What all bodies that are being received count. */
  readonly counted: Counted;
  /** Those of them that moved in this period or the one before, in no order. */
  readonly flowing: ReceiveHalf[];
  /** How many of the newcomers make use of the least window or more. */
  busy: number;
  /** Periods are counted; the first `passTime` from this time on ends one. */
  period: number;
  periodEndMs: number;
  /** Streams with something to send: those that just began, and those that have had their first frame's worth. */
  readonly fresh: Queue<Stream>;
  readonly bulk: Queue<Stream>;
  /** Streams whose reset has to go out. */
  readonly resets: Queue<Stream>;
  /** Acknowledgements and credit that have to be told; whether the other side may be waiting for one of them. */
  readonly tells: ReceiveHalf[];
  tellNow: boolean;
  /** When a lone acknowledgement has waited long enough; Infinity when none waits. */
  tellDueMs: number;
  /** Own resume frame has to go out on this socket. */
  resumeDue: boolean;
  /** The other side's resume frame has to come on this socket before anything else goes either way. */
  resumeAwaited: boolean;
  resumptions: number;
  draining: boolean;
  drainDue: boolean;
  /** Agent: the word that there is another link has to go out. */
  movedDue: boolean;
  /** The ping that has to be answered, only the newest. */
  pong: Uint8Array | null;
  /** How much may be under way on the socket. */
  readonly pace: Pace;
  /** Pings that went out, each with its number, and the newest of them whose pong came. */
  pings: number;
  ponged: number;
  /** The round trip that is measured, counted; the number of its ping. */
  round: number;
  roundPing: number;
  /** Whether its ping has to go out, and whether its pong is awaited. */
  pingDue: boolean;
  pongAwaited: boolean;
  /** Streams that take part in the measured round trip. */
  readonly rounders: Stream[];
};

export type SessionOptions = {
  /** Server: `windowBytes` of the agent's hello, the credit of each request's body. */
  readonly peerWindowBytes: number;
  /** Server: a response head or trailer section above this is `broken`. */
  readonly headBytesMax: number;
};

export type SessionCounters = {
  /** Frames for exchanges that are not known, dropped. */
  stray: number;
  /** Frames that came again after a resumption, dropped. */
  duplicates: number;
  /** Frames sent again after a resumption. */
  resent: number;
  /** Interim responses beyond `interimsMax`, dropped. */
  interimsDropped: number;
};

/** The server gives both options, the agent none. */
export function createSession(
  role: "server" | "agent",
  limits: SessionLimits,
  options: SessionOptions = { peerWindowBytes: 0, headBytesMax: Number.POSITIVE_INFINITY },
): Session {
  assert(limits.frameBytesMax <= PIECE_BODY_BYTES_MAX, "frameBytesMax is above what a piece may have");
  return {
    role,
    limits,
    options,
    streams: new IdTable(),
    socket: null,
    unsentBytes: 0,
    relieved: [],
    finishedParts: [],
    slab: EMPTY,
    slabUsed: 0,
    counters: { stray: 0, duplicates: 0, resent: 0, interimsDropped: 0 },
    queuedBytes: 0,
    retainedBytes: 0,
    counted: { still: 0, newcomers: 0, readers: 0 },
    flowing: [],
    busy: 0,
    period: 0,
    periodEndMs: 0,
    fresh: createQueue(),
    bulk: createQueue(),
    resets: createQueue(),
    tells: [],
    tellNow: false,
    tellDueMs: Number.POSITIVE_INFINITY,
    resumeDue: false,
    resumeAwaited: false,
    resumptions: 0,
    draining: false,
    drainDue: false,
    movedDue: false,
    pong: null,
    pace: createPace(),
    pings: 0,
    ponged: 0,
    round: 0,
    roundPing: 0,
    pingDue: false,
    pongAwaited: false,
    rounders: [],
  };
}

const EMPTY = new Uint8Array(0);

/** What all bodies that are being received count together. */
export function countedBytes({ counted }: Session): number {
  return counted.still + counted.newcomers + counted.readers;
}

/** Bytes held for all streams: queued, and sent but not acknowledged. */
export function heldBytes(session: Session): number {
  return session.queuedBytes + session.retainedBytes;
}
