/** Answers go out in the order of a connection's requests: what is ordered for a later one waits for those before. */
import type { Property } from "../record/checker.ts";

export const inTurn: Property = {
  name: "in_turn",
  create: (violate, judged) => ({
    sees: [
      "exchange_read",
      "respond",
      "respond_interim",
      "respond_upgrade",
      "respond_head",
      "respond_body",
      "respond_end",
      "respond_cut",
    ],
    edgeStep: ({ name, ledger }, event) => {
      if (ledger.ahead <= 0) return;
      judged();
      const [early] = ledger.outOfTurn;
      if (early === undefined) return;
      violate(
        "safety",
        `${name} obeys ${event.type} with ${early} before ${ledger.ahead} others had their answers`,
      );
    },
  }),
};
