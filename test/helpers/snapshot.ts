import type { ServerSnapshot } from "../../core/server.ts";

/** A snapshot of an idle server, with what a test changes. */
export function snapshotWith(changes: Partial<ServerSnapshot> = {}): ServerSnapshot {
  return {
    tunnels: 0,
    visitorSockets: 0,
    exchanges: 0,
    sessions: 0,
    waiting: 0,
    sessionBytes: 0,
    heldBytes: 0,
    registryUp: true,
    draining: false,
    counters: {
      outcomes: new Map(),
      exchangesOpened: 0,
      tunnelsAccepted: 0,
      bytesIn: 0,
      bytesOut: 0,
      strayPackets: 0,
      duplicatePackets: 0,
      abortsSent: 0,
      agentProtocolErrors: 0,
      tunnelPauses: 0,
      resumptions: 0,
      hopsSent: 0,
      hopsAstray: 0,
      hopsTaken: 0,
    },
    ...changes,
  };
}
