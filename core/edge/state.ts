/** What the edge knows of connections: plain data, changed in place by the steps. */

import type { HeaderList } from "../http/headers.ts";
import type { IpBlock } from "../http/ip.ts";
import type { ProblemResponse } from "../http/problem.ts";
import type { RequestHead, RequestReader } from "../http1/request-reader.ts";
import type { Asked } from "../http1/response-writer.ts";
import { IdTable } from "../id-table.ts";
import type { ConnectionId, ExchangeId } from "../ids.ts";
import { Lineup, type Place } from "../lineup.ts";
import type { Queue } from "../queue.ts";
import { Tally } from "../tally.ts";
import { createTimers, type Timer, type Timers } from "../timers.ts";
import type { ExchangeOrder } from "./events.ts";
import type { EdgeLimits } from "./limits.ts";

export type EdgeConfig = {
  readonly limits: EdgeLimits;
  /** Proxies that bring many visitors from one address. */
  readonly trustedProxies: readonly IpBlock[];
  /** Now, as the field `Date` has it (RFC 9110 section 5.6.7). */
  readonly date: () => string;
  /** The number of the next exchange, where another edge counts its own besides; this one's count where left out. */
  readonly nextExchange?: () => ExchangeId;
  /**
   * Where it is other nodes that connect: they bring visitors' requests, and no handshake that is this server's to answer.
   * `farewell`: the fields of a response (421) by which they know that a request was not taken in.
   */
  readonly forPeers?: { readonly farewell: HeaderList };
};

/**
 *   reading --> lingering --> closed
 *      |
 *      +--> handed <--> (upgrade) --> closed
 *
 * reading: requests come and responses go. lingering: our side has ended; what comes is read and dropped until the visitor
 * closes too. handed: somebody else has it. upgrade: one exchange has it, raw bytes both ways after its 101. closed: it was
 * ordered to be destroyed, or is gone.
 */
export type ConnectionPhase = "reading" | "lingering" | "handed" | "upgrade" | "closed";

export type EdgeConnection = {
  readonly id: ConnectionId;
  readonly peer: string;
  /** Whose share of the connections it takes; null where its address has no bound. */
  readonly address: string | null;
  readonly reader: RequestReader;
  readonly timer: Timer<ConnectionId>;
  /** What the timer is armed for; null where it is not. */
  waitsFor: Patience | null;
  phase: ConnectionPhase;
  /** Exchanges in the order of their requests, which is that of the responses (RFC 9112 section 9.3.2). */
  readonly turns: Turn[];
  /** Whose request is being read: its head is known, and its end has not come. */
  incoming: Turn | null;
  /** Whether a request's head has come. */
  asked: boolean;
  /** Whether no further request is taken: the last response is known, or the last request. */
  sealed: boolean;
  /** Writes that have not left for the kernel, oldest first; how much of the oldest has left already. */
  readonly writes: Queue<Write>;
  leftBytes: number;
  /** The handshake that was handed over, until it comes back. */
  handshake: RequestHead | null;
  /** Goes out when all turns before it are over; the connection ends with it. */
  lastAnswer: ProblemResponse | null;
  /** What came before it was wanted, oldest first, beyond what the reader has; what it counts for. */
  readonly ahead: Queue<Uint8Array>;
  aheadBytes: number;
  /** How much further than `readAheadBytes` it may be read. */
  grantedBytes: number;
  /** What has come since its next look was fixed. */
  readBytes: number;
  /** When it is looked at next, or its look ends. */
  lookMs: number;
  /** How many bytes of its next answer have gone out before that was known (`answer-start.ts`). */
  startBytes: number;
  /** Whether the answer to its next request was counted beforehand as one that no home gave. */
  prepaid: boolean;
  /** Where it stands in the edge's lines of the same names, and in that of its address's pace. */
  readonly places: Readonly<Record<LineName, Place<EdgeConnection>>>;
  /** Whether the adapter was told to stop reading. */
  paused: boolean;
  /** Whether the visitor has ended his side. */
  ended: boolean;
};

export type LineName = "idle" | "unread" | "unseen" | "looking" | "wanted" | "pipelined" | "held";

/**
 * For the end of a head; for another request; for the rest of a body that nobody wants; for the visitor's end; for either end
 * when the listener is closed.
 */
export type Patience = "head" | "idle" | "rest" | "linger" | "parting";

export type Write = {
  readonly wireBytes: number;
  /** Whose body these are bytes of, and how many of them; null where they are nobody's. */
  readonly turn: Turn | null;
  readonly bodyBytes: number;
};

/** One exchange's place on its connection. */
export type Turn = Asked & {
  readonly exchange: ExchangeId;
  readonly connection: EdgeConnection;
  readonly upgrade: boolean;
  readonly expectsContinue: boolean;
  /** Whether its visitor may be told to go on without having asked: he sends a body, and was not told before. */
  mayBeToldOn: boolean;
  /** Whether the server wants the body, and `100 Continue` with it; whether it wants no more of it for the moment. */
  reads: boolean;
  pausedBody: boolean;
  /** Whether the request was read to its end. */
  requestDone: boolean;
  /** What the server ordered before the response's turn had come. */
  orders: ExchangeOrder[];
  /** How far the response is: its head is out, or its 101; all of it was ordered. */
  response: "none" | "body" | "raw" | "ended";
  framing: "chunked" | "plain" | "none";
  /** Whether the connection ends with the response. */
  closes: boolean;
  /** Ordered to be cut: the connection is destroyed when the turn comes. */
  cut: boolean;
  /** Whether the server was told its last event. */
  over: boolean;
  /** Whether its answer was counted beforehand as one that no home gave. */
  prepaid: boolean;
};

/** What the edge knows of the pace of one address. */
export type Pace = {
  readonly address: string;
  /** How full the bucket was, and when; it leaks since. */
  level: number;
  atMs: number;
  /** Connections that are held, the one that has waited longest first. */
  readonly held: Lineup<EdgeConnection>;
  /** Armed while any is held, for when the bucket has room. */
  readonly timer: Timer<string>;
};

export type Edge = {
  /** Replaced as a whole where others are trusted. */
  config: EdgeConfig;
  nowMs: number;
  readonly timers: Timers<ConnectionId>;
  readonly connections: IdTable<ConnectionId, EdgeConnection>;
  readonly turns: IdTable<ExchangeId, Turn>;
  /** Connections that wait for another request, the one that has waited longest first. */
  readonly idle: Lineup<EdgeConnection>;
  /** Connections that are not read, or were not a moment ago, the one that is looked at next first. */
  readonly unread: Lineup<EdgeConnection>;
  /** Those of them whose look waits for room, the one that has waited longest first. */
  readonly unseen: Lineup<EdgeConnection>;
  /** Connections that are read further because they are looked at, the one whose look ends next first. */
  readonly looking: Lineup<EdgeConnection>;
  /** What all connections together were granted, and those of each address. */
  grantedBytes: number;
  readonly grantedByAddress: Map<string, number>;
  /** Whether a look may find room that found none before. */
  looksMayFit: boolean;
  /** Connections of which something that was read ahead is wanted: they go on with the next tick, which is due. */
  readonly wanted: Lineup<EdgeConnection>;
  /** Connections with a request that stands behind another one, the one that has waited longest first; each tick takes some. */
  readonly pipelined: Lineup<EdgeConnection>;
  /** Of addresses that got answers which no home gave, and how many of them were left when they were last looked through. */
  paces: Map<string, Pace>;
  pacesKept: number;
  readonly paceTimers: Timers<string>;
  /** Connections by address. */
  readonly addresses: Tally;
  exchangesOpened: number;
  /** Whether each response is to be its connection's last. */
  responsesClose: boolean;
  /** Whether no connection is to take another request. */
  closing: boolean;
  /** Whether the last visitor may be gone since that was looked at; whether the server was told. */
  partingNews: boolean;
  isGoneTold: boolean;
};

export function createEdgeState(config: EdgeConfig): Edge {
  return {
    config,
    nowMs: 0,
    timers: createTimers(),
    connections: new IdTable(),
    turns: new IdTable(),
    idle: new Lineup(({ places }) => places.idle),
    unread: new Lineup(({ places }) => places.unread),
    unseen: new Lineup(({ places }) => places.unseen),
    looking: new Lineup(({ places }) => places.looking),
    grantedBytes: 0,
    grantedByAddress: new Map(),
    looksMayFit: false,
    wanted: new Lineup(({ places }) => places.wanted),
    pipelined: new Lineup(({ places }) => places.pipelined),
    paces: new Map(),
    pacesKept: 0,
    paceTimers: createTimers(),
    addresses: new Tally(),
    exchangesOpened: 0,
    responsesClose: false,
    closing: false,
    partingNews: false,
    isGoneTold: false,
  };
}
