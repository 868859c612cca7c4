/** What the agent knows: plain data, changed in place by the steps and by nothing else. */
import type { Site } from "../http/site.ts";
import { IdTable } from "../id-table.ts";
import type { CallId, ExchangeId, SocketId } from "../ids.ts";
import { createPrng, type Prng } from "../prng.ts";
import type { Session, Stream } from "../session/state.ts";
import { arm, createTimer, createTimers, type Timer, type Timers } from "../timers.ts";
import type { WireId } from "../wire/packet.ts";
import type { Ways } from "../wire/ways.ts";
import type { AgentConfig } from "./config.ts";

/** Whose deadline a timer is. */
export type TimerOwner =
  | { readonly kind: "life"; readonly link: number }
  | { readonly kind: "heartbeat"; readonly socket: SocketId }
  /** The session of a link whose socket is gone is given up. */
  | { readonly kind: "grace"; readonly link: number }
  /** A session has something to send although nothing happens. */
  | { readonly kind: "pump" }
  | { readonly kind: "origin"; readonly exchange: ExchangeId }
  | { readonly kind: "fill"; readonly exchange: ExchangeId };

/** What the two ends of a request call its service. */
export type Places = {
  /** The visitor; null where the server does not tell, as MoosicBox's does not. */
  readonly visitor: Site | null;
  /** The service itself, as it is told. */
  readonly service: Site;
  /** Its index among the agent's. */
  readonly origin: number;
};

/** Where the agent is on its way to a tunnel, or away from it. `life/life.ts` has the transitions. */
export type Life =
  /** Until the next attempt is due. */
  | { readonly phase: "waiting" }
  /** Asking for a client token. */
  | { readonly phase: "registering"; readonly call: CallId }
  /** Asking for a signature token, for a server that takes no other. */
  | { readonly phase: "signing"; readonly call: CallId }
  | { readonly phase: "connecting"; readonly socket: SocketId }
  /** The socket is open and speaks the native protocol; its welcome is still to come. */
  | {
      readonly phase: "greeting";
      readonly socket: SocketId;
      /** What the hello asked to resume. */
      readonly ticket: string | null;
      helloUnsentBytes: number;
    }
  | { readonly phase: "connected"; readonly tunnel: Tunnel }
  /** Still connected; takes nothing new and finishes what runs. */
  | { readonly phase: "draining"; readonly tunnel: Tunnel }
  /** The closing handshake is under way; the agent stops with that failure. */
  | { readonly phase: "closing"; readonly socket: SocketId; readonly failure: string | null }
  | { readonly phase: "stopped" };

/** The agent's life with one server after the other, one at a time. */
export type Link = {
  readonly number: number;
  life: Life;
  /** Deadline of the life's phase; disarmed while connected and when stopped. */
  readonly lifeTimer: Timer<TimerOwner>;
  /** Of the native protocol: attached to the tunnel, or waiting for the next one; null where there is none. */
  session: AgentSession | null;
  /** Attempts in a row that led to no lasting tunnel. */
  failures: number;
  /** Until then a server is expected soon in place of one that leaves. */
  movesUntilMs: number;
  /** Which node its tunnel is to, or was; null where the server is the only one, or does not say. */
  node: string | null;
  /** Attempts in a row that led to nodes which other links are at. */
  meetings: number;
};

/** The open socket that exchanges come through. */
export type Tunnel = MoosicBoxTunnel | NativeTunnel;

/** What every tunnel has, whatever it speaks. */
export type TunnelBase = {
  readonly socket: SocketId;
  readonly openedMs: number;
  readonly heartbeat: Timer<TimerOwner>;
  /** When the server last gave a sign of life; later than that where a stall of our own excuses it. */
  heardMs: number;
  nextPingMs: number;
  /** Whether it went on with a session that is older than it. */
  readonly resumed: boolean;
};

/** One that speaks the MoosicBox protocol, with all that lives and dies with it: no exchange outlives it. */
export type MoosicBoxTunnel = TunnelBase & {
  readonly protocol: "moosicbox";
  /** The exchanges that it carries, by the server's id and in the order in which they began. */
  readonly byWireId: Map<WireId, MoosicBoxCarried>;
  /** Ordered to be sent and not yet flushed. */
  unsentBytes: number;
  /** Whether `unsentBytes` has been above the high mark and not yet at the low one: then no origin is read. */
  congested: boolean;
  /** The exchange that was resumed first the last time: the next time another one is. */
  resumedFirst: number;
};

/** One that speaks the native protocol. Its exchanges live in the session, which may outlive it. */
export type NativeTunnel = TunnelBase & {
  readonly protocol: "native";
  readonly session: AgentSession;
  /** Of the hello, which went out before the session was attached: not yet flushed. */
  helloUnsentBytes: number;
};

/** What survives the loss of a native tunnel. `native/session.ts` has its life. */
export type AgentSession = {
  readonly wire: Session;
  /** Opens the door to it once more. A secret. */
  ticket: string;
  /** For this long the server keeps it without a tunnel, and the agent a little longer. */
  graceMs: number;
  /** How long an origin may say nothing; null where the server leaves that to the agent. */
  idleMs: number | null;
  /** The exchanges that it carries, by the number of their stream. */
  readonly byStream: IdTable<number, NativeCarried>;
  /** Armed while there is no tunnel. */
  readonly graceTimer: Timer<TimerOwner>;
  readonly pumpTimer: Timer<TimerOwner>;
  /** Whether the server has said that it leaves: it will not take the session up again. */
  serverDrains: boolean;
  /** Whether the server wants to know that there is a newer link, and whether it was told. */
  takesMoved: boolean;
  isMoved: boolean;
  /** Got bytes from its origin in this step; whether that was too much is seen when as much as possible is sent. */
  fed: NativeCarried | null;
};

/** A carrier's record of one exchange, from its request to its end. */
export type Carried = MoosicBoxCarried | NativeCarried;

/** What every carrier's record has. */
export type CarriedBase = {
  readonly exchange: ExchangeId;
  readonly method: string;
  /** What the visitor would like to get; decides the form of a problem. */
  readonly accept: string | null;
  /** When the origin was last allowed to go on after a pause. */
  relievedMs: number;
  /** Armed while something waits to fill a packet or frame. */
  readonly fillTimer: Timer<TimerOwner>;
};

/** `moosicbox/packets.ts` has the rules. */
export type MoosicBoxCarried = CarriedBase & {
  readonly protocol: "moosicbox";
  readonly tunnel: MoosicBoxTunnel;
  readonly wireId: WireId;
  /** Whether the origin is paused. */
  paused: boolean;
  /** Whether all bytes of the declared length have come. */
  complete: boolean;
  /** The encoded header of packet 1 until that packet is sent. */
  firstHeader: Uint8Array | null;
  packetsSent: number;
  /** Body bytes that wait to fill a packet: at most one packet's, and for `packetFillMs` at most. */
  held: Uint8Array[];
  heldBytes: number;
};

/** `native/orders.ts` has the rules. The stream may live longer: until what it sent is acknowledged. */
export type NativeCarried = CarriedBase & {
  readonly protocol: "native";
  readonly session: AgentSession;
  /** Its `sourcePaused` is whether the origin is paused. */
  readonly stream: Stream;
  /** Whether the request asks for an upgrade. */
  readonly upgrade: boolean;
  /** Whether the origin took it: both directions carry raw bytes. */
  upgraded: boolean;
  /** Interim responses that were passed on. */
  interims: number;
  /** Whether the head is free to go out, and small pieces with it need not wait. */
  released: boolean;
};

/** One request and its response, from the server's order to its end. `exchange/` has the rules. */
export type Exchange = {
  readonly id: ExchangeId;
  readonly carried: Carried;
  /** The server's own number of it. */
  readonly requestId: WireId;
  readonly method: string;
  /** Whether the request asks for an upgrade. */
  readonly upgrade: boolean;
  /** The `Sec-WebSocket-Accept` that takes its handshake; null where it asks for no upgrade. */
  readonly accept: string | null;
  /** What visitor and service call the service; null where that is the same. */
  readonly places: Places | null;
  /** The deadline of the origin's next sign of life. */
  readonly originTimer: Timer<TimerOwner>;
  /** When the origin last gave or took something. */
  heardMs: number;
  /** Whether the whole request body has come. */
  requestEnded: boolean;
  /** Request body bytes that are still to come by its content-length; null where it declared none. */
  requestLeft: number | null;
  /** Given to the origin's connection and not yet taken by it, where the carrier wants to know. */
  unflushedBytes: number;
  /** Whether the origin's final head has come and was passed on. */
  headed: boolean;
  /** Whether the origin took the upgrade: both directions carry raw bytes. */
  upgraded: boolean;
  /** Whether the response has a body at all (RFC 9112 section 6.3); what comes is dropped where it has none. */
  hasBody: boolean;
  /** Body bytes that are still to come by the origin's content-length; null where it declared none. */
  bodyLeft: number | null;
};

/** Plain sums since the start, for metrics and checks. */
export type AgentCounters = {
  /** Requests that were given to the origin. */
  exchangesStarted: number;
  /** How they ended: the last packet was sent, */
  exchangesCompleted: number;
  /** the origin failed or its answer cannot be carried, */
  exchangesFailed: number;
  /** the server took no more of them, */
  exchangesAborted: number;
  /** or their tunnel was lost, and their session with it. */
  exchangesLost: number;
  /** Requests that were answered without the origin. */
  exchangesRefused: number;
  /** Response body bytes that were sent. */
  bytesSent: number;
  /** Tunnels that came up. */
  connects: number;
  /** Those among them that went on with a session, */
  sessionsResumed: number;
  /** and the exchanges that went on with it. */
  exchangesResumed: number;
  /** Things from the server that the protocol has no place for. */
  protocolErrors: number;
};

export type AgentState = {
  /** Replaced as a whole where settings are read anew. */
  config: AgentConfig;
  nowMs: number;
  readonly timers: Timers<TimerOwner>;
  /** The first leads: it is connected if any is. `life/links.ts` has the rules. */
  links: [Link, ...Link[]];
  /** Those whose servers leave, each with a session of its own, the oldest first. `life/older-links.ts` has the rules. */
  readonly olderLinks: NativeTunnel[];
  /** The names of the nodes that there are besides the one that last told it. */
  nodes: readonly string[];
  /** All that run, whatever carries them: those of the sessions, and of the MoosicBox tunnel. */
  readonly exchanges: IdTable<ExchangeId, Exchange>;
  clientToken: string | null;
  /** The client token that the server refused, while there is no other. */
  refusedToken: string | null;
  /** Whether the server takes no client token in the handshake, as MoosicBox's own does not. */
  showsSignature: boolean;
  /** Kept over reconnects; null when none was fetched, or the last one was refused. */
  signatureToken: string | null;
  /** Where the server last said that the home is found; null where it did not tell, undefined before it could. */
  ways: Ways | null | undefined;
  /** How often each cause, as it is told, kept the agent from its tunnel since it last had one. Bounded. */
  readonly troubles: Map<string, number>;
  /** Handles are counted from 1 and never used twice. */
  linksMade: number;
  callsMade: number;
  socketsMade: number;
  exchangesMade: number;
  /** Aborts that were not leaked yet, in thousandths, and when that was counted. */
  abortLevel: number;
  abortLevelMs: number;
  flooded: boolean;
  readonly jitter: Prng;
  readonly counters: AgentCounters;
};

export function createState(config: AgentConfig): AgentState {
  const state: AgentState = {
    config,
    nowMs: 0,
    timers: createTimers(),
    links: [createLink(1)],
    olderLinks: [],
    nodes: [],
    exchanges: new IdTable(),
    clientToken: config.clientToken,
    refusedToken: null,
    showsSignature: false,
    signatureToken: null,
    ways: undefined,
    troubles: new Map(),
    linksMade: 1,
    callsMade: 0,
    socketsMade: 0,
    exchangesMade: 0,
    abortLevel: 0,
    abortLevelMs: 0,
    flooded: false,
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
      sessionsResumed: 0,
      exchangesResumed: 0,
      protocolErrors: 0,
    },
  };
  arm(state.timers, state.links[0].lifeTimer, 0);
  return state;
}

export function createLink(number: number): Link {
  return {
    number,
    life: { phase: "waiting" },
    lifeTimer: createTimer({ kind: "life", link: number }),
    session: null,
    failures: 0,
    movesUntilMs: Number.NEGATIVE_INFINITY,
    node: null,
    meetings: 0,
  };
}

/** The link's tunnel, while there is one that may be sent on. */
export function tunnelOf({ life }: Link): Tunnel | null {
  return life.phase === "connected" || life.phase === "draining" ? life.tunnel : null;
}
