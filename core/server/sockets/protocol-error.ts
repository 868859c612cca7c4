import type { ServerEffect } from "../../effects.ts";
import type { Outbox } from "../../outbox.ts";
import type { ServerState } from "../state/server.ts";
import type { Tunnel } from "../state/tunnels.ts";

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
