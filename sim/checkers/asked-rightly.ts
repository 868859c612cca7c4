/** What comes on a home's connection is HTTP: whole requests, one behind the other, each with the body that its visitor sent. */
import type { Property } from "../record/checker.ts";

export const askedRightly: Property = {
  name: "asked_rightly",
  create: (violate, judged) => ({
    homeCalled: ({ connection }) => {
      if (connection !== null) judged();
    },
    homeMisread: ({ clientId, agent, calls }, why) => {
      violate("safety", `${agent} sends the service of ${clientId}, behind ${calls.length} requests, ${why}`);
    },
  }),
};
