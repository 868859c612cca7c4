/** Nothing is sent on a visitor's connection whose side was ended, or that is gone. */
import type { Property } from "../record/checker.ts";

export const overIsOver: Property = {
  name: "over_is_over",
  create: (violate, judged) => ({
    edgeStep: ({ name, ledger }, event) => {
      if (ledger.about?.ended !== true) return;
      judged();
      const [order] = ledger.afterEnd;
      if (order !== undefined) violate("safety", `${name} orders ${order} on ${event.type}, and it is over`);
    },
  }),
};
