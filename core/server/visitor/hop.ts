/**
 * A request whose home is not here. It may be at another node, as the registry tells, and the request goes there: once, for one that
 * came by another node goes no further. Where no node has the home it is waited for as long as it is expected back.
 */
import type { ServerEffect } from "../../effects.ts";
import type { Outbox } from "../../outbox.ts";
import { hasPeers, wayFor } from "../owner/found.ts";
import { tunnelOf } from "../owner/homes.ts";
import { accessText } from "../routing/access.ts";
import type { Exchange } from "../state/exchange.ts";
import type { Hop, PeerConnection } from "../state/peers.ts";
import type { ServerState } from "../state/server.ts";
import type { Tunnel } from "../state/tunnels.ts";
import { failExchange } from "./exchange.ts";
import { joinQueue, waitForHome } from "./waiting.ts";

/** The node to send it to; null where it waits, for the registry's word or for its home, or has failed. */
export function wayElsewhere(
  state: ServerState,
  exchange: Exchange,
  clientId: string,
  out: Outbox<ServerEffect>,
): PeerConnection | null {
  const { hop, hops } = exchange;
  if (hop !== null) {
    awaitTunnel(state, exchange, hop, out);
    return null;
  }
  const connection = hasPeers(state) && hops < HOPS_MAX ? wayFor(state, clientId, exchange) : null;
  if (connection !== null) return connection;
  waitForHome(state, exchange, clientId, out);
  return null;
}

/** Whether the tunnel's home lets in whom another node let in: by the mode that it has, which that node may not know yet. */
export function letsInPeer({ config }: ServerState, { accessHash }: Hop, { access }: Tunnel): boolean {
  if (accessHash === null || access.type === "public") return true;
  return config.sha256(accessText(access)) === accessHash;
}

/** The tunnel's row is written before it is open: a request that followed the row waits for it. Any other came to a wrong node. */
function awaitTunnel(
  state: ServerState,
  exchange: Exchange,
  { tunnel, clientId }: Hop,
  out: Outbox<ServerEffect>,
): void {
  const named = tunnelOf(state, (Number(tunnel) - state.config.idBase) as Tunnel["id"]);
  const isComing = named !== undefined && named.clientId === clientId && named.phase !== "closing";
  if (isComing || state.sessions.has(clientId)) joinQueue(state, exchange, clientId, out);
  else failExchange(state, exchange, "misdirected", out);
}

/** A home that moves on this often while one request looks for it is not to be reached. */
const HOPS_MAX = 8;
