/** A server's effects name live things only, each in a state that allows them: nothing is ordered for what is over. */
import type { Property } from "../record/checker.ts";

export const liveThings: Property = {
  name: "live_things",
  create: (violate, judged) => ({
    serverStep: ({ name, ledger }, event, _effects, count) => {
      if (count > 0) judged();
      for (const order of ledger.astray) violate("safety", `${name} ordered, on ${event.type}, ${order}`);
    },
  }),
};
