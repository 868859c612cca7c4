import type { AgentEffect } from "../effects.ts";
import type { Outbox } from "../outbox.ts";
import type { AgentState } from "./state.ts";

/** The server sent something that the protocol has no place for. The tunnel lives on: one bad frame harms only itself. */
export function onProtocolError(state: AgentState, detail: string, out: Outbox<AgentEffect>): void {
  state.counters.protocolErrors++;
  out.push({ type: "report", report: { type: "server_protocol_error", detail } });
}
