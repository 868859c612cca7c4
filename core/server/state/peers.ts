/** What is known of other nodes, and of what goes to them: plain data, changed in place by the steps. */
import { IdTable } from "../../id-table.ts";
import type { ExchangeId } from "../../ids.ts";
import { createQueue, type Queue } from "../../queue.ts";
import type { FoundConnection } from "../../registry.ts";
import type { Timer } from "../../timers.ts";
import type { CarriedHead } from "./head.ts";
import type { TimerOwner } from "./timers.ts";

/** What a node tells another one of a visitor's request, which that believes. */
export type Hop = {
  /** Which node it is for: its name in the registry. */
  readonly node: string;
  /** The home, and which of its tunnels the registry named. */
  readonly clientId: string;
  readonly tunnel: string;
  /** IP address of the visitor's TCP peer. */
  readonly peer: string;
  /** SHA-256 of the access mode that let the visitor in, as `accessText` has it; null where it was not the home's own door. */
  readonly accessHash: string | null;
  readonly expectsContinue: boolean;
};

/** A home that is not here, as the registry told it. */
export type FoundHome = {
  readonly askedMs: number;
  /** The best first. None where it is nowhere, or only at nodes that others cannot reach. */
  readonly connections: readonly PeerConnection[];
};

export type PeerConnection = FoundConnection & { readonly peerUrl: string };

/** The registry is asked where a home is, and perhaps again. */
export type Seek = {
  /** Those that wait for the next answer. */
  asking: ExchangeId[];
  /** Whether a call is under way. */
  asked: boolean;
  /** For the next call, while requests wait for the home. */
  readonly timer: Timer<TimerOwner>;
};

/** One of the origins of the machine that speaks to other nodes: its number is its place in the list. */
export type PeerSlot = { url: string; exchanges: number; usedMs: number };

/** What the peers' carrier keeps of an exchange that is on its way to another node. */
export type PeerCarried = {
  readonly carrier: "peer";
  readonly exchange: ExchangeId;
  /** The number of the request to the other node. */
  readonly request: ExchangeId;
  readonly connection: PeerConnection;
  readonly slot: PeerSlot;
  /** The `Sec-WebSocket-Accept` of a 101 that answers it; null where it asks for no upgrade. */
  readonly accept: string | null;
  /** Whether a body is streamed behind the head; of an upgrade, whether it was taken. */
  streams: boolean;
  /** Whether the head of the answer has come. */
  headed: boolean;
  /** Of the answer: what is passed on with what follows it at once. */
  held: { readonly head: CarriedHead; readonly body: Uint8Array } | null;
  /** Whether the last event of the request has come, or it was taken back. */
  over: boolean;
  /** Of the request: ordered to be sent, and not flushed. */
  queuedBytes: number;
  /** Whether the visitor is not read on until there is room again. */
  sourcePaused: boolean;
  /** Of the answer: passed on, and not dealt with. */
  owedBytes: number;
  /** Whether the answer is not read. */
  paused: boolean;
};

/** Passes that were shown and are still good. */
type Passes = {
  /** By a part of the signature, until when. */
  readonly shown: IdTable<number, number>;
  readonly order: Queue<{ readonly key: number; readonly untilMs: number }>;
  /** What is good until then or less is good no more: some of it was forgotten. */
  endedMs: number;
};

export type Peers = {
  /** What the registry said of homes that are not here, by client id, the oldest answer first. */
  readonly found: Map<string, FoundHome>;
  /** Homes whose node was found to have lost them, by client id, since when, oldest first. */
  readonly lost: Map<string, number>;
  readonly seeks: Map<string, Seek>;
  readonly slots: PeerSlot[];
  /** The names of other nodes that live, in order: as the registry told them last. */
  others: readonly string[];
  /** By the number of the request. */
  readonly carried: IdTable<ExchangeId, PeerCarried>;
  /** Of requests, of all exchanges. */
  queuedBytes: number;
  readonly passes: Passes;
};

export function createPeers(): Peers {
  return {
    found: new Map(),
    lost: new Map(),
    seeks: new Map(),
    slots: [],
    others: [],
    carried: new IdTable(),
    queuedBytes: 0,
    passes: { shown: new IdTable(), order: createQueue(), endedMs: 0 },
  };
}
