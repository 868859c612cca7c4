/** What the server knows: plain data, changed in place by the steps and by nothing else. */
import type { ExchangeOpened } from "../events.ts";
import type { ExchangeOutcome, FailureCode } from "../failure.ts";
import type { HeaderList } from "../http/headers.ts";
import type { IpBlock } from "../http/ip.ts";
import type { FrameTracker } from "../http/websocket-frames.ts";
import type { IdSet, IdTable } from "../id-table.ts";
import type { CallId, ExchangeId, SocketId } from "../ids.ts";
import type { RegistryOperation } from "../registry.ts";
import type { Resequencer } from "../resequencer.ts";
import type { Session, Stream } from "../session/state.ts";
import type { Timer, Timers } from "../timers.ts";
import type { WireId } from "../wire/packet.ts";
import type { Access } from "./access.ts";
import type { ServerConfig } from "./config.ts";
import type { Route } from "./route.ts";

/** Whose deadline a timer is. */
export type TimerOwner =
  | { readonly kind: "exchange"; readonly exchange: ExchangeId }
  | { readonly kind: "heartbeat"; readonly socket: SocketId }
  | { readonly kind: "pause"; readonly socket: SocketId }
  | { readonly kind: "hello"; readonly socket: SocketId }
  | { readonly kind: "grace"; readonly clientId: string }
  | { readonly kind: "pump"; readonly clientId: string }
  | { readonly kind: "call"; readonly call: CallId }
  | { readonly kind: "lease" }
  | { readonly kind: "sweep" }
  | { readonly kind: "drain" };

/** One visitor's request and its response, from `exchange_opened` to `exchange_closed`. `exchange.ts` has the phases. */
export type Exchange = {
  readonly id: ExchangeId;
  readonly openedMs: number;
  readonly request: ExchangeOpened;
  readonly route: Route;
  readonly timer: Timer<TimerOwner>;
  phase: ExchangePhase;
  /** Whose home it is for: from the request, or found by its magic token; null where there is none. */
  clientId: string | null;
  /** The mode that let it in by the home's own name; null before, and on the way by `?clientId=`. */
  access: Access | null;
  /** The tunnel that the request frame was sent on, until the agent owes nothing more. */
  tunnel: SocketId | null;
  /** The same over the native protocol: its stream, until the exchange needs nothing more of it. */
  native: NativeExchange | null;
  /** Whether the request body was read to its end, so that the connection can take another request. */
  requestRead: boolean;
  /** Request body gathered so far. */
  requestParts: Uint8Array[];
  requestBytes: number;
  /** Behind a gathered body, for an agent that can be given them. */
  requestTrailers: HeaderList;
  readonly order: Resequencer;
  /** Head of the home's response; null until packet 1. */
  head: ResponseHead | null;
  /** Body of a blocking response gathered so far. */
  responseParts: Uint8Array[];
  /** Body bytes that came from the agent. */
  responseBytes: number;
  /** Whether the visitor was sent a head, so that only a cut can tell of a failure. */
  headSent: boolean;
  /** Whether the visitor's connection was ordered to be destroyed: then nothing is held for it any more. */
  isCut: boolean;
  /** Bytes ordered to be written that the visitor has not taken yet. */
  unflushedBytes: number;
  /** All bytes held for it: request parts, parked, response parts, unflushed. */
  heldBytes: number;
  /** Status sent to the visitor, 0 while none was. */
  status: number;
  /** Body bytes that were ordered to be written to the visitor. */
  bytesOut: number;
  /** When a byte last moved for it, either way. */
  lastProgressMs: number;
  /** How it ends, decided once; null until then. */
  ending: ExchangeOutcome | null;
};

export type ExchangePhase =
  | "authorizing"
  | "issuing"
  | "queued"
  | "reading"
  | "waiting"
  | "responding"
  | "closing";

/** What an exchange has on a session. */
export type NativeExchange = {
  readonly session: TunnelSession;
  readonly stream: Stream;
  /** Whether the request body was asked for. */
  reads: boolean;
  /** Where the frames end that go to the visitor of a WebSocket; null until its 101. */
  frames: FrameTracker | null;
};

export type ResponseHead = {
  readonly status: number;
  readonly headers: HeaderList;
  /** The body's length if the home declared it, null otherwise. */
  readonly declaredBytes: number | null;
  /** HEAD, 204 and 304 have none, whatever comes (RFC 9112 section 6.3). */
  readonly hasBody: boolean;
};

/** What tunnels and visitor sockets have in common. */
type SocketBase = {
  readonly id: SocketId;
  readonly clientId: string;
  readonly heartbeat: Timer<TimerOwner>;
  phase: SocketPhase;
  /** Why it will be closed as soon as the handshake is complete; null where it will not. */
  refusal: FailureCode | null;
  lastHeardMs: number;
  nextPingMs: number;
  /** Ordered to be sent and not yet flushed. */
  unsentBytes: number;
};

/** `claiming` is a tunnel's own: its row is being written. */
export type SocketPhase = "authorizing" | "claiming" | "accepting" | "live" | "closing";

export type Tunnel = SocketBase & {
  readonly kind: "tunnel";
  /** Who may visit the home by its own name. */
  readonly access: Access;
  /** Of the native protocol's handshake; null where the tunnel speaks MoosicBox's. */
  readonly native: NativeTunnel | null;
  /** The registry's clock at authorization: of two tunnels of a client id the higher fence is the newer. */
  fence: number;
  /** Whether its row was asked to be written, so that it has to be deleted in the end. */
  claimed: boolean;
  /** Exchanges that were sent on it and that the agent still owes an answer. */
  readonly exchanges: IdSet<ExchangeId>;
  /** Those of them whose visitor lags behind by more than the soft limit. */
  readonly slow: Set<ExchangeId>;
  readonly pause: Timer<TimerOwner>;
  paused: boolean;
  /** Until then it is not paused: a visitor socket waits for an answer. */
  readUntilMs: number;
  /** Ids that the agent was told to stop sending for, with the time. */
  readonly aborted: Map<WireId, number>;
};

export type NativeTunnel = {
  /** Armed from the open socket until the agent's hello. */
  readonly hello: Timer<TimerOwner>;
  /** Ticket of the next resumption, from the open socket to the welcome, which alone shows it. */
  ticket: string | null;
  /** Null before the hello, and after the session has moved on or ended. */
  session: TunnelSession | null;
};

/** What a native agent's tunnels have in common: it survives the loss of one. */
export type TunnelSession = {
  readonly clientId: string;
  readonly link: Session;
  /** As the latest tunnel said. */
  access: Access;
  ticketHash: string;
  /** Good until the agent shows that it has the newer one, since a welcome may be lost. */
  previousTicketHash: string | null;
  /** Null while the agent is away. */
  tunnel: SocketId | null;
  /** Exchanges that the agent still owes an answer. */
  readonly exchanges: IdSet<ExchangeId>;
  /** Held by `link` when it was last counted: queued, and sent but not acknowledged. */
  heldBytes: number;
  /** Whether it is among those that something changed for in this step. */
  touched: boolean;
  /** Whether the agent takes no new exchange. */
  draining: boolean;
  /** Armed exactly while the agent is away. */
  readonly grace: Timer<TimerOwner>;
  readonly pump: Timer<TimerOwner>;
};

export type VisitorSocket = SocketBase & {
  readonly kind: "visitor";
  readonly profile: string | null;
  /** Wire ids of its questions that an answer can still reach, oldest first. */
  readonly questions: Set<number>;
};

export type Socket = Tunnel | VisitorSocket;

/** A client id with somebody there: a live tunnel, waiting requests, or visitor sockets. */
export type Home = {
  /** That new requests go through: a native one counts from its hello. */
  tunnel: SocketId | null;
  /** Requests that wait for a tunnel, oldest first. */
  readonly waiting: Set<ExchangeId>;
  readonly visitors: Set<SocketId>;
};

/** A home that was there a moment ago. */
export type AwayHome = { readonly sinceMs: number; readonly access: Access };

/** What an answer of the registry is for. */
export type CallPurpose =
  /** `key` is the trust that a good answer earns. */
  | { readonly type: "authorize_exchange"; readonly exchange: ExchangeId; readonly key: string }
  | { readonly type: "find_home"; readonly exchange: ExchangeId }
  /** `token` is shown to the visitor once it is stored; null shows success only. */
  | { readonly type: "issue_token"; readonly exchange: ExchangeId; readonly token: string | null }
  | { readonly type: "authorize_socket"; readonly socket: SocketId }
  | { readonly type: "claim_row"; readonly socket: SocketId }
  | { readonly type: "drop_row" }
  | { readonly type: "renew_leases" }
  | { readonly type: "sweep" };

export type RegistryCall = {
  readonly operation: RegistryOperation;
  readonly purpose: CallPurpose;
  /** No further attempt is made after this time. */
  readonly giveUpMs: number;
  /** Deadline of the attempt, or the start of the next one. */
  readonly timer: Timer<TimerOwner>;
  /** Whether an attempt is under way; false while it waits for its next one. */
  asked: boolean;
};

export type ServerCounters = {
  readonly outcomes: Map<ExchangeOutcome, number>;
  exchangesOpened: number;
  tunnelsAccepted: number;
  /** Body bytes from agents, and to visitors. */
  bytesIn: number;
  bytesOut: number;
  /** Packets and answers for an id that is unknown, ended or another tunnel's. */
  strayPackets: number;
  duplicatePackets: number;
  abortsSent: number;
  agentProtocolErrors: number;
  tunnelPauses: number;
  /** Sessions that an agent came back to. */
  resumptions: number;
};

export type ServerState = {
  readonly config: ServerConfig;
  readonly accessTokenHash: string;
  /** The configuration's, read once. */
  readonly trustedProxies: readonly IpBlock[];
  nowMs: number;
  readonly timers: Timers<TimerOwner>;
  readonly exchanges: IdTable<ExchangeId, Exchange>;
  readonly sockets: Map<SocketId, Socket>;
  readonly homes: Map<string, Home>;
  /** By client id. */
  readonly sessions: Map<string, TunnelSession>;
  /** Those that something changed for in this step. */
  readonly touched: TunnelSession[];
  /** Homes that are expected back, by client id, since when, oldest first. */
  readonly away: Map<string, AwayHome>;
  /** Requests that wait for a home. */
  waiting: number;
  /** Questions of visitor sockets by their wire id. */
  readonly questions: Map<number, SocketId>;
  questionsAsked: number;
  readonly calls: IdTable<CallId, RegistryCall>;
  callsMade: number;
  /** Accepted tokens with the time of acceptance, oldest first. The key has the hash, never the token. */
  readonly trusted: Map<string, number>;
  /** Null before the first answer. */
  registryUp: boolean | null;
  /** Held bytes of all exchanges. */
  heldBytes: number;
  /** Held bytes of all sessions, which are those of request bodies. */
  sessionBytes: number;
  tunnels: number;
  visitorSockets: number;
  readonly lease: Timer<TimerOwner>;
  readonly sweep: Timer<TimerOwner>;
  readonly drain: Timer<TimerOwner>;
  drainPhase: "none" | "finishing" | "closing" | "drained";
  readonly counters: ServerCounters;
};
