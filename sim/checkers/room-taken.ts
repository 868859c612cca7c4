/**
 * Nobody is told that there is no room for his request while there is: who has only an answer to take, and does not take it,
 * takes none of the room of others.
 */
import type { ServerEffect } from "../../core/effects.ts";
import type { Property } from "../record/checker.ts";
import { latin1Text } from "../tools/text.ts";

export const roomTaken: Property = {
  name: "room_taken",
  create: (violate, judged) => {
    let exchangesMax = Number.POSITIVE_INFINITY;
    return {
      begun: ({ serverLimits }) => {
        exchangesMax = serverLimits.exchangesMax;
      },
      sees: ["exchange_opened"],
      serverStep: ({ name, ledger }, event, effects, count) => {
        if (event.type !== "exchange_opened") return;
        for (let index = 0; index < count; index++) {
          if (!saysFull(effects[index])) continue;
          judged();
          let others = 0;
          for (const { phase } of ledger.exchanges.values()) if (phase !== "over") others++;
          if (others >= exchangesMax) continue;
          violate("safety", `${name} has no room for exchange ${event.exchange} beside ${others} others`);
        }
      },
    };
  },
};

function saysFull(effect: ServerEffect | undefined): boolean {
  if (effect?.type !== "respond" || effect.status !== 503) return false;
  return effect.body.some((part) => latin1Text(part).includes("limit_exchanges"));
}
