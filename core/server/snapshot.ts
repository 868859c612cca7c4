/** The server's sizes and sums at one moment, for whoever watches it. */
import type { ServerCounters, ServerState } from "./state/server.ts";

export type ServerSnapshot = {
  readonly tunnels: number;
  readonly visitorSockets: number;
  readonly exchanges: number;
  /** Of native agents, those included that are away for the moment. */
  readonly sessions: number;
  /** Requests that wait for a home. */
  readonly waiting: number;
  readonly heldBytes: number;
  /** Request bodies that wait for credit or acknowledgement of native agents. */
  readonly sessionBytes: number;
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
    sessions: state.sessions.size,
    waiting: state.waiting,
    heldBytes: state.heldBytes,
    sessionBytes: state.sessionBytes,
    registryUp: state.registryUp,
    draining: state.drainPhase !== "none",
    counters: state.counters,
  };
}
