/**
 * Each exchange ends by its deadline: whatever it waits for, it does not wait longer than the limit for that. And what moves
 * is not given up before, nor a WebSocket ever for its silence.
 */
import type { ServerLimits } from "../../core/limits.ts";
import type { LedgerExchange } from "../ledger/exchange.ts";
import type { Property } from "../record/checker.ts";
import { elsewhereMs, tokenQuestions } from "./patience.ts";

/** Two timers, one after the other, may both be late, most of all while everything happens on a coarse grid. */
const LATE_MS = 500;
/** A drain closes its last sockets in this time. */
const CLOSING_MS = 6_000;

export const deadlines: Property = {
  name: "deadlines",
  create: (violate, judged) => {
    let limits: ServerLimits | null = null;
    let isCluster = false;
    return {
      begun: (setting) => {
        limits = setting.serverLimits;
        isCluster = setting.scenario.peerPath !== undefined;
      },
      // A tick fires all that is due; between two of them a deadline may pass by as much as the timer is late.
      serverStep: ({ name, nowMs, ledger }, event, effects, count) => {
        if (event.type !== "tick" || limits === null) return;
        for (const exchange of ledger.exchanges.values()) {
          judged();
          // Its second question is asked late where the process slept over the answer to the first.
          const sleptMs = exchange.phase === "arrived" ? ledger.sleptMs - exchange.sleptMs : 0;
          const movedMs = Math.max(exchange.progressMs, exchange.relievedMs);
          // What is on its way to a native agent already waits for the answer.
          const isOnWay = exchange.phase === "arrived" && ledger.natives.size > 0;
          const dueMs =
            movedMs +
            sleptMs +
            (isOnWay ? limits.exchangeIdleMs + limits.agentNoticeMs : 0) +
            (isCluster && exchange.phase === "arrived" ? elsewhereMs(limits) : 0) +
            patienceMs(exchange, exchange.phase, limits, "most");
          if (exchange.isCut || nowMs < dueMs) continue;
          violate(
            "liveness",
            `exchange ${exchange.id} of ${name} is ${exchange.phase} without progress since ${nowMs - exchange.progressMs} ms`,
          );
        }
        const { drainAskedMs } = ledger;
        for (const exchange of ledger.touched) {
          if (drainAskedMs !== null || exchange.endedStep !== ledger.steps || exchange.endedIn === "arrived")
            continue;
          // With a native agent's session, which was not taken up in time, all ends that is on it.
          const isServed =
            exchange.tunnel === null
              ? !exchange.native
              : ledger.sockets.get(exchange.tunnel)?.phase === "open";
          if (!isServed || exchange.waitedMs >= patienceMs(exchange, exchange.endedIn, limits, "least"))
            continue;
          violate(
            "safety",
            `exchange ${exchange.id} of ${name} is given up ${exchange.waitedMs} ms after something moved`,
          );
        }
        if (drainAskedMs === null) return;
        // The end of the time for exchanges is found out late where the process slept over it, and the time for sockets begins
        // then; it may sleep over the end of that as well, and ends when it wakes.
        const sleptMs = ledger.sleptMs - ledger.drainAskedSleptMs;
        const dueMs = drainAskedMs + limits.drainMs + CLOSING_MS + sleptMs + LATE_MS;
        const isOver = effects.slice(0, count).some((effect) => effect?.type === "drained");
        if (!isOver && nowMs > dueMs) {
          violate("liveness", `${name} still drains after ${nowMs - drainAskedMs} ms`);
        }
      },
    };
  },
};

/** Where it depends on what nobody outside can tell, the most or the least that it may be. */
function patienceMs(
  exchange: LedgerExchange,
  phase: LedgerExchange["phase"],
  limits: ServerLimits,
  which: "most" | "least",
): number {
  const { exchangeIdleMs, agentNoticeMs, continueMs } = limits;
  switch (phase) {
    case "arrived":
      // A token is looked up, and then a home found, or a token stored and looked for, as it may have been there; where its home
      // is lost, that is waited for.
      return (
        Math.max(2, tokenQuestions(exchange.opened.target)) * limits.registryVisitorMs +
        limits.waitMs +
        LATE_MS
      );
    case "reading":
    case "asked":
      if (isSilentSocket(exchange, which)) return Number.POSITIVE_INFINITY;
      if (which === "least" || (phase === "reading" && !exchange.native)) return exchangeIdleMs;
      return exchangeIdleMs + agentNoticeMs + (exchange.native ? continueMs + LATE_MS : 0);
    case "over":
      return exchangeIdleMs;
  }
}

/** A WebSocket of which nothing waits for its visitor. */
function isSilentSocket(
  { status, unflushedBytes, waitingBytes }: LedgerExchange,
  which: "most" | "least",
): boolean {
  return status === 101 && (which === "most" ? unflushedBytes : waitingBytes) === 0;
}
