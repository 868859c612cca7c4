/**
 * Connections to a home are bounded: each has a request, or is kept for another one, not longer than a connection may be idle
 * and not more of them than may be kept.
 */
import { clientLimits } from "../../core/origins/state.ts";
import type { OriginLedger } from "../ledger/origin-connections.ts";
import type { Property } from "../record/checker.ts";

export const connectionsKept: Property = {
  name: "connections_kept",
  create: (violate, judged) => ({
    sees: ["tick"],
    originsStep: ({ name, nowMs, ledger, limits }, event) => {
      if (event.type !== "tick") return;
      judged();
      for (const [origin, count] of idlePerOrigin(ledger)) {
        if (count > clientLimits.idleConnectionsMax)
          violate("safety", `${name} keeps ${count} connections to origin ${origin} that nobody uses`);
      }
      for (const { id, idleSinceMs } of ledger.connections.values()) {
        if (idleSinceMs !== null && nowMs - idleSinceMs >= limits.idleMs)
          violate("liveness", `${name} keeps connection ${id}, idle for ${nowMs - idleSinceMs} ms`);
      }
    },
  }),
};

function idlePerOrigin({ connections }: OriginLedger): ReadonlyMap<number, number> {
  const counts = new Map<number, number>();
  for (const { origin, idleSinceMs } of connections.values())
    if (idleSinceMs !== null) counts.set(origin, (counts.get(origin) ?? 0) + 1);
  return counts;
}
