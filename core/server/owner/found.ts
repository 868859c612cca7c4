/**
 * Homes that are at other nodes, as the registry tells it. What it said is kept for a moment: a node that has lost the home since
 * says so, and then the registry is asked again.
 */
import type { FoundConnection } from "../../registry.ts";
import type { Access } from "../routing/access.ts";
import type { Exchange } from "../state/exchange.ts";
import type { FoundHome, PeerConnection } from "../state/peers.ts";
import type { ServerState } from "../state/server.ts";
import { recalledHome } from "./recalled.ts";

/** Whether there are other nodes that requests may go to. */
export function hasPeers({ config }: ServerState): boolean {
  return config.peerHmacs.length > 0;
}

/** Where the home is, as the registry said a moment ago; undefined where it has to be asked. */
export function foundHome(state: ServerState, clientId: string): FoundHome | undefined {
  const found = state.peers.found.get(clientId);
  if (found === undefined) return undefined;
  const { findFreshMs, tokenTrustMs } = state.config.limits;
  // A registry that is down tells nothing newer, and the node itself says whether it is still true.
  const freshMs = state.registryUp === false ? Math.max(findFreshMs, tokenTrustMs) : findFreshMs;
  return state.nowMs - found.askedMs < freshMs ? found : undefined;
}

/** The node to send that request to, of those that have its home; null where there is none, or each led it astray before. */
export function wayFor(state: ServerState, clientId: string, { misled }: Exchange): PeerConnection | null {
  const connections = foundHome(state, clientId)?.connections ?? [];
  return connections.find((connection) => !misled.includes(rowOf(connection))) ?? null;
}

/** Takes in what the registry says. */
export function noteFound(
  state: ServerState,
  clientId: string,
  connections: readonly FoundConnection[],
): void {
  const { found } = state.peers;
  found.delete(clientId);
  makeRoom(found, state.config.limits.foundHomesMax);
  found.set(clientId, { askedMs: state.nowMs, connections: reachable(state, connections) });
}

/** A node that the registry named has the home no more, or nobody reaches it: the home is expected back for a while. */
export function noteLost(state: ServerState, clientId: string, connection: PeerConnection): void {
  const { found, lost } = state.peers;
  const known = found.get(clientId);
  const others = known?.connections.filter((each) => rowOf(each) !== rowOf(connection)) ?? [];
  // In its place, for it is as old as it was.
  if (known !== undefined && others.length > 0) found.set(clientId, { ...known, connections: others });
  else found.delete(clientId);
  lost.delete(clientId);
  makeRoom(lost, state.config.limits.foundHomesMax);
  lost.set(clientId, state.nowMs);
}

/** Whether the home was at another node a moment ago, and is there no more. */
export function wasLostElsewhere({ peers, nowMs, config }: ServerState, clientId: string): boolean {
  const lostMs = peers.lost.get(clientId);
  return lostMs !== undefined && nowMs - lostMs < config.limits.waitMs;
}

/** Whether the home is at another node. */
export function isElsewhere(state: ServerState, clientId: string): boolean {
  return hasPeers(state) && (foundHome(state, clientId)?.connections ?? []).length > 0;
}

/** Who may visit the home by its own name, where it is at another node; undefined where it is not, or nobody has said so lately. */
export function accessElsewhere(state: ServerState, clientId: string): Access | undefined {
  return isElsewhere(state, clientId) ? (recalledHome(state, clientId)?.access ?? undefined) : undefined;
}

/** The home has come here. */
export function forgetElsewhere({ peers }: ServerState, clientId: string): void {
  peers.found.delete(clientId);
  peers.lost.delete(clientId);
}

/** The row of the registry, of all that there ever are. */
export function rowOf({ node, tunnel }: FoundConnection): string {
  return `${tunnel}\n${node}`;
}

/** A row that names this node is one that has just been written, or is about to be deleted: its tunnel is not here. */
function reachable(
  { config }: ServerState,
  connections: readonly FoundConnection[],
): readonly PeerConnection[] {
  return connections.flatMap(({ node, tunnel, peerUrl }) =>
    node === config.node || peerUrl === null ? [] : [{ node, tunnel, peerUrl }],
  );
}

function makeRoom(map: Map<string, unknown>, size: number): void {
  if (map.size < size) return;
  for (const oldest of map.keys()) {
    map.delete(oldest);
    return;
  }
}
