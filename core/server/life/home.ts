/** Which tunnel a home's requests go through. */
import type { ServerEffect } from "../../effects.ts";
import type { Outbox } from "../../outbox.ts";
import { forgetElsewhere } from "../owner/found.ts";
import { homeOf, tunnelOf } from "../owner/homes.ts";
import { claimRow } from "../owner/rows.ts";
import type { Home, ServerState } from "../state/server.ts";
import type { Tunnel } from "../state/tunnels.ts";
import { readmitExchange } from "../visitor/door.ts";
import { takeWaiting } from "../visitor/waiting.ts";

/** New requests go through this tunnel from here on, those that wait for it first. */
export function takeHome(state: ServerState, tunnel: Tunnel, out: Outbox<ServerEffect>): void {
  const { clientId, id } = tunnel;
  homeOf(state, clientId).tunnel = id;
  state.counters.tunnelsAccepted++;
  const protocol = tunnel.native === null ? "moosicbox" : "native";
  out.push({ type: "report", report: { type: "tunnel_accepted", socket: id, clientId, protocol } });
  state.away.delete(clientId);
  state.recalled.delete(clientId);
  forgetElsewhere(state, clientId);
  for (const exchange of takeWaiting(state, clientId)) readmitExchange(state, exchange, tunnel, out);
}

/** The tunnel stays open and gets no new request. */
export function standBy(home: Home, tunnel: Tunnel): void {
  home.standby.add(tunnel.id);
}

/** The home's tunnel is gone: the newest that stands by takes its place. */
export function promoteStandby(state: ServerState, clientId: string, out: Outbox<ServerEffect>): void {
  const home = state.homes.get(clientId);
  const latest = [...(home?.standby ?? [])].at(-1);
  const tunnel = tunnelOf(state, latest ?? null);
  if (home === undefined || tunnel === undefined || home.tunnel !== null) return;
  home.standby.delete(tunnel.id);
  claimRow(state, tunnel, out);
  takeHome(state, tunnel, out);
}
