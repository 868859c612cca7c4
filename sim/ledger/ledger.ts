/**
 * What one server process was told and what it ordered, written down from outside: which exchanges and sockets there are,
 * what came for each and what went out. It follows the protocol and the contract of events and effects, and knows nothing
 * of how `core/` does its work. Checkers hold what the machine does, and what it says of itself, against it.
 */
import type { ServerEffect } from "../../core/effects.ts";
import type { CallId, ExchangeId, SocketId } from "../../core/ids.ts";
import type { LedgerExchange } from "./exchange.ts";
import type { SeenPacket } from "./seen-packet.ts";
import type { LedgerSocket } from "./socket.ts";

export type LedgerCall = {
  readonly operation: Extract<ServerEffect, { readonly type: "registry_call" }>["operation"];
  readonly askedMs: number;
};

export class Ledger {
  /** Ids on the wire are those of events plus this. */
  readonly idBase: number;
  readonly exchanges = new Map<ExchangeId, LedgerExchange>();
  readonly sockets = new Map<SocketId, LedgerSocket>();
  /** Calls to the registry that were not answered yet; some of them may have been given up. */
  readonly calls = new Map<CallId, LedgerCall>();
  /** Steps written down. */
  steps = 0;
  nowMs = 0;
  /** For so long the process did not run, which is nothing that it could have done better. */
  sleptMs = 0;
  /** Sockets that are tunnels. */
  tunnels = 0;
  /** What the exchanges that are there hold, all together. */
  heldBytes = 0;
  /** The exchanges that the last step was about, one that it closed included. */
  readonly touched: LedgerExchange[] = [];
  /** The packet that the last step brought, whosesoever it was. */
  packet: SeenPacket | null = null;
  /** The exchanges whose request frame went out in the last step. */
  readonly asked: LedgerExchange[] = [];
  /** The sockets that the last step ended. */
  readonly left: LedgerSocket[] = [];
  /** ABORT frames of the last step, each as the socket and the request id. */
  readonly aborts = new Set<string>();
  /** Exchanges that native agents were told to end in the last step. */
  readonly resets = new Set<number>();
  /** Effects of the last step that name nothing alive. */
  readonly astray: string[] = [];
  drainAskedMs: number | null = null;
  /** How long the process had slept by then. */
  drainAskedSleptMs = 0;
  /** Client ids whose latest tunnel is native; one that is lost may still have a session. */
  readonly natives = new Set<string>();

  constructor(idBase: number) {
    this.idBase = idBase;
  }

  /** Some packets wait for an earlier one. */
  get waitsForGaps(): boolean {
    for (const { phase, parkedPackets } of this.exchanges.values()) {
      if (phase === "asked" && parkedPackets > 0) return true;
    }
    return false;
  }

  /** The exchange of a request id, if it is there. */
  exchangeOf(requestId: number): LedgerExchange | undefined {
    return this.exchanges.get((requestId - this.idBase) as ExchangeId);
  }

  /** The step is about it. */
  touch(exchange: LedgerExchange): void {
    if (!this.touched.includes(exchange)) this.touched.push(exchange);
  }
}
