/** What the client knows of its connections and the exchanges on them: plain data, changed in place. */
import { assert } from "../assert.ts";
import type { HeaderList } from "../http/headers.ts";
import type { ConnectionEffect, ConnectionFault } from "../http1/events.ts";
import type { ResponseReader } from "../http1/response-reader.ts";
import { IdTable } from "../id-table.ts";
import type { ConnectionId, ExchangeId } from "../ids.ts";
import { createQueue, type Queue } from "../queue.ts";
import type { Timer, Timers } from "../timers.ts";

/** Whose deadline a timer of the client's is: that of being connected, or of being idle. */
export type ConnectionTimerOwner = { readonly kind: "connection"; readonly connection: ConnectionId };

export type ConnectionOutbox = { push(effect: ConnectionEffect): void };

export type ClientLimits = { readonly [Name in keyof typeof clientLimits]: number };

export const clientLimits = {
  /** From the attempt to connect to a connection that can be written to, TLS included. */
  connectMs: 10_000,
  /**
   * Idle connections are closed before most origins do: gunicorn closes its own after 2 seconds, Node after 5, nginx after 75.
   * With 0 none is kept, and requests say so.
   */
  idleMs: 1_500,
  /** However long that is, what cannot be repeated goes on no connection that was idle for longer than this. */
  idleUnrepeatableMs: 1_500,
  /** Of one origin. What a burst opened beyond these is closed when it falls idle. */
  idleConnectionsMax: 256,
  /** For this long after reading was resumed, what came meanwhile may still be unread. */
  lateMs: 5,
  /**
   * So long a request waits for a service that may serve one connection at a time before others are closed for it: longer than most
   * that serve several take to answer.
   */
  aloneMs: 100,
  /** So long a connection is idle before that: what the service answers on others at the same time is seen by then. */
  aloneIdleMs: 20,
  /** For this long after it sent something unasked, no connection to an origin is kept. */
  distrustMs: 300_000,
  /** The head of a response, and its trailers. */
  headBytesMax: 64 * 1024,
};

/** With those that the agent's operator sets. `keepAlive` is whether any connection is kept. */
export function clientLimitsOf(
  agent: { readonly connectMs: number; readonly originKeptMs: number; readonly originHeadBytesMax: number },
  keepAlive: boolean,
): ClientLimits {
  return {
    ...clientLimits,
    connectMs: agent.connectMs,
    idleMs: keepAlive ? agent.originKeptMs : 0,
    headBytesMax: agent.originHeadBytesMax,
  };
}

export type Client = {
  readonly limits: ClientLimits;
  readonly toPeers: boolean;
  /** The owner's, who has other timers in it. */
  readonly timers: Timers<unknown>;
  /** Those that requests count. */
  origins: readonly Origin[];
  originsMade: number;
  /** Those whose last event has not come and that were not closed by us. */
  readonly connections: IdTable<ConnectionId, Connection>;
  connectionsMade: number;
  /** Those whose last fact was not taken yet. */
  readonly exchanges: IdTable<ExchangeId, Exchange>;
  /** To be taken before anything more is read. */
  readonly facts: Queue<ExchangeFact>;
  /** May have something to be read. */
  readonly ready: Queue<Connection>;
};

export type Origin = {
  /** Counts all that were ever configured, from 0: connections are ordered by it. */
  readonly index: number;
  /** Goes before every target; empty or without a slash at its end. */
  readonly basePath: string;
  /** Connections without a request, the last to fall idle at the end. */
  readonly idle: Connection[];
  /** Until then none is kept; 0 where it never sent anything unasked, Infinity where it is configured no more. */
  distrustedUntilMs: number;
  /** Whether it was seen to answer on a connection while an older one was open. */
  parallel: boolean;
};

export type Connection = {
  readonly id: ConnectionId;
  readonly origin: Origin;
  readonly reader: ResponseReader;
  /** Armed until it is connected, and while it is idle. */
  readonly timer: Timer<ConnectionTimerOwner>;
  /** Whose request is on it; null while it is idle, or over. */
  exchange: Exchange | null;
  requests: number;
  /** When the latest one was begun. */
  askedMs: number;
  /** Whether it can be written to. */
  connected: boolean;
  /** What was ordered to be written and waits for another node's greeting; null where nothing waits any more. */
  unsent: (readonly (string | Uint8Array)[])[] | null;
  /** Bytes of the latest request that were ordered to be written, and those of them that have left for the kernel. */
  writtenBytes: number;
  flushedBytes: number;
  /** Writes that have not left: up to which byte each goes, and how many bytes of the body leave with it. */
  readonly writes: Queue<{ readonly endsAt: number; readonly bodyBytes: number }>;
  /** Whether anything has come since the latest request. */
  heard: boolean;
  /** Whether the adapter was told to stop reading. */
  paused: boolean;
  /** When reading was last resumed, and since when it was not free before: all that was read then may have come by that time. */
  resumedMs: number;
  heldSinceMs: number;
  /** Whether somebody's login is bound to it. */
  loginBound: boolean;
  /** Whether the origin has ended its side. */
  ended: boolean;
  /** Set with the last event. */
  closed: boolean;
  cause: ConnectionFault | null;
  /** Whether it is in the client's `ready`. */
  queued: boolean;
  /** How long it may be idle after its latest response, and since when it is. */
  idleMs: number;
  idleSinceMs: number;
};

/** One request and its response. */
export type Exchange = {
  readonly id: ExchangeId;
  readonly method: string;
  readonly upgrade: boolean;
  /** The one that its request is on. */
  connection: Connection;
  /** The head of a request that may be sent once more; null where it may not, or its answer has begun. */
  repeatableHead: string | null;
  /** Whether more of the request's body is to come, or after an upgrade, of the raw bytes. */
  streaming: boolean;
  /** Body bytes that a declared length still has room for; null where none is declared. */
  bodyBytesLeft: number | null;
  /** Whether the request shows a login that is bound to its connection. */
  readonly loginBound: boolean;
  /** Whether the origin has switched protocols. */
  upgraded: boolean;
  /** Whether the body is held back. */
  paused: boolean;
};

/** Why a request failed. */
export type ExchangeFault =
  | Exclude<ConnectionFault, "reset">
  /** The head of the response, or its trailers, are beyond their limit. */
  | "head_too_large"
  /** HTTP cannot carry the request, or what came is not HTTP. */
  | "malformed";

/** What an exchange's owner is told. Nothing follows `ended`, `failed`, or the owner's own `abort`. */
export type ExchangeFact =
  /** 1xx but 101 (RFC 9110 section 15.2). */
  | {
      readonly type: "interim";
      readonly exchange: ExchangeId;
      readonly status: number;
      readonly headers: HeaderList;
    }
  /** 101 where the origin took an upgrade; then body is what it sends, and `send` what it gets, raw. */
  | {
      readonly type: "head";
      readonly exchange: ExchangeId;
      readonly status: number;
      readonly headers: HeaderList;
    }
  /** `only`: nobody else has a view of the buffer of these bytes. */
  | {
      readonly type: "body";
      readonly exchange: ExchangeId;
      readonly bytes: Uint8Array;
      readonly only: boolean;
    }
  /** So many bytes of the request's body have left for the kernel. */
  | { readonly type: "flushed"; readonly exchange: ExchangeId; readonly bytes: number }
  /** The response is complete by its own framing. */
  | { readonly type: "ended"; readonly exchange: ExchangeId; readonly trailers: HeaderList }
  | { readonly type: "failed"; readonly exchange: ExchangeId; readonly fault: ExchangeFault };

export type ClientOptions = {
  readonly limits: ClientLimits;
  readonly timers: Timers<unknown>;
  /** One for each configured origin. */
  readonly basePaths: readonly string[];
  /** Whether it is other nodes that are asked: of what they have taken in, only their answer tells how far it came. */
  readonly toPeers?: boolean;
};

export function createClient({ limits, timers, basePaths, toPeers = false }: ClientOptions): Client {
  for (const [name, value] of Object.entries(limits)) {
    assert(Number.isSafeInteger(value) && value >= 0, `${name} is not a whole number of at least 0`);
  }
  const client: Client = {
    limits,
    toPeers,
    timers,
    origins: [],
    originsMade: 0,
    connections: new IdTable(),
    connectionsMade: 0,
    exchanges: new IdTable(),
    facts: createQueue(),
    ready: createQueue(),
  };
  configureOrigins(client, basePaths);
  return client;
}

/** From now on requests count these. Each is new, and none of those of before. */
export function configureOrigins(client: Client, basePaths: readonly string[]): void {
  client.origins = basePaths.map((basePath) => createOrigin(client, basePath));
}

/** From now on this is what requests mean by that number. It is new. */
export function configureOrigin(client: Client, number: number, basePath: string): void {
  assert(number <= client.origins.length, "an origin is configured that follows none");
  client.origins = client.origins.toSpliced(number, 1, createOrigin(client, basePath));
}

function createOrigin(client: Client, basePath: string): Origin {
  const parallel = client.toPeers;
  return { index: client.originsMade++, basePath, idle: [], distrustedUntilMs: 0, parallel };
}
