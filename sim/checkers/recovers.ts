/** A home whose world has healed is reached again: the visit that proves it succeeds. */
import type { Property } from "../record/checker.ts";
import type { Visit } from "../record/visit.ts";
import { PROBES_FROM } from "../scenario/scenario.ts";
import { isAsExpected } from "./expectation.ts";

/** A server and an agent say so when they have as much to do as they may. */
const BUSY: readonly (number | null)[] = [429, 503];

export const recovers: Property = {
  name: "recovers",
  create: (violate, judged) => ({
    finished: ({ visits }) => {
      for (const visit of visits) {
        if (visit.operation.id < PROBES_FROM) continue;
        // Where limits are tight, an answer that takes a minute may leave no room for another, nor does one that stands at
        // the agent for as long as its session, because the server was told by somebody else that it is over.
        const mayBeBusy = visit.followsTampering || visits.some((other) => runsBeside(visit, other));
        if (BUSY.includes(visit.status) && mayBeBusy) continue;
        judged();
        if (isAsExpected(visit)) continue;
        const { clientId, end, status } = visit;
        violate("liveness", `the home ${clientId} is not reached again: ${end}, status ${status}`);
      }
    },
  }),
};

function runsBeside({ operation, startedUs }: Visit, other: Visit): boolean {
  const endedUs = other.endedUs ?? Number.POSITIVE_INFINITY;
  return other.operation.home === operation.home && other.startedUs < startedUs && endedUs > startedUs;
}
