/** Each exchange has exactly one outcome, and nothing is ordered for it after its end. */
import type { Property, ServerEffect } from "./checker.ts";

type Seen = { ended: boolean; finished: boolean; closed: boolean };

export const outcomeOnce: Property = {
  name: "outcome_once",
  create: (violate, judged) => {
    const processes = new Map<string, Map<number, Seen>>();
    const seenOf = (process: string, exchange: number): Seen | undefined =>
      processes.get(process)?.get(exchange);
    return {
      sees: [
        "exchange_opened",
        "exchange_closed",
        "report",
        "respond",
        "respond_interim",
        "respond_upgrade",
        "respond_head",
        "respond_body",
        "respond_end",
        "respond_cut",
      ],
      serverStep: (process, event, effects, count) => {
        if (event.type === "exchange_opened") {
          const exchanges = processes.get(process.name) ?? new Map<number, Seen>();
          processes.set(process.name, exchanges);
          exchanges.set(event.exchange, { ended: false, finished: false, closed: false });
        }
        if (event.type === "exchange_closed") {
          const seen = seenOf(process.name, event.exchange);
          if (seen !== undefined) seen.closed = true;
        }
        for (let index = 0; index < count; index++) {
          const effect = effects[index];
          if (effect?.type === "report" && effect.report.type === "exchange_ended") {
            judged();
            const seen = seenOf(process.name, effect.report.exchange);
            const name = `exchange ${effect.report.exchange} of ${process.name}`;
            if (seen === undefined) violate("safety", `${name} ended and was never opened`);
            else if (seen.ended) violate("safety", `${name} has a second outcome, ${effect.report.outcome}`);
            else seen.ended = true;
          } else if (effect !== undefined && isResponse(effect)) {
            const seen = seenOf(process.name, effect.exchange);
            const name = `exchange ${effect.exchange} of ${process.name}`;
            if (seen === undefined) violate("safety", `${effect.type} for ${name}, which was never opened`);
            else if (seen.closed) violate("safety", `${effect.type} for ${name}, which is closed`);
            else if (seen.finished && effect.type !== "respond_cut") {
              violate("safety", `${effect.type} for ${name}, which was answered already`);
            } else seen.finished = !PARTS.has(effect.type);
          }
        }
      },
    };
  },
};

type Response = Extract<ServerEffect, { readonly type: "respond" | `respond_${string}` }>;

/** What comes before the end of a response. */
const PARTS: ReadonlySet<string> = new Set([
  "respond_interim",
  "respond_upgrade",
  "respond_head",
  "respond_body",
]);

function isResponse(effect: ServerEffect): effect is Response {
  return effect.type.startsWith("respond");
}
