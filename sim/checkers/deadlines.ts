/**
 * Each exchange ends by its deadline: whatever it waits for, it does not wait longer than the limit for that. And what moves
 * is not given up before.
 */
import type { ServerLimits } from "../../core/limits.ts";
import type { Property } from "./checker.ts";
import type { LedgerExchange } from "./ledger-exchange.ts";

/** A drain closes its last sockets in this time. */
const CLOSING_MS = 6_000;

export const deadlines: Property = {
  name: "deadlines",
  create: (violate, judged) => {
    let limits: ServerLimits | null = null;
    return {
      begun: (setting) => {
        limits = setting.serverLimits;
      },
      // A tick fires all that is due; between two of them a deadline may pass by as much as the timer is late.
      serverStep: ({ name, nowMs, ledger }, event, effects, count) => {
        if (event.type !== "tick" || limits === null) return;
        for (const exchange of ledger.exchanges.values()) {
          judged();
          const dueMs = exchange.progressMs + patienceMs(exchange, exchange.phase, limits);
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
          const isServed = exchange.tunnel === null || ledger.sockets.get(exchange.tunnel)?.phase === "open";
          if (!isServed || exchange.waitedMs >= patienceMs(exchange, exchange.endedIn, limits)) continue;
          violate(
            "safety",
            `exchange ${exchange.id} of ${name} is given up ${exchange.waitedMs} ms after something moved`,
          );
        }
        // A process that was stalled finds out late, and ends then.
        const isOver = effects.slice(0, count).some((effect) => effect?.type === "drained");
        if (!isOver && drainAskedMs !== null && nowMs > drainAskedMs + limits.drainMs + CLOSING_MS) {
          violate("liveness", `${name} still drains after ${nowMs - drainAskedMs} ms`);
        }
      },
    };
  },
};

function patienceMs(exchange: LedgerExchange, phase: LedgerExchange["phase"], limits: ServerLimits): number {
  switch (phase) {
    case "arrived":
      // A token is looked up, and then a home found or a token stored.
      return 2 * limits.registryVisitorMs;
    case "reading":
      return limits.requestIdleMs;
    case "asked":
      return exchange.next > 1 ? limits.responseIdleMs : limits.responseHeadMs;
    case "over":
      return limits.visitorStallMs;
  }
}
