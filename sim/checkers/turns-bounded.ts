/**
 * Of one connection so many exchanges are open at most. What comes beyond is read ahead a little, and further only to see
 * whether its visitor has left, when it has not been read for a while.
 */
import type { EdgeLimits } from "../../core/edge/limits.ts";
import type { LedgerConnection } from "../ledger/connections.ts";
import type { Property } from "../record/checker.ts";

export const turnsBounded: Property = {
  name: "turns_bounded",
  create: (violate, judged) => {
    let limits: EdgeLimits | null = null;
    /** Of each connection: bytes that came since it has as many exchanges as it may. */
    const aheadBytes = new WeakMap<LedgerConnection, number>();
    return {
      begun: ({ edgeLimits }) => {
        limits = edgeLimits;
      },
      sees: ["connection_bytes", "exchange_opened", "exchange_closed"],
      edgeStep: ({ name, nowMs, ledger }, event, effects, count) => {
        const { about } = ledger;
        if (about === null || limits === null || ledger.closing) return;
        const { turnsMax, readAheadBytes, lookMs, lookBytes } = limits;
        if (about.open.length > turnsMax)
          violate("safety", `${name} has ${about.open.length} exchanges open on connection ${about.id}`);
        if (about.open.length < turnsMax || !isWhole(about)) {
          aheadBytes.delete(about);
          return;
        }
        judged();
        // Of what had come before, that was the next request.
        for (let index = 0; index < count; index++)
          if (effects[index]?.type === "exchange_opened") aheadBytes.delete(about);
        const before = aheadBytes.get(about);
        const came = before === undefined || event.type !== "connection_bytes" ? 0 : event.bytes.length;
        aheadBytes.set(about, (before ?? 0) + came);
        const mayLook = nowMs - about.pausedMs >= lookMs;
        const bytesMax = readAheadBytes + (mayLook ? lookBytes : 0);
        if ((before ?? 0) + came < bytesMax || about.paused) return;
        violate(
          "safety",
          `${name} reads on and on on connection ${about.id}, which has no room for a request`,
        );
      },
    };
  },
};

/** Whether what comes is nobody's yet. */
function isWhole({ open, ended, upgraded, lastSaid }: LedgerConnection): boolean {
  return !ended && !upgraded && !lastSaid && open.at(-1)?.requestDone === true;
}
