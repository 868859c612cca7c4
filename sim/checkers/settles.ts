/** Every visit ends within the time that the healed world is given, and without faults it succeeds. */
import type { Property } from "../record/checker.ts";
import type { Visit } from "../record/visit.ts";
import { isAsExpected } from "./expectation.ts";

export const settles: Property = {
  name: "settles",
  create: (violate, judged) => ({
    finished: ({ visits, faultFree }) => {
      for (const visit of visits) {
        judged();
        if (visit.end === null) {
          violate("liveness", `${describe(visit)} has not ended`);
        } else if (faultFree && !isAsExpected(visit)) {
          violate(
            "liveness",
            `${describe(visit)} ended with ${visit.end}, status ${visit.status}, without any fault`,
          );
        }
      }
    },
  }),
};

function describe(visit: Visit): string {
  const { id, request } = visit.operation;
  return `visit ${id} (${request.method} ${request.endpoint}, ${request.credential}) to ${visit.clientId}`;
}
