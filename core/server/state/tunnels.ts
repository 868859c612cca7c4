/** What is known of WebSockets, and of what goes through them: plain data, changed in place by the steps. */
import type { FailureCode } from "../../failure.ts";
import type { IdTable } from "../../id-table.ts";
import type { ExchangeId, SocketId } from "../../ids.ts";
import type { Place } from "../../lineup.ts";
import type { HeldToken, RegistryOperation } from "../../registry.ts";
import type { Resequencer } from "../../resequencer.ts";
import type { Session, Stream } from "../../session/state.ts";
import type { Timer } from "../../timers.ts";
import type { WireId } from "../../wire/packet.ts";
import type { Access } from "../routing/access.ts";
import type { PeerCarried } from "./peers.ts";
import type { TimerOwner } from "./timers.ts";

/** What tunnels and visitor sockets have in common. */
type SocketBase = {
  readonly id: SocketId;
  readonly clientId: string;
  /** Whose share of the handshakes it takes. */
  readonly address: string;
  /** What it shows to be let in; null before that was looked at. It keeps the socket open as long as it is good. */
  token: HeldToken | null;
  /** Its way in: from its request until it is let in or sent away. */
  handshake: Handshake | null;
  /** Whether it counts as a tunnel or visitor socket: from its authorization on. */
  admitted: boolean;
  readonly heartbeat: Timer<TimerOwner>;
  phase: SocketPhase;
  /** Why it will be closed as soon as the handshake is complete; null where it will not. */
  refusal: FailureCode | null;
  lastHeardMs: number;
  nextPingMs: number;
  /** Ordered to be sent and not yet flushed. */
  unsentBytes: number;
};

/** A socket that stands in line, or that the registry is asked about: its token, and then its row. `sockets/line.ts` has the rules. */
export type Handshake = {
  readonly socket: Socket;
  /** The first question, and the trust that a good answer earns. */
  readonly operation: RegistryOperation;
  readonly key: string;
  /** The address of somebody who has shown nothing good lately. */
  readonly stranger: string | null;
  readonly sinceMs: number;
  readonly place: Place<Handshake>;
};

/** `claiming` is a tunnel's own: its row is being written. */
export type SocketPhase = "authorizing" | "claiming" | "accepting" | "live" | "closing";

export type Tunnel = SocketBase & {
  readonly kind: "tunnel";
  /** Who may visit the home by its own name. */
  readonly access: Access;
  /** Of its agent's processes: those of one live side by side at several nodes. Null where the agent does not say. */
  readonly instance: string | null;
  /** Whether its agent says that it has a link to this node. */
  readonly again: boolean;
  /** Of the native protocol's handshake; null where the tunnel speaks MoosicBox's. */
  readonly native: NativeTunnel | null;
  /** The registry's clock at authorization: of two tunnels of a client id the higher fence is the newer. */
  fence: number;
  /** Whether its row was asked to be written, so that it has to be deleted in the end. */
  claimed: boolean;
  /** The latest round of renewals in which its row was there, as far as the registry has said. */
  rowRound: number;
  /** Requests that were sent on it and that the agent still owes an answer; none where it is native. */
  readonly exchanges: IdTable<ExchangeId, MoosicBoxCarried>;
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
  /** Whether the agent said in its hello that it keeps links to several nodes. */
  links: boolean;
};

/** What a native agent's tunnels have in common: it survives the loss of one. */
export type TunnelSession = {
  readonly clientId: string;
  readonly link: Session;
  /** As the latest tunnel said. */
  access: Access;
  /** What let the latest tunnel in. */
  token: HeldToken | null;
  ticketHash: string;
  /** Good until the agent shows that it has the newer one, since a welcome may be lost. */
  previousTicketHash: string | null;
  /** Null while the agent is away. */
  tunnel: SocketId | null;
  /** Requests that the agent still owes an answer. */
  readonly exchanges: IdTable<ExchangeId, NativeCarried>;
  /** Held by `link` when it was last counted: queued, and sent but not acknowledged. */
  heldBytes: number;
  /** Whether it is among those that something changed for in this step. */
  touched: boolean;
  /** Whether the agent takes no new exchange. */
  draining: boolean;
  /** Whether the agent has another link, because this server leaves. */
  moved: boolean;
  /** Armed exactly while the agent is away. */
  readonly grace: Timer<TimerOwner>;
  readonly pump: Timer<TimerOwner>;
};

/** What a carrier keeps of one exchange. The number of an exchange on the native wire is its id. */
export type Carried = MoosicBoxCarried | NativeCarried | PeerCarried;

export type MoosicBoxCarried = {
  readonly carrier: "moosicbox";
  readonly exchange: ExchangeId;
  readonly tunnel: Tunnel;
  readonly order: Resequencer;
};

export type NativeCarried = {
  readonly carrier: "native";
  readonly exchange: ExchangeId;
  readonly session: TunnelSession;
  readonly stream: Stream;
  /** The `Sec-WebSocket-Accept` of a 101 that answers it; null where it asks for no upgrade. */
  readonly accept: string | null;
};

export type VisitorSocket = SocketBase & {
  readonly kind: "visitor";
  readonly profile: string | null;
  /** Wire ids of its questions that an answer can still reach, oldest first. */
  readonly questions: Set<number>;
};

export type Socket = Tunnel | VisitorSocket;
