/** What the agent knows: plain data, changed in place by the steps and by nothing else. */

import type { CallId, ExchangeId, SocketId } from "../ids.ts";
import { createPrng, type Prng } from "../prng.ts";
import { arm, createTimer, createTimers, type Timer, type Timers } from "../timers.ts";
import type { WireId } from "../wire/packet.ts";
import type { AgentConfig } from "./config.ts";

/** Whose deadline a timer is. */
export type TimerOwner =
  | { readonly kind: "life" }
  | { readonly kind: "heartbeat" }
  | { readonly kind: "origin"; readonly exchange: ExchangeId }
  | { readonly kind: "fill"; readonly exchange: ExchangeId };

/** Where the agent is on its way to a tunnel, or away from it. `life.ts` has the transitions. */
export type Life =
  /** Until the next attempt is due. */
  | { readonly phase: "waiting" }
  /** Asking for a client token. */
  | { readonly phase: "registering"; readonly call: CallId }
  /** Asking for a signature token. */
  | { readonly phase: "signing"; readonly call: CallId }
  | { readonly phase: "connecting"; readonly socket: SocketId }
  | { readonly phase: "connected"; readonly tunnel: Tunnel }
  /** Still connected; takes nothing new and finishes what runs. */
  | { readonly phase: "draining"; readonly tunnel: Tunnel }
  /** The closing handshake is under way. */
  | { readonly phase: "closing"; readonly socket: SocketId }
  | { readonly phase: "stopped" };

/** The open socket with all that lives and dies with it: no exchange outlives its tunnel. */
export type Tunnel = {
  readonly socket: SocketId;
  readonly openedMs: number;
  readonly heartbeat: Timer<TimerOwner>;
  /** When the server last gave a sign of life; later than that where a stall of our own excuses it. */
  heardMs: number;
  nextPingMs: number;
  readonly exchanges: Map<ExchangeId, Exchange>;
  /** The same exchanges by the server's id. */
  readonly byWireId: Map<WireId, Exchange>;
  /** Ordered to be sent and not yet flushed. */
  unsentBytes: number;
  /** Whether `unsentBytes` has been above the high mark and not yet at the low one: then no origin is read. */
  congested: boolean;
  /** The exchange that was resumed first the last time: the next time another one is. */
  resumedFirst: number;
};

/** One request frame and its response, from the frame to the last packet. `exchange.ts` has the rules. */
export type Exchange = {
  readonly id: ExchangeId;
  readonly wireId: WireId;
  readonly method: string;
  /** What the visitor would like to get; decides the form of a problem. */
  readonly accept: string | null;
  /** Until the head: its deadline. From then on: the deadline of the next body bytes. */
  readonly originTimer: Timer<TimerOwner>;
  /** Whether the origin's head has come. */
  headed: boolean;
  /** Whether the response has a body at all (RFC 9112 section 6.3); what comes is dropped where it has none. */
  hasBody: boolean;
  /** Body bytes that are still to come by the origin's content-length; null where it declared none. */
  bodyLeft: number | null;
  /** When the origin last gave body bytes, or was last allowed to. */
  originHeardMs: number;
  paused: boolean;
  /** The encoded header of packet 1 until that packet is sent. */
  firstHeader: Uint8Array | null;
  packetsSent: number;
  /** Body bytes that wait to fill a packet: at most one packet's, and for `packetFillMs` at most. */
  held: Uint8Array[];
  heldBytes: number;
  readonly fillTimer: Timer<TimerOwner>;
};

/** Plain sums since the start, for metrics and checks. */
export type AgentCounters = {
  /** Requests that were given to the origin. */
  exchangesStarted: number;
  /** How they ended: the last packet was sent, */
  exchangesCompleted: number;
  /** the origin failed or its answer cannot be carried, */
  exchangesFailed: number;
  /** the server said ABORT, */
  exchangesAborted: number;
  /** or their tunnel was lost. */
  exchangesLost: number;
  /** Requests that were answered without the origin. */
  exchangesRefused: number;
  /** Response body bytes that were sent. */
  bytesSent: number;
  /** Tunnels that came up. */
  connects: number;
  /** Things from the server that the protocol has no place for. */
  protocolErrors: number;
};

export type AgentState = {
  readonly config: AgentConfig;
  nowMs: number;
  readonly timers: Timers<TimerOwner>;
  life: Life;
  /** Deadline of the life's phase; disarmed while connected and when stopped. */
  readonly lifeTimer: Timer<TimerOwner>;
  clientToken: string | null;
  /** Kept over reconnects; null when none was fetched, or the last one was refused. */
  signatureToken: string | null;
  /** Attempts in a row that led to no lasting tunnel. */
  failures: number;
  /** Handles are counted from 1 and never used twice. */
  callsMade: number;
  socketsMade: number;
  exchangesMade: number;
  readonly jitter: Prng;
  readonly counters: AgentCounters;
};

export function createState(config: AgentConfig): AgentState {
  const state: AgentState = {
    config,
    nowMs: 0,
    timers: createTimers(),
    life: { phase: "waiting" },
    lifeTimer: createTimer({ kind: "life" }),
    clientToken: config.clientToken,
    signatureToken: null,
    failures: 0,
    callsMade: 0,
    socketsMade: 0,
    exchangesMade: 0,
    jitter: createPrng(config.seed),
    counters: {
      exchangesStarted: 0,
      exchangesCompleted: 0,
      exchangesFailed: 0,
      exchangesAborted: 0,
      exchangesLost: 0,
      exchangesRefused: 0,
      bytesSent: 0,
      connects: 0,
      protocolErrors: 0,
    },
  };
  arm(state.timers, state.lifeTimer, 0);
  return state;
}

/** The tunnel, while there is one that may be sent on. */
export function tunnelOf(state: AgentState): Tunnel | null {
  const { life } = state;
  return life.phase === "connected" || life.phase === "draining" ? life.tunnel : null;
}
