/**
 * Keeping the registry's rows true. Every `leaseRenewMs` the node's own row is kept, and in a round of slices the leases of its
 * connections are extended; each answer tells which they are. One slice is asked for at a time, and one that is lost is asked for
 * again: a round goes on where it was, however long it takes, so that no row is always the last.
 *
 * A row of a tunnel that is not there any more is deleted: its clean-up was lost, or an upsert was carried out late. A live tunnel
 * without a row, or whose row has lapsed, claims it again by its fence when the round is over. The rows of a node that died lapse.
 */
import type { ServerEffect } from "../../effects.ts";
import type { Outbox } from "../../outbox.ts";
import { arm } from "../../timers.ts";
import { type CallResult, callRegistry } from "../registry/calls.ts";
import type { ServerState } from "../state/server.ts";
import { claimRow, dropRow, tunnelNamed } from "./rows.ts";
import { checkTokens } from "./tokens-in-use.ts";

export function onLeaseTimer(state: ServerState, out: Outbox<ServerEffect>): void {
  const { renewal, nowMs, config } = state;
  const isBeat = nowMs >= renewal.beatMs;
  if (isBeat) {
    renewal.beatMs = nowMs + config.limits.leaseRenewMs;
    checkTokens(state, out);
  }
  arm(state.timers, state.lease, renewal.beatMs);
  if (!keepsRows(state)) return;
  // Repairs leave room for the calls of visitors.
  if (!isBeat && state.calls.size >= REPAIRS_MAX) return armRepair(state);
  if (renewal.asked) renewal.due = true;
  else renewSlice(state, out);
}

/** Nothing is here any more. */
export function leaveRegistry(state: ServerState, out: Outbox<ServerEffect>): void {
  const { node, limits } = state.config;
  const operation = { type: "delete_node", node } as const;
  callRegistry(state, operation, { type: "delete_node" }, limits.registryTunnelMs, out);
}

export function onSweepTimer(state: ServerState, out: Outbox<ServerEffect>): void {
  arm(state.timers, state.sweep, state.nowMs + state.config.limits.sweepMs);
  const { expiredKeptMs: keptMs } = state.config.limits;
  callRegistry(state, { type: "sweep", keptMs }, { type: "sweep" }, 0, out);
}

export function onLeasesRenewed(state: ServerState, result: CallResult, out: Outbox<ServerEffect>): void {
  const { renewal } = state;
  renewal.asked = false;
  let isLate = false;
  if (result.type === "leases_renewed") {
    for (const row of result.rows) {
      const tunnel = tunnelNamed(state, row.tunnel);
      if (tunnel?.claimed === true && tunnel.phase !== "closing") tunnel.rowRound = renewal.round;
      else if (renewal.repairs++ < REPAIRS_MAX) dropRow(state, row, out);
    }
    renewal.after = result.next;
    if (result.next !== null) return renewSlice(state, out);
    endRound(state, out);
    isLate = state.nowMs - renewal.begunMs >= state.config.limits.leaseRenewMs;
  }
  // What failed for good is asked for anew once in a beat.
  if (!renewal.due && !isLate) return;
  renewal.due = false;
  renewSlice(state, out);
}

function renewSlice(state: ServerState, out: Outbox<ServerEffect>): void {
  const { node, peerUrl, publicUrl, limits } = state.config;
  const { leaseMs, leaseRowsMax: rowsMax } = limits;
  const { renewal } = state;
  const { after } = renewal;
  if (after === null) {
    renewal.round++;
    renewal.begunMs = state.nowMs;
  }
  renewal.asked = true;
  callRegistry(
    state,
    { type: "renew_leases", node, peerUrl, publicUrl, leaseMs, after, rowsMax },
    { type: "renew_leases" },
    limits.leaseRenewMs,
    out,
  );
}

/** All slices are through: what no row was told of has none. */
function endRound(state: ServerState, out: Outbox<ServerEffect>): void {
  const { renewal } = state;
  // Of a server that leaves the rows go to the one that its agents move to.
  if (state.drainPhase === "none") {
    for (const socket of state.sockets.values()) {
      if (socket.kind !== "tunnel" || socket.phase !== "live" || !socket.claimed) continue;
      if (socket.rowRound === renewal.round) continue;
      // The row of a tunnel that stands by is its successor's.
      if (state.homes.get(socket.clientId)?.standby.has(socket.id) === true) continue;
      if (renewal.repairs++ >= REPAIRS_MAX) break;
      claimRow(state, socket, out);
    }
  }
  if (renewal.repairs > REPAIRS_MAX) armRepair(state);
  renewal.repairs = 0;
}

function armRepair(state: ServerState): void {
  arm(state.timers, state.lease, Math.min(state.nowMs + REPAIR_MS, state.renewal.beatMs));
}

/** A node that closes has said that it is gone. */
export function keepsRows({ drainPhase }: ServerState): boolean {
  return drainPhase !== "closing" && drainPhase !== "drained";
}

/** Repairs in one round: after a mass loss the rest waits for the next, so that the registry is not flooded. */
const REPAIRS_MAX = 200;

/** So soon comes the next round where something is left to repair. */
const REPAIR_MS = 1_000;
