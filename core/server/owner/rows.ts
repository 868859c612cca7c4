/**
 * A tunnel's row in the registry, which says who owns a client id.
 *
 * The newest tunnel of a client id wins. Which is newer is told by the fence, the registry's clock at authorization, so
 * that every node and every late write agree. A tunnel's row is written before it is accepted; the older tunnel serves
 * until the newer is open, and is then closed with `superseded`. A row is deleted by its tunnel id, so that a late clean-up
 * never removes a successor's; what is lost on the way is put right by the next renewal of leases (`leases.ts`).
 *
 * Tunnels of one process of an agent, which says so in its handshake, are links: each is the newest at its own node, and a newer one
 * elsewhere leaves it alone. A newer process, or an agent that says nothing, has the home to itself.
 */
import type { ServerEffect } from "../../effects.ts";
import type { SocketId } from "../../ids.ts";
import type { Outbox } from "../../outbox.ts";
import type { ConnectionRow } from "../../registry.ts";
import { callRegistry } from "../registry/calls.ts";
import { accessText } from "../routing/access.ts";
import { acceptToClose } from "../sockets/socket.ts";
import type { ServerState } from "../state/server.ts";
import type { Tunnel } from "../state/tunnels.ts";

/** Writes the tunnel's row, once at the start and again where a renewal found it missing. */
export function claimRow(state: ServerState, tunnel: Tunnel, out: Outbox<ServerEffect>): void {
  const { node, limits } = state.config;
  // Asked, not answered: from here on the row may be there, so it has to be deleted in the end.
  tunnel.claimed = true;
  const asked = callRegistry(
    state,
    {
      type: "upsert_connection",
      clientId: tunnel.clientId,
      tunnel: rowId(state, tunnel),
      node,
      fence: tunnel.fence,
      leaseMs: limits.leaseMs,
      access: accessText(tunnel.access),
      ...(tunnel.instance === null ? {} : { instance: tunnel.instance }),
    },
    { type: "claim_row", socket: tunnel.id },
    limits.registryTunnelMs,
    out,
  );
  if (!asked && tunnel.phase === "claiming") acceptToClose(state, tunnel, "limit_registry_calls", out);
}

/** How a tunnel is named in the registry. */
export function rowId(state: ServerState, tunnel: Tunnel): string {
  return String(state.config.idBase + tunnel.id);
}

/** The tunnel that a row names; undefined where it is not there. */
export function tunnelNamed({ sockets, config }: ServerState, name: string): Tunnel | undefined {
  const socket = sockets.get((Number(name) - config.idBase) as SocketId);
  return socket?.kind === "tunnel" ? socket : undefined;
}

export function isNewer(a: Tunnel, b: Tunnel): boolean {
  return a.fence > b.fence || (a.fence === b.fence && a.id > b.id);
}

export function deleteRow(state: ServerState, tunnel: Tunnel, out: Outbox<ServerEffect>): void {
  dropRow(state, { clientId: tunnel.clientId, tunnel: rowId(state, tunnel) }, out);
}

/** In the background: the lease removes what a registry that is down keeps. */
export function dropRow(state: ServerState, row: ConnectionRow, out: Outbox<ServerEffect>): void {
  const { registryTunnelMs } = state.config.limits;
  const { clientId, tunnel } = row;
  callRegistry(
    state,
    { type: "delete_connection", clientId, tunnel },
    { type: "drop_row" },
    registryTunnelMs,
    out,
  );
}
