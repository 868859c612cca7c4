/** When all work is done, everything is back at zero: nothing that was held for it stays behind. */
import type { Property } from "../record/checker.ts";

export const quiescence: Property = {
  name: "quiescence",
  create: (violate, judged) => ({
    finished: ({ held, homeCalls }) => {
      judged();
      for (const { process, what, count } of held) {
        if (count !== 0) violate("safety", `${process} still has ${count} ${what} when all work is done`);
      }
      for (const call of homeCalls) {
        if (call.end !== null) continue;
        violate("safety", `the home ${call.clientId} still works on ${call.method} ${call.target}`);
      }
    },
  }),
};
