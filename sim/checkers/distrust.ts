/** An origin that said what nobody had asked is asked on connections of their own for a while: it may do so again. */
import { clientLimits } from "../../core/origins/state.ts";
import type { Property } from "../record/checker.ts";

export const distrust: Property = {
  name: "distrust",
  create: (violate, judged) => ({
    originsStep: ({ name, nowMs, ledger: { reused, unaskedMs } }) => {
      if (reused === null) return;
      judged();
      const { id, origin } = reused.connection;
      const agoMs = nowMs - (unaskedMs.get(origin) ?? Number.NEGATIVE_INFINITY);
      if (agoMs < clientLimits.distrustMs)
        violate("safety", `${name} asks on connection ${id} of an origin that spoke unasked ${agoMs} ms ago`);
    },
  }),
};
