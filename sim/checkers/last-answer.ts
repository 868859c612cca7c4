/** Behind the last request of a connection, or the answer that said it is the last one, no other request is taken. */
import type { Property } from "../record/checker.ts";

export const lastAnswer: Property = {
  name: "last_answer",
  create: (violate, judged) => ({
    edgeStep: ({ name, ledger }) => {
      if (ledger.about?.lastSaid !== true) return;
      judged();
      const [exchange] = ledger.afterLast;
      if (exchange === undefined) return;
      violate("safety", `${name} takes exchange ${exchange} on a connection that takes no more`);
    },
  }),
};
