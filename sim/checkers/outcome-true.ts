/** What a server reports of an exchange is what happened: its status, its bytes, and that it was complete where it was. */
import type { LedgerExchange } from "../ledger/exchange.ts";
import type { Property } from "../record/checker.ts";

export const outcomeTrue: Property = {
  name: "outcome_true",
  create: (violate, judged) => {
    /** The status that was ordered for each. */
    const statuses = new Map<LedgerExchange, number>();
    return {
      sees: ["respond", "respond_head", "respond_upgrade", "report"],
      serverStep: ({ name, ledger }, event, effects, count) => {
        for (let index = 0; index < count; index++) {
          const effect = effects[index];
          if (
            effect?.type === "respond" ||
            effect?.type === "respond_head" ||
            effect?.type === "respond_upgrade"
          ) {
            const answered = ledger.exchanges.get(effect.exchange);
            const status = effect.type === "respond_upgrade" ? 101 : effect.status;
            if (answered !== undefined) statuses.set(answered, status);
          }
          if (effect?.type !== "report" || effect.report.type !== "exchange_ended") continue;
          if (event.type !== "exchange_closed") continue;
          const { report } = effect;
          const exchange = ledger.touched.find(({ id }) => id === report.exchange);
          if (exchange === undefined) continue;
          judged();
          const status = statuses.get(exchange) ?? 0;
          statuses.delete(exchange);
          const told = `${report.outcome}, ${report.status}, ${report.bytesOut} bytes`;
          // A response may have gone out whole just before a cut was ordered.
          const isOver = exchange.phase === "over";
          const isTrue =
            report.status === status &&
            report.bytesOut === exchange.writtenBytes &&
            report.method === exchange.opened.method &&
            (report.outcome !== "completed" || (event.complete && isOver)) &&
            (report.outcome !== "visitor_left" || !event.complete);
          if (isTrue) continue;
          const was = `${event.complete ? "complete" : "not complete"}, ${status}, ${exchange.writtenBytes} bytes`;
          violate("safety", `${name} reports ${told} of exchange ${exchange.id}, which was ${was}`);
        }
      },
    };
  },
};
