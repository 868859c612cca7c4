/**
 * One agent's connection, and its row in the registry.
 *
 * The newest tunnel of a client id wins. Which is newer is told by the fence, the registry's clock at authorization, so
 * that every node and every late write agree. A tunnel's row is written before it is accepted; the older tunnel serves
 * until the newer is open, and is then closed with `superseded`. A row is deleted by its tunnel id, so that a late clean-up
 * never removes a successor's; what is lost on the way is put right by the next renewal of leases (`leases.ts`).
 */
import type { ServerEffect } from "../effects.ts";
import type { FailureCode } from "../failure.ts";
import type { Outbox } from "../outbox.ts";
import type { ConnectionRow } from "../registry.ts";
import { disarm } from "../timers.ts";
import { decodeAgentText } from "../wire/frames.ts";
import type { PacketProblem } from "../wire/packet.ts";
import { decodePacket } from "../wire/packet.ts";
import { onStray } from "./aborts.ts";
import type { CallResult } from "./calls.ts";
import { callRegistry } from "./calls.ts";
import { exchangeOf, failExchange } from "./exchange.ts";
import { homeOf, tunnelOf } from "./homes.ts";
import { relayAnswer } from "./relay.ts";
import { answerable, onPacket } from "./response.ts";
import { acceptSocket, acceptToClose, closeSocket, refuseSocket } from "./sockets.ts";
import type { ServerState, Tunnel } from "./state.ts";

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

export function onRowClaimed(
  state: ServerState,
  tunnel: Tunnel,
  result: CallResult,
  out: Outbox<ServerEffect>,
): void {
  const superseded = result.type === "connection_upserted" && !result.current;
  if (tunnel.phase === "claiming") {
    if (result.type === "failed") acceptToClose(state, tunnel, result.cause, out);
    else if (superseded) refuseSocket(tunnel, "superseded", undefined, out);
    else acceptSocket(state, tunnel, out);
  } else if (superseded) {
    // A live tunnel's row was written again, and somebody newer owns it: on another node, perhaps.
    closeSocket(state, tunnel, "superseded", out);
  }
}

/** The tunnel is open: it takes over from an older one, or gives way to one that is newer but was faster. */
export function openTunnel(state: ServerState, tunnel: Tunnel, out: Outbox<ServerEffect>): void {
  const { clientId } = tunnel;
  const other = tunnelOf(state, state.homes.get(clientId)?.tunnel ?? null);
  if (other !== undefined && isNewer(other, tunnel)) return closeSocket(state, tunnel, "superseded", out);
  if (other !== undefined) closeSocket(state, other, "superseded", out);
  homeOf(state, clientId).tunnel = tunnel.id;
  state.counters.tunnelsAccepted++;
  out.push({ type: "report", report: { type: "tunnel_accepted", socket: tunnel.id, clientId } });
}

function isNewer(a: Tunnel, b: Tunnel): boolean {
  return a.fence > b.fence || (a.fence === b.fence && a.id > b.id);
}

/** The tunnel is lost or being closed: its exchanges fail, its row goes. */
export function endTunnel(
  state: ServerState,
  tunnel: Tunnel,
  cause: FailureCode | "closed",
  code: number,
  out: Outbox<ServerEffect>,
): void {
  disarm(state.timers, tunnel.pause);
  tunnel.paused = false;
  for (const id of tunnel.exchanges) failExchange(state, exchangeOf(state, id), "agent_lost", out);
  if (tunnel.claimed) deleteRow(state, tunnel, out);
  const { clientId } = tunnel;
  out.push({ type: "report", report: { type: "tunnel_ended", socket: tunnel.id, clientId, code, cause } });
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

export function onTunnelBytes(
  state: ServerState,
  tunnel: Tunnel,
  bytes: Uint8Array,
  out: Outbox<ServerEffect>,
): void {
  const packet = decodePacket(bytes, state.config.limits.responseHeaderBytesMax);
  if (packet.type === "packet") onPacket(state, tunnel, packet, out);
  else onPacketProblem(state, tunnel, packet, out);
}

export function onTunnelText(
  state: ServerState,
  tunnel: Tunnel,
  text: string,
  out: Outbox<ServerEffect>,
): void {
  const frame = decodeAgentText(text, state.config.limits.responseHeaderBytesMax);
  switch (frame.type) {
    case "packet":
      return onPacket(state, tunnel, frame, out);
    case "socket_answer":
      return relayAnswer(state, tunnel, frame, out);
    case "abort": {
      const exchange = answerable(state, tunnel, frame.requestId);
      if (exchange === undefined) return onStray(state, tunnel, frame.requestId, out);
      return failExchange(state, exchange, "agent_gave_up", out);
    }
    case "problem":
      return onPacketProblem(state, tunnel, frame, out);
  }
}

/** A packet that cannot be read ends its exchange if it names one; the tunnel lives. */
function onPacketProblem(
  state: ServerState,
  tunnel: Tunnel,
  problem: PacketProblem,
  out: Outbox<ServerEffect>,
): void {
  reportProtocolError(state, tunnel, problem.detail, out);
  if (problem.requestId === null) return;
  const exchange = answerable(state, tunnel, problem.requestId);
  if (exchange === undefined) onStray(state, tunnel, problem.requestId, out);
  else failExchange(state, exchange, problem.code, out, { detail: problem.detail });
}

function reportProtocolError(
  state: ServerState,
  tunnel: Tunnel,
  detail: string,
  out: Outbox<ServerEffect>,
): void {
  state.counters.agentProtocolErrors++;
  out.push({ type: "report", report: { type: "agent_protocol_error", socket: tunnel.id, detail } });
}
