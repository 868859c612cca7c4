/** Where the server says that the home is found, told to people when it is new to them, and whether that is what they wanted. */
import type { AgentEffect } from "../../effects.ts";
import type { Outbox } from "../../outbox.ts";
import { areSameWays, type Ways } from "../../wire/ways.ts";
import type { AgentState } from "../state.ts";

/** Null for a server that does not tell, as MoosicBox's does not. */
export function tellWays(state: AgentState, ways: Ways | null, out: Outbox<AgentEffect>): void {
  if (state.ways !== undefined && areSameWays(state.ways, ways)) return;
  state.ways = ways;
  out.push({ type: "report", report: { type: "reachable", ways } });
  const { hostname, clientId } = state.config;
  if (hostname === null || ways?.host === hostname) return;
  out.push({ type: "report", report: { type: "hostname_refused", hostname, clientId } });
}
