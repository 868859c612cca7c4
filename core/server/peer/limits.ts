/** Bounds of the way between nodes. */
import { assert } from "../../assert.ts";
import type { EdgeLimits } from "../../edge/limits.ts";
import { type ClientLimits, clientLimits } from "../../origins/client.ts";

const KIB = 1024;
const SECOND = 1000;

export const peerLimits = {
  /**
   * For this long the registry is not asked again which node has a home that is not here. A node that has lost it says so at once,
   * so that only a home that has just come to its first node is found late.
   */
  findFreshMs: 2 * SECOND,
  /** What it said is kept of so many homes, the oldest forgotten first. */
  foundHomesMax: 10_000,
  /** So often the registry is asked where a home is that requests wait for. */
  seekMs: 250,
  /** From the attempt to connect to another node to a connection, TLS included. Nodes are near each other. */
  peerConnectMs: 3 * SECOND,
  /** Connections of other nodes: as many as requests that may be in flight here. */
  peerConnectionsMax: 10_000,
  /** Other nodes that requests are sent to at a time, by their URLs. */
  peersMax: 64,
  /** What a node signs is good for so long; the clocks of two nodes may differ by as much. */
  passMs: 30 * SECOND,
  /** Passes that were shown and are still good, so that none is good twice. Where there are more, the oldest are good no more. */
  passesMax: 65_536,
};

export type PeerLimits = { readonly [Name in keyof typeof peerLimits]: number };

export function assertPeerLimits(limits: PeerLimits): void {
  assert(limits.seekMs >= 1, "seekMs is 0: the registry would be asked without an end");
  assert(
    limits.peersMax >= 1 && limits.passesMax >= 1,
    "peersMax or passesMax is 0: no peer would be reached",
  );
  assert(limits.passMs >= 1, "passMs is 0: what a node signs would never be good");
}

/** What a node adds to a head: the pass of a request, the mark of an answer. */
const ADDED_BYTES_MAX = 4 * KIB;

/** A node keeps idle connections longer than that, and says so. */
const KEPT_MS = 30 * SECOND;

/**
 * Of the listener for other nodes: they are few, they come for many visitors, and each head that a visitor may send fits with what is
 * added to it.
 */
export function peerEdgeLimits(limits: EdgeLimits & PeerLimits): EdgeLimits {
  const headBytesMax = limits.headBytesMax + ADDED_BYTES_MAX;
  return {
    ...limits,
    headBytesMax,
    readAheadBytes: Math.max(limits.readAheadBytes, 2 * headBytesMax),
    connectionsMax: limits.peerConnectionsMax,
    addressConnectionsMax: limits.peerConnectionsMax,
  };
}

/** Of the connections to other nodes. */
export function peerClientLimits(
  limits: PeerLimits & { readonly responseHeaderBytesMax: number },
): ClientLimits {
  return {
    ...clientLimits,
    connectMs: limits.peerConnectMs,
    idleMs: KEPT_MS,
    headBytesMax: limits.responseHeaderBytesMax + ADDED_BYTES_MAX,
  };
}
