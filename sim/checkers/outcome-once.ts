/** Each exchange has exactly one outcome, and nothing is ordered for it after its end. */
import type { ServerEffect } from "../../core/effects.ts";
import type { Property } from "../record/checker.ts";
import { ofEachProcess } from "./of-each-process.ts";

type Seen = { ended: boolean; finished: boolean; closed: boolean };

export const outcomeOnce: Property = {
  name: "outcome_once",
  create: (violate, judged) => {
    const exchangesOf = ofEachProcess(() => new Map<number, Seen>());
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
        const exchanges = exchangesOf(process);
        const nameOf = (exchange: number) => `exchange ${exchange} of ${process.name}`;
        if (event.type === "exchange_opened")
          exchanges.set(event.exchange, { ended: false, finished: false, closed: false });
        if (event.type === "exchange_closed") {
          const seen = exchanges.get(event.exchange);
          if (seen !== undefined) seen.closed = true;
        }
        for (let index = 0; index < count; index++) {
          const effect = effects[index];
          if (effect?.type === "report" && effect.report.type === "exchange_ended") {
            judged();
            const { exchange, outcome } = effect.report;
            const seen = exchanges.get(exchange);
            if (seen === undefined) violate("safety", `${nameOf(exchange)} ended and was never opened`);
            else if (seen.ended) violate("safety", `${nameOf(exchange)} has a second outcome, ${outcome}`);
            else seen.ended = true;
          } else if (effect !== undefined && isResponse(effect)) {
            const { type, exchange } = effect;
            const seen = exchanges.get(exchange);
            if (seen === undefined)
              violate("safety", `${type} for ${nameOf(exchange)}, which was never opened`);
            else if (seen.closed) violate("safety", `${type} for ${nameOf(exchange)}, which is closed`);
            else if (seen.finished && type !== "respond_cut")
              violate("safety", `${type} for ${nameOf(exchange)}, which was answered already`);
            else seen.finished = !PARTS.has(type);
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
