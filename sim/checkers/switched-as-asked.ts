/** A home's service switches protocols only where the request asked for that (RFC 9110 section 7.8). */
import type { Property } from "../record/checker.ts";

export const switchedAsAsked: Property = {
  name: "switched_as_asked",
  create: (violate, judged) => ({
    sees: ["origin_head"],
    originsStep: ({ name, ledger: { switched } }) => {
      judged();
      const [exchange] = switched;
      if (exchange !== undefined)
        violate("safety", `${name} takes a 101 for the answer to request ${exchange}, which asked for none`);
    },
  }),
};
