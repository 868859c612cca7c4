/**
 * Keeping the registry's rows true. Every `leaseRenewMs` one statement extends the leases of all rows of this node and
 * tells which they are, and another one which of the tokens in use are good no longer. A row of a tunnel that is not there any more is deleted: its clean-up was lost, or an upsert was
 * carried out late. A live tunnel without a row gets it back. The rows of a node that died lapse with their leases.
 */
import type { ServerEffect } from "../../effects.ts";
import type { Outbox } from "../../outbox.ts";
import { arm } from "../../timers.ts";
import { type CallResult, callRegistry } from "../registry/calls.ts";
import type { ServerState } from "../state/server.ts";
import type { Tunnel } from "../state/tunnels.ts";
import { claimRow, dropRow, rowId } from "./rows.ts";
import { checkTokens } from "./tokens-in-use.ts";

export function onLeaseTimer(state: ServerState, out: Outbox<ServerEffect>): void {
  const { node, peerUrl, publicUrl, limits } = state.config;
  const { leaseMs } = limits;
  arm(state.timers, state.lease, state.nowMs + limits.leaseRenewMs);
  callRegistry(
    state,
    { type: "renew_leases", node, peerUrl, publicUrl, leaseMs, after: null, rowsMax: 1_000_000 },
    { type: "renew_leases" },
    0,
    out,
  );
  checkTokens(state, out);
}

export function onSweepTimer(state: ServerState, out: Outbox<ServerEffect>): void {
  arm(state.timers, state.sweep, state.nowMs + state.config.limits.sweepMs);
  const { expiredKeptMs: keptMs } = state.config.limits;
  callRegistry(state, { type: "sweep", keptMs }, { type: "sweep" }, 0, out);
}

export function onLeasesRenewed(state: ServerState, result: CallResult, out: Outbox<ServerEffect>): void {
  if (result.type !== "leases_renewed") return;
  const rowless = new Map<string, Tunnel>();
  const present = new Set<string>();
  for (const socket of state.sockets.values()) {
    if (socket.kind !== "tunnel" || !socket.claimed || socket.phase === "closing") continue;
    present.add(rowId(state, socket));
    // The row of a tunnel that stands by is its successor's.
    const standsBy = state.homes.get(socket.clientId)?.standby.has(socket.id) === true;
    if (socket.phase === "live" && !standsBy) rowless.set(rowId(state, socket), socket);
  }
  let repairs = 0;
  for (const row of result.rows) {
    rowless.delete(row.tunnel);
    if (!present.has(row.tunnel) && repairs++ < REPAIRS_MAX) dropRow(state, row, out);
  }
  // Of a server that leaves the rows go to the one that its agents move to.
  if (state.drainPhase !== "none") return;
  for (const tunnel of rowless.values()) {
    if (repairs++ >= REPAIRS_MAX) break;
    claimRow(state, tunnel, out);
  }
}

/** Repairs in one round: after a mass loss the rest waits for the next, so that the registry is not flooded. */
const REPAIRS_MAX = 200;
