/** A connection to a home has one request at a time: none is sent before the answer to the one before it is over. */
import type { Property } from "../record/checker.ts";

export const oneAtATime: Property = {
  name: "one_at_a_time",
  create: (violate, judged) => ({
    homeCalled: ({ connection, method, target }) => {
      const before = connection?.calls.at(-2);
      if (connection === null || before === undefined) return;
      judged();
      if (before.end === "answered") return;
      const state = before.end === null ? "is not answered yet" : `has ${before.end}`;
      violate(
        "safety",
        `${connection.agent} sends ${method} ${target} behind ${before.target}, which ${state}`,
      );
    },
  }),
};
