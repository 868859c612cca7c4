/** The answer to a native agent's hello: which session its tunnel carries, and the ticket of the next resumption; and which other nodes there are. */
import { assert } from "../../assert.ts";
import type { ServerEffect } from "../../effects.ts";
import type { Outbox } from "../../outbox.ts";
import type { OtherNode } from "../../registry.ts";
import { encodeNodes, encodeWelcome, type Hello, isNode } from "../../wire/native.ts";
import { hasPeers } from "../owner/found.ts";
import { waysOf } from "../routing/place.ts";
import type { ServerState } from "../state/server.ts";
import type { Tunnel, TunnelSession } from "../state/tunnels.ts";

/** The ticket is shown here and never again. `shownHash` is of the one that was shown to resume the session, else null. */
export function sendWelcome(
  state: ServerState,
  tunnel: Tunnel,
  session: TunnelSession,
  hello: Hello,
  shownHash: string | null,
  out: Outbox<ServerEffect>,
): void {
  const ticket = tunnel.native?.ticket ?? null;
  assert(tunnel.native !== null && ticket !== null, "a tunnel is welcomed twice");
  tunnel.native.ticket = null;
  session.previousTicketHash = shownHash;
  session.ticketHash = state.config.sha256(ticket);
  const resumed = shownHash !== null;
  const ways = waysOf(tunnel.clientId, state.config, hello.host);
  const { graceMs, exchangeIdleMs } = state.config.limits;
  const { node } = state.config;
  const told = hasPeers(state) && isNode(node) ? { node } : {};
  const welcome = { ticket, resumed, graceMs, idleMs: exchangeIdleMs, moves: true, ways, ...told } as const;
  send(tunnel, encodeWelcome(welcome), out);
}

/** Tells the agent which other nodes it could have links to. */
export function tellOthers(state: ServerState, tunnel: Tunnel, out: Outbox<ServerEffect>): void {
  if (!hasPeers(state) || tunnel.native?.links !== true) return;
  send(tunnel, encodeNodes(state.peers.others), out);
}

/** The nodes that live besides this one, as the registry knows them: who has links to several hears of a change. */
export function noteOthers(
  state: ServerState,
  others: readonly OtherNode[],
  out: Outbox<ServerEffect>,
): void {
  const nodes = others.map(({ node }) => node).filter(isNode);
  if (nodes.join() === state.peers.others.join()) return;
  state.peers.others = nodes;
  for (const socket of state.sockets.values()) {
    if (socket.kind !== "tunnel" || socket.phase !== "live") continue;
    if (socket.native !== null && socket.native.session !== null) tellOthers(state, socket, out);
  }
}

/** A frame of the tunnel, and of no session. */
function send(tunnel: Tunnel, header: Uint8Array, out: Outbox<ServerEffect>): void {
  tunnel.unsentBytes += header.length;
  out.push({ type: "socket_send_packet", socket: tunnel.id, header, body: [] });
}
