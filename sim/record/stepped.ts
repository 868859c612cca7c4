/** What is known of a machine's process after one of its steps. */
import type { ConnectionLedger } from "../ledger/connections.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { OriginLedger } from "../ledger/origin-connections.ts";

/** A process as a checker sees it. */
export type SteppedProcess = {
  /** Unique in a run; a restarted process has another. */
  readonly name: string;
  /** What its own clock showed at the step. */
  readonly nowMs: number;
};

/** A server process: what is written down of it, and what it says of itself. */
export type SteppedServer = SteppedProcess & {
  /** With the step that is looked at. */
  readonly ledger: Ledger;
  readonly snapshot: () => ServerSizes;
  /** As in the snapshot, which has more than is wanted after each step. */
  readonly heldBytes: number;
};

/** The edge of a server process, with what is written down of its connections: the step that is looked at included. */
export type SteppedEdge = SteppedProcess & { readonly ledger: ConnectionLedger };

/** The part of an agent's process that has the connections to its home, with what is written down of them. */
export type SteppedOrigins = SteppedProcess & {
  readonly ledger: OriginLedger;
  /** What its agent's operator has set. */
  readonly limits: { readonly idleMs: number };
};

export type ServerSizes = {
  readonly tunnels: number;
  readonly visitorSockets: number;
  readonly exchanges: number;
  readonly heldBytes: number;
  /** Requests that wait for a home that was lost a moment ago. */
  readonly waiting: number;
  /** Of native agents, those included that are away for the moment. */
  readonly sessions: number;
  readonly timersArmed: number;
  /** Homes that the registry is asked about, now or before long. */
  readonly seeks: number;
  readonly counters: {
    readonly outcomes: ReadonlyMap<string, number>;
    readonly exchangesOpened: number;
    readonly tunnelsAccepted: number;
    readonly bytesOut: number;
    readonly abortsSent: number;
    readonly tunnelPauses: number;
  };
};
