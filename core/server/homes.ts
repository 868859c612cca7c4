/** The client ids with somebody there. An entry lives as long as it holds something. */
import type { SocketId } from "../ids.ts";
import type { Home, ServerState, Tunnel } from "./state.ts";

/** The tunnel that requests for the client id go through; undefined where the home is not connected. */
export function liveTunnel(state: ServerState, clientId: string): Tunnel | undefined {
  const id = state.homes.get(clientId)?.tunnel;
  return id === undefined || id === null ? undefined : tunnelOf(state, id);
}

export function tunnelOf(state: ServerState, id: SocketId | null): Tunnel | undefined {
  const socket = id === null ? undefined : state.sockets.get(id);
  return socket?.kind === "tunnel" ? socket : undefined;
}

export function homeOf(state: ServerState, clientId: string): Home {
  let home = state.homes.get(clientId);
  if (home === undefined) {
    home = { tunnel: null, visitors: new Set() };
    state.homes.set(clientId, home);
  }
  return home;
}

/** Takes a socket out of its home, and the home away when nothing is left of it. */
export function leaveHome(state: ServerState, clientId: string, socket: SocketId): void {
  const home = state.homes.get(clientId);
  if (home === undefined) return;
  if (home.tunnel === socket) home.tunnel = null;
  home.visitors.delete(socket);
  if (home.tunnel === null && home.visitors.size === 0) state.homes.delete(clientId);
}
