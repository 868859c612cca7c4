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
import { accessText } from "./access.ts";
import type { CallResult } from "./calls.ts";
import { callRegistry } from "./calls.ts";
import { exchangeOf, failExchange } from "./exchange.ts";
import { homeOf, markAway, tunnelOf } from "./homes.ts";
import { onNativeFrame, onNativeText, openNative } from "./native.ts";
import { relayAnswer } from "./relay.ts";
import { forwardRequest } from "./request.ts";
import { answerable, onPacket } from "./response.ts";
import { endSession, leaveSession } from "./sessions.ts";
import { acceptSocket, acceptToClose, closeSocket, refuseSocket } from "./sockets.ts";
import type { ServerState, Tunnel } from "./state.ts";
import { releaseWaiting } from "./waiting.ts";

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
export function openTunnel(
  state: ServerState,
  tunnel: Tunnel,
  nonce: Uint8Array,
  out: Outbox<ServerEffect>,
): void {
  const { clientId, native } = tunnel;
  const other = tunnelOf(state, state.homes.get(clientId)?.tunnel ?? null);
  if (other !== undefined && isNewer(other, tunnel)) return closeSocket(state, tunnel, "superseded", out);
  // The older one serves until the newer has said hello.
  if (native !== null) return openNative(state, tunnel, native, nonce);
  if (other !== undefined) closeSocket(state, other, "superseded", out);
  const session = state.sessions.get(clientId);
  if (session !== undefined) endSession(state, session, out);
  takeHome(state, tunnel, out);
}

/** New requests go through this tunnel from here on, those that wait for it first. */
export function takeHome(state: ServerState, tunnel: Tunnel, out: Outbox<ServerEffect>): void {
  const { clientId, id } = tunnel;
  homeOf(state, clientId).tunnel = id;
  state.counters.tunnelsAccepted++;
  const protocol = tunnel.native === null ? "moosicbox" : "native";
  out.push({ type: "report", report: { type: "tunnel_accepted", socket: id, clientId, protocol } });
  releaseWaiting(state, clientId, (exchange) => forwardRequest(state, exchange, clientId, out));
}

export function isNewer(a: Tunnel, b: Tunnel): boolean {
  return a.fence > b.fence || (a.fence === b.fence && a.id > b.id);
}

/**
 * The tunnel is lost or being closed: its row goes, and its exchanges fail, but for those of a session that waits for its
 * agent. `served` tells whether new requests went through it.
 */
export function endTunnel(
  state: ServerState,
  tunnel: Tunnel,
  {
    cause,
    code,
    served,
  }: { readonly cause: FailureCode | "closed"; readonly code: number; readonly served: boolean },
  out: Outbox<ServerEffect>,
): void {
  disarm(state.timers, tunnel.pause);
  if (tunnel.native !== null) disarm(state.timers, tunnel.native.hello);
  // An agent that went of its own accord may be back as soon as one that was lost: it was restarted, perhaps.
  const comesBack = served && cause !== "superseded" && state.drainPhase === "none";
  if (comesBack) markAway(state, tunnel.clientId, tunnel.access);
  leaveSession(state, tunnel, cause, code, out);
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
  if (tunnel.native !== null) return onNativeFrame(state, tunnel, tunnel.native, bytes, out);
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
  if (tunnel.native !== null) return onNativeText(state, tunnel, out);
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

/** Counts and tells what the protocol has no place for. */
export function reportProtocolError(
  state: ServerState,
  tunnel: Tunnel,
  detail: string,
  out: Outbox<ServerEffect>,
): void {
  state.counters.agentProtocolErrors++;
  out.push({ type: "report", report: { type: "agent_protocol_error", socket: tunnel.id, detail } });
}
