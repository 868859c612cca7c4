/**
 * A home that binds a login to its connection takes what comes on it later for that user's: so nobody else's request goes on
 * such a connection.
 */
import type { Property } from "../record/checker.ts";

export const boundLogins: Property = {
  name: "bound_logins",
  create: (violate, judged) => ({
    homeCalled: ({ connection, visit }) => {
      if (connection === null || visit === null) return;
      judged();
      for (const user of connection.logins) {
        if (user !== visit.id)
          violate("safety", `${connection.agent} sends visit ${visit.id} in the name of visit ${user}`);
      }
    },
  }),
};
