/** What the server knows: plain data, changed in place by the steps and by nothing else. */
import type { ExchangeOutcome } from "../../failure.ts";
import type { IpBlock } from "../../http/ip.ts";
import type { IdTable } from "../../id-table.ts";
import type { CallId, CertificateId, CheckId, ExchangeId, SocketId } from "../../ids.ts";
import type { Lineup } from "../../lineup.ts";
import type { HeldToken, RegistryOperation, TokenHash } from "../../registry.ts";
import type { Tally } from "../../tally.ts";
import type { Timer, Timers } from "../../timers.ts";
import type { ServerConfig } from "../config.ts";
import type { Access } from "../routing/access.ts";
import type { TokenDoor } from "../routing/shape.ts";
import type { Exchange } from "./exchange.ts";
import type { Peers } from "./peers.ts";
import type { TimerOwner } from "./timers.ts";
import type { Handshake, Socket, TunnelSession } from "./tunnels.ts";

/** A client id with somebody there: a live tunnel, waiting requests, or visitor sockets. */
export type Home = {
  /** That new requests go through: a native one counts from its hello. */
  tunnel: SocketId | null;
  /** When a tunnel last took over from another one. */
  takenOverMs: number;
  /** Older tunnels that were left open, unused: MoosicBox agents, who would only come back. */
  readonly standby: Set<SocketId>;
  /** Requests that wait for a tunnel, oldest first. */
  readonly waiting: Set<ExchangeId>;
  readonly visitors: Set<SocketId>;
};

/** Sockets on their way in. `sockets/line.ts` has the rules. */
export type Handshakes = {
  /** Those that wait, first come first. */
  readonly line: Lineup<Handshake>;
  /** How many of them are strangers'. */
  strangers: number;
  /** How many the registry is asked about, */
  running: number;
  /** and how many of them it has been in this turn of the loop. */
  begun: number;
  /** Of tunnels, waiting and running: the latest that shows that token for that client id, by its trust. */
  readonly ofAgents: Map<string, Handshake>;
};

/** A home that was there a moment ago. */
export type AwayHome = { readonly sinceMs: number; readonly access: Access };

/** A home as the registry remembers it. */
export type Recalled = {
  readonly askedMs: number;
  /** Null where it knows none. */
  readonly access: Access | null;
  /** When it was there last, as far as the registry can say. */
  readonly lostMs: number;
};

/** When it was accepted, and the token of the registry that it is; null for a password. */
export type Trusted = { readonly sinceMs: number; readonly token: HeldToken | null };

/** What strangers of one address have done. */
export type AddressRecord = {
  /** Wrong credentials that have not leaked away, when that was counted. */
  guesses: number;
  guessesMs: number;
  /** Handshakes and requests that are looked up now. */
  strangers: number;
};

/** What an answer of the registry is for. */
/** What a visitor shows, and where: what it is has yet to be said by the registry. */
export type ShownToken = {
  readonly door: TokenDoor;
  readonly tokenHash: TokenHash;
  readonly clientId: string;
};

export type CallPurpose =
  /** `key` is the trust that a good answer earns. */
  | { readonly type: "authorize_exchange"; readonly exchange: ExchangeId; readonly shown: ShownToken }
  /** Whether what it shows the home is a token of this server's. */
  | { readonly type: "know_authorization"; readonly exchange: ExchangeId; readonly shown: ShownToken }
  | { readonly type: "find_home"; readonly exchange: ExchangeId }
  /** `at`: where the exchange waits for the answer, before it was let in or on its way to its home. */
  | {
      readonly type: "recall_home";
      readonly exchange: ExchangeId;
      readonly clientId: string;
      readonly at: "door" | "way";
    }
  /** Which node has a home. */
  | { readonly type: "find_connection"; readonly clientId: string }
  /** Whether the magic token that was stored is its client's. */
  | { readonly type: "confirm_magic_token"; readonly exchange: ExchangeId }
  /** `token` is shown to the visitor once it is stored; null for one that he brought. */
  | { readonly type: "issue_token"; readonly exchange: ExchangeId; readonly token: string | null }
  | { readonly type: "authorize_socket"; readonly socket: SocketId; readonly key: string }
  | { readonly type: "claim_row"; readonly socket: SocketId }
  /** Whether a home has the name that somebody wants a certificate for. */
  | { readonly type: "know_name"; readonly question: CertificateId; readonly clientId: string }
  | { readonly type: "drop_row" }
  | { readonly type: "renew_leases" }
  | { readonly type: "delete_node" }
  /** The list that was asked about. */
  | { readonly type: "check_tokens"; readonly tokens: readonly HeldToken[] }
  | { readonly type: "sweep" };

/** The renewal of leases: rounds, each a row of slices. */
export type Renewal = {
  /** Counted from 1; 0 before the first. */
  round: number;
  /** Behind which client id the next slice begins; null at the beginning of a round. */
  after: string | null;
  /** Whether a slice is asked for. */
  asked: boolean;
  /** When the round began. */
  begunMs: number;
  /** Whether its time came while a slice was asked for. */
  due: boolean;
  /** Rows that were claimed and deleted in this round. */
  repairs: number;
  /** When it is time again for a round, and for a check of tokens. */
  beatMs: number;
};

export type RegistryCall = {
  readonly operation: RegistryOperation;
  readonly purpose: CallPurpose;
  /** No further attempt is made after this time. */
  readonly giveUpMs: number;
  /** The address of the stranger who stands at the door for it; null where nobody does. */
  readonly stranger: string | null;
  /** Deadline of the attempt, or the start of the next one. */
  readonly timer: Timer<TimerOwner>;
  /** Whether an attempt is under way; false while it waits for its next one. */
  asked: boolean;
};

/** A password that is held against the hash of a home, or is to be. */
export type PasswordCheck = {
  /** The trust that a right one earns. */
  readonly key: string;
  /** A secret. */
  readonly password: string;
  readonly hash: string;
  /** Whether it was shown with the right name: if not, it opens nothing. */
  readonly isUser: boolean;
  /** Of who showed it first. */
  readonly address: string;
  /** Those that showed it and wait for the answer. */
  readonly exchanges: IdTable<ExchangeId, Exchange>;
  running: boolean;
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
  /** Requests sent to other nodes; of these, not taken in there; and requests that other nodes sent, taken in here. */
  hopsSent: number;
  hopsAstray: number;
  hopsTaken: number;
};

export type ServerState = {
  /** Replaced as a whole where settings are read anew. */
  config: ServerConfig;
  readonly accessTokenHash: string;
  /** The configuration's, read once. */
  trustedProxies: readonly IpBlock[];
  nowMs: number;
  readonly timers: Timers<TimerOwner>;
  readonly exchanges: IdTable<ExchangeId, Exchange>;
  readonly sockets: Map<SocketId, Socket>;
  readonly handshakes: Handshakes;
  readonly homes: Map<string, Home>;
  /** By client id. */
  readonly sessions: Map<string, TunnelSession>;
  /** Those that something changed for in this step. */
  readonly touched: TunnelSession[];
  /** Homes that are expected back, by client id, since when, oldest first. */
  readonly away: Map<string, AwayHome>;
  /** What the registry said of homes by client id, the oldest answer first. */
  readonly recalled: Map<string, Recalled>;
  readonly peers: Peers;
  /** When the first event came; Infinity before. */
  begunMs: number;
  /** Requests that wait for a home. */
  waiting: number;
  /** Questions of visitor sockets by their wire id. */
  readonly questions: Map<number, SocketId>;
  questionsAsked: number;
  readonly calls: IdTable<CallId, RegistryCall>;
  callsMade: number;
  /** Accepted tokens with the time of acceptance, oldest first. The key has the hash, never the token. */
  readonly trusted: Map<string, Trusted>;
  /** Exchanges whose sign-in form is being read. */
  readonly signIns: IdTable<ExchangeId, Exchange>;
  readonly passwords: IdTable<CheckId, PasswordCheck>;
  passwordsMade: number;
  /** How many of them are running. */
  passwordsRunning: number;
  /** The latest address that was made out of a peer's. */
  latestAddress: { readonly peer: string; readonly address: string };
  /** What is known of addresses, the one of which nothing came for longest first. */
  readonly addresses: Map<string, AddressRecord>;
  /** Requests on their way to a home, by client id and address. */
  readonly shares: Tally;
  /** Exchanges that only wait for their visitor to take the answer, the oldest first. */
  readonly untaken: IdTable<ExchangeId, Exchange>;
  /** Null before the first answer. */
  registryUp: boolean | null;
  /** Attempts in a row that failed. */
  registryFailures: number;
  /** Held bytes of all exchanges. */
  heldBytes: number;
  /** Held bytes of all sessions, which are those of request bodies. */
  sessionBytes: number;
  tunnels: number;
  visitorSockets: number;
  readonly lease: Timer<TimerOwner>;
  readonly renewal: Renewal;
  readonly sweep: Timer<TimerOwner>;
  readonly drain: Timer<TimerOwner>;
  drainPhase: "none" | "leaving" | "parting" | "closing" | "drained";
  /** When it was asked to stop, and when its listener was closed; Infinity before. */
  drainAskedMs: number;
  partedMs: number;
  /** Whether the listener is closed, and no visitor's connection is left that may still ask for something; and that of peers. */
  visitorsGone: boolean;
  peersGone: boolean;
  readonly counters: ServerCounters;
};
