/** Where a visitor names the place that he asks for in several fields, his home finds them in agreement with its own name for it. */
import type { Property } from "../record/checker.ts";

export const placesNamed: Property = {
  name: "places_named",
  create: (violate, judged) => ({
    homeCalled: ({ visit, clientId, misnamed }) => {
      if (visit?.request.quirks?.includes("names_places") !== true) return;
      judged();
      if (misnamed !== null)
        violate("safety", `visit ${visit.id} comes to ${clientId} with a ${misnamed} of another place`);
    },
  }),
};
