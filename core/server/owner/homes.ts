/** The client ids with somebody there. An entry lives as long as it holds something. */
import type { ExchangeId, SocketId } from "../../ids.ts";
import type { Access } from "../routing/access.ts";
import type { Home, ServerState } from "../state/server.ts";
import type { Tunnel } from "../state/tunnels.ts";
import { wasLostElsewhere } from "./found.ts";
import { recalledHome, wasLostLately } from "./recalled.ts";

/** A server that leaves serves whoever comes, until it sends its agents away. */
export function servesHomes({ drainPhase }: ServerState): boolean {
  return drainPhase !== "closing" && drainPhase !== "drained";
}

/** The tunnel that requests for the client id go through; undefined where the home is not connected. */
export function liveTunnel(state: ServerState, clientId: string): Tunnel | undefined {
  const id = state.homes.get(clientId)?.tunnel;
  return id === undefined || id === null ? undefined : tunnelOf(state, id);
}

export function tunnelOf(state: ServerState, id: SocketId | null): Tunnel | undefined {
  const socket = id === null ? undefined : state.sockets.get(id);
  return socket?.kind === "tunnel" ? socket : undefined;
}

/** Who may visit the home by its own name, as it was when it was there; undefined where nobody has said so lately. */
export function absentAccess(state: ServerState, clientId: string, atMs?: number): Access | undefined {
  return (
    state.sessions.get(clientId)?.access ??
    awayHome(state, clientId)?.access ??
    recalledHome(state, clientId, atMs)?.access ??
    undefined
  );
}

/** Notes that the home was there until now, and will perhaps be back soon. */
export function markAway(state: ServerState, clientId: string, access: Access): void {
  // Deleted first, so that the map stays ordered by time and the oldest is the first to go.
  state.away.delete(clientId);
  for (const [oldest, home] of state.away) {
    if (state.away.size < state.config.limits.tunnelsMax && !isOver(state, home.sinceMs)) break;
    state.away.delete(oldest);
  }
  state.away.set(clientId, { sinceMs: state.nowMs, access });
}

/** Whether a request that cannot be sent now is worth keeping for a while. */
export function isExpected(state: ServerState, clientId: string): boolean {
  return (
    state.sessions.has(clientId) ||
    awayHome(state, clientId) !== undefined ||
    wasLostLately(state, clientId) ||
    wasLostElsewhere(state, clientId)
  );
}

export function homeOf(state: ServerState, clientId: string): Home {
  let home = state.homes.get(clientId);
  if (home === undefined) {
    home = {
      tunnel: null,
      takenOverMs: Number.NEGATIVE_INFINITY,
      standby: new Set(),
      waiting: new Set(),
      visitors: new Set(),
    };
    state.homes.set(clientId, home);
  }
  return home;
}

/** Takes a socket out of its home, and the home away when nothing is left of it. */
export function leaveHome(state: ServerState, clientId: string, socket: SocketId): void {
  const home = state.homes.get(clientId);
  if (home === undefined) return;
  if (home.tunnel === socket) home.tunnel = null;
  home.standby.delete(socket);
  home.visitors.delete(socket);
  dropIfEmpty(state, clientId, home);
}

/** Puts a request among those that wait for the home. */
export function joinWaiting(state: ServerState, clientId: string, exchange: ExchangeId): void {
  homeOf(state, clientId).waiting.add(exchange);
  state.waiting++;
}

/** Does nothing where the request does not wait. */
export function leaveWaiting(state: ServerState, clientId: string, exchange: ExchangeId): void {
  const home = state.homes.get(clientId);
  if (home === undefined || !home.waiting.delete(exchange)) return;
  state.waiting--;
  dropIfEmpty(state, clientId, home);
}

export function dropIfEmpty(state: ServerState, clientId: string, home: Home): void {
  const size = home.standby.size + home.waiting.size + home.visitors.size;
  if (home.tunnel === null && size === 0) state.homes.delete(clientId);
}

function awayHome(state: ServerState, clientId: string) {
  const home = state.away.get(clientId);
  return home === undefined || isOver(state, home.sinceMs) ? undefined : home;
}

function isOver(state: ServerState, sinceMs: number): boolean {
  return state.nowMs - sinceMs >= state.config.limits.waitMs;
}
