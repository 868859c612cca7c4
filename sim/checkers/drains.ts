/**
 * A server that was asked to stop takes nothing new and lets what runs have its time. When nothing is left to finish, or no
 * time for it, it sends every socket away, also those in their handshake and those that still come, and ends when its rows
 * are deleted.
 */
import type { Ledger } from "../ledger/ledger.ts";
import type { Property } from "../record/checker.ts";

/** What is still to be said and done takes no longer where the others are there. */
const CLOSING_MS = 6_000;

export const drains: Property = {
  name: "drains",
  create: (violate, judged) => {
    /** Since when each process is closing. */
    const closing = new Map<string, number>();
    /** When each deletion of a row was asked for first. */
    const deletions = new Map<string, number>();
    let drainMs = 0;
    let registryCallMs = 0;
    let registryTunnelMs = 0;
    /** Whether a deletion may still be answered: neither its attempt nor all the time for it is over. */
    const waitsForRows = ({ calls, nowMs }: Ledger): boolean => {
      for (const { operation, askedMs } of calls.values()) {
        if (operation.type !== "delete_connection" || nowMs - askedMs >= registryCallMs) continue;
        if (nowMs - (deletions.get(operation.tunnel) ?? 0) < registryTunnelMs) return true;
      }
      return false;
    };
    return {
      begun: ({ serverLimits }) => {
        ({ drainMs, registryCallMs, registryTunnelMs } = serverLimits);
      },
      serverStep: ({ name, nowMs, ledger }, event, effects, count) => {
        for (let index = 0; index < count; index++) {
          const effect = effects[index];
          if (effect?.type !== "registry_call" || effect.operation.type !== "delete_connection") continue;
          const { tunnel } = effect.operation;
          if (!deletions.has(tunnel)) deletions.set(tunnel, nowMs);
        }
        if (ledger.drainAskedMs === null) return;
        if (event.type === "exchange_opened" && ledger.exchanges.get(event.exchange)?.phase !== "over")
          violate("safety", `${name} drains and takes exchange ${event.exchange}`);
        const asked = event.type === "upgrade_requested" ? ledger.sockets.get(event.socket) : undefined;
        // A handshake with a home's service becomes an exchange, which is refused as that.
        if (asked !== undefined && asked.phase !== "leaving")
          violate("safety", `${name} drains and takes socket ${asked.id}`);
        const timeIsUp = event.type === "tick" && nowMs >= ledger.drainAskedMs + drainMs;
        for (let index = 0; index < count; index++) {
          const effect = effects[index];
          if (
            effect?.type === "drained" &&
            nowMs - (closing.get(name) ?? nowMs) < CLOSING_MS &&
            waitsForRows(ledger)
          )
            violate("safety", `${name} ends before its rows are deleted`);
          if (effect?.type !== "report" || effect.report.type !== "exchange_ended") continue;
          const early = effect.report.outcome === "draining" ? endedEarly(ledger, drainMs) : undefined;
          if (early !== undefined) violate("safety", `${name} cuts exchange ${early} off before its time`);
        }
        if ((ledger.exchanges.size === 0 || timeIsUp) && !closing.has(name)) closing.set(name, nowMs);
        if (!closing.has(name)) return;
        for (const socket of ledger.sockets.values()) {
          judged();
          // A handshake that was accepted just before is completed, and then closed with a reason.
          if (socket.phase === "leaving" || socket.phase === "accepted") continue;
          violate("safety", `${name} is closing and keeps socket ${socket.id}, which is ${socket.phase}`);
        }
      },
    };
  },
};

/** Of the exchanges that were under way when it was asked to stop, one that was not given its time. */
function endedEarly({ touched, drainAskedMs }: Ledger, drainMs: number): number | undefined {
  const askedMs = drainAskedMs ?? 0;
  return touched.find(({ openedMs, endedMs }) => openedMs < askedMs && endedMs < askedMs + drainMs)?.id;
}
