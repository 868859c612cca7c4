/** Behind the last request of a connection, or the answer that said it is the last one, no other request is taken and none answered. */
import type { Property } from "../record/checker.ts";

export const lastAnswer: Property = {
  name: "last_answer",
  create: (violate, judged) => ({
    edgeStep: ({ name, ledger }) => {
      if (ledger.about?.lastSaid !== true) return;
      judged();
      const [more] = ledger.afterLast;
      if (more !== undefined) violate("safety", `${more} by ${name} on a connection that said its last`);
    },
  }),
};
