/** Every visit ends within the time that the healed world is given, and without faults it succeeds. */
import type { Property } from "../record/checker.ts";
import type { Visit } from "../record/visit.ts";
import { isAsExpected } from "./expectation.ts";

export const settles: Property = {
  name: "settles",
  create: (violate, judged) => {
    /** When each visit's request reached its home last. */
    const calledUs = new Map<number, number>();
    return {
      homeCalled: ({ visit, atUs }) => {
        if (visit !== null) calledUs.set(visit.id, atUs);
      },
      finished: ({ visits, faultFree, nowUs }) => {
        for (const visit of visits) {
          judged();
          if (visit.end === null) {
            // A connection to a node that was away may have taken until now, and who is in a crowd waits for a while.
            const isYoung = nowUs - (calledUs.get(visit.operation.id) ?? 0) < ANSWER_US_MAX;
            if (!isYoung) violate("liveness", `${describe(visit)} has not ended`);
          } else if (faultFree && !isAsExpected(visit)) {
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

/** So long a home and a slow visitor take at most, once the request is there. */
const ANSWER_US_MAX = 20_000_000;

function describe(visit: Visit): string {
  const { id, request } = visit.operation;
  return `visit ${id} (${request.method} ${request.endpoint}, ${request.credential}) to ${visit.clientId}`;
}
