/**
 * The server knows of a visitor who has left: of one whose connection is gone at once, and of one who has ended his side when
 * the time is over in which what was written might still leave.
 */
import type { EdgeLimits } from "../../core/edge/limits.ts";
import type { Property } from "../record/checker.ts";

/** Two timers, one after the other, may both be late, most of all while everything happens on a coarse grid. */
const LATE_MS = 500;

export const leavingIsKnown: Property = {
  name: "leaving_is_known",
  create: (violate, judged) => {
    let limits: EdgeLimits | null = null;
    return {
      begun: ({ edgeLimits }) => {
        limits = edgeLimits;
      },
      sees: ["connection_closed", "tick"],
      edgeStep: ({ name, nowMs, ledger }, event) => {
        if (limits === null) return;
        if (event.type === "connection_closed") {
          judged();
          const [left] = ledger.about?.open ?? [];
          if (left !== undefined)
            violate("safety", `${name} is not told that exchange ${left.id} has lost its connection`);
          return;
        }
        for (const { id, leftMs, upgraded, open } of ledger.connections.values()) {
          if (leftMs === null || upgraded || open.length === 0) continue;
          judged();
          if (nowMs < leftMs + limits.lingerMs + LATE_MS) continue;
          violate("liveness", `${name} still works for connection ${id}, left ${nowMs - leftMs} ms ago`);
        }
      },
    };
  },
};
