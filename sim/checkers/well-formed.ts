/** What a server sends on a visitor's connection is HTTP as RFC 9112 has it, and only what was asked for. */
import type { Property } from "../record/checker.ts";

export const wellFormed: Property = {
  name: "well_formed",
  create: (violate, judged) => ({
    visitHead: () => judged(),
    responseMalformed: (why) => violate("safety", `a visitor got ${why}`),
  }),
};
