/** Every visit ends within the time that the healed world is given, and without faults it succeeds. */
import type { Property } from "../record/checker.ts";
import type { Visit } from "../record/visit.ts";
import type { Scenario } from "../scenario/scenario.ts";
import { isAsExpected, isLostWithLater, overtakes } from "./expectation.ts";

export const settles: Property = {
  name: "settles",
  create: (violate, judged) => {
    let homes: Scenario["homes"] = [];
    return {
      begun: ({ scenario }) => {
        homes = scenario.homes;
      },
      finished: ({ visits, faultFree }) => {
        for (const visit of visits) {
          judged();
          const isBroken =
            (visit.end === "cut" && overtakes({ homes }, visit.operation.home)) ||
            isLostWithLater(visit, visits);
          if (visit.end === null) {
            violate("liveness", `${describe(visit)} has not ended`);
          } else if (faultFree && !isBroken && !isAsExpected(visit)) {
            violate(
              "liveness",
              `${describe(visit)} ended with ${visit.end}, status ${visit.status}, without any fault`,
            );
          }
        }
      },
    };
  },
};

function describe(visit: Visit): string {
  const { id, request } = visit.operation;
  return `visit ${id} (${request.method} ${request.endpoint}, ${request.credential}) to ${visit.clientId}`;
}
