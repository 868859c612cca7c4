/** What an origin sent while it was not read is read before anybody's request goes on its connection. */
import { clientLimits } from "../../core/origins/state.ts";
import type { Property } from "../record/checker.ts";

export const lateResumed: Property = {
  name: "late_resumed",
  create: (violate, judged) => ({
    originsStep: ({ name, nowMs, ledger: { reused } }) => {
      if (reused === null) return;
      judged();
      const { id, resumedMs } = reused.connection;
      if (nowMs - resumedMs < clientLimits.lateMs)
        violate("safety", `${name} asks on connection ${id}, read again for ${nowMs - resumedMs} ms`);
    },
  }),
};
