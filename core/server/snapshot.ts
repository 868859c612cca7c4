/** The server's sizes and sums at one moment, for whoever watches it. */
import type { ServerCounters, ServerState } from "./state.ts";

export type ServerSnapshot = {
  readonly tunnels: number;
  readonly visitorSockets: number;
  readonly exchanges: number;
  readonly heldBytes: number;
  /** Null before the first answer. */
  readonly registryUp: boolean | null;
  readonly draining: boolean;
  readonly counters: Readonly<ServerCounters>;
};

export function serverSnapshot(state: ServerState): ServerSnapshot {
  return {
    tunnels: state.tunnels,
    visitorSockets: state.visitorSockets,
    exchanges: state.exchanges.size,
    heldBytes: state.heldBytes,
    registryUp: state.registryUp,
    draining: state.drainPhase !== "none",
    counters: state.counters,
  };
}
