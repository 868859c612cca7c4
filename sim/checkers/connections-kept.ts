/**
 * Connections to a home are bounded: each has a request, or is kept for another one, not longer than a connection may be idle
 * and not more of them than may be kept.
 */

import type { OriginsEffect, OriginsEvent } from "../../core/origins/origins.ts";
import { clientLimits } from "../../core/origins/state.ts";
import type { Property } from "../record/checker.ts";
import { ofEachProcess } from "./of-each-process.ts";

type Kept = {
  /** Connection by the exchange that is on it, and the other way round. */
  readonly connectionOf: Map<number, number>;
  readonly exchangeOf: Map<number, number>;
  /** Its agent's side is ended, and it is over when the other is. */
  readonly ending: Set<number>;
  /** Since when each has been idle. */
  readonly idleMs: Map<number, number>;
};

export const connectionsKept: Property = {
  name: "connections_kept",
  create: (violate, judged) => {
    const keptOf = ofEachProcess(
      (): Kept => ({ connectionOf: new Map(), exchangeOf: new Map(), ending: new Set(), idleMs: new Map() }),
    );
    return {
      originsStep: (process, event, effects, count) => {
        const { name, nowMs } = process;
        const kept = keptOf(process);
        for (let index = 0; index < count; index++) {
          const effect = effects[index];
          if (effect !== undefined) note(kept, event, effect, nowMs);
        }
        if (event.type === "connection_closed") forget(kept, event.connection);
        if (event.type !== "tick") return;
        judged();
        if (kept.idleMs.size > clientLimits.idleConnectionsMax * ORIGINS_MAX)
          violate("safety", `${name} keeps ${kept.idleMs.size} connections that nobody uses`);
        for (const [connection, sinceMs] of kept.idleMs) {
          if (nowMs - sinceMs >= clientLimits.idleMs)
            violate("liveness", `${name} keeps connection ${connection}, idle for ${nowMs - sinceMs} ms`);
        }
      },
    };
  },
};

/** That an agent is set up with here. */
const ORIGINS_MAX = 4;

function note(kept: Kept, event: OriginsEvent, effect: OriginsEffect, nowMs: number): void {
  const { connectionOf, exchangeOf, idleMs } = kept;
  switch (effect.type) {
    case "connection_write": {
      const { connection } = effect;
      idleMs.delete(connection);
      if (exchangeOf.has(connection)) break;
      const exchange = exchangeOfWrite(kept, event);
      if (exchange === null) break;
      connectionOf.set(exchange, connection);
      exchangeOf.set(connection, exchange);
      break;
    }
    case "connection_end":
      kept.ending.add(effect.connection);
      break;
    case "connection_close":
      forget(kept, effect.connection);
      break;
    case "origin_ended":
    case "origin_failed": {
      const connection = connectionOf.get(effect.exchange);
      connectionOf.delete(effect.exchange);
      if (connection === undefined || !exchangeOf.delete(connection)) break;
      if (!kept.ending.has(connection)) idleMs.set(connection, nowMs);
      break;
    }
    default:
  }
}

function forget({ exchangeOf, ending, idleMs }: Kept, connection: number): void {
  exchangeOf.delete(connection);
  ending.delete(connection);
  idleMs.delete(connection);
}

/** Who writes first on a connection: the request that is made, or one whose other connection turned out to be none. */
function exchangeOfWrite({ exchangeOf }: Kept, event: OriginsEvent): number | null {
  if (event.type === "origin_request") return event.exchange;
  return "connection" in event ? (exchangeOf.get(event.connection) ?? null) : null;
}
