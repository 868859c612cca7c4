/**
 * Nothing that a visitor sent arrives at a home as Culvert's own word, and no token of the home arrives there at all. One that was
 * revoked is none: what looks like it is the home's to understand, as any other text is.
 */
import type { Property } from "../record/checker.ts";

export const ownWord: Property = {
  name: "own_word",
  create: (violate, judged) => {
    /** Homes that had tokens revoked: a request may have been looked at while they were. */
    const revoked = new Set<string>();
    return {
      tokenRevoked: ({ clientId }) => {
        revoked.add(clientId);
      },
      homeCalled: ({ visit, clientId, told }) => {
        if (told === null) return;
        judged();
        if (told === "nothing" || (told === "a token of its own" && revoked.has(clientId))) return;
        const who = visit === null ? "somebody" : `visit ${visit.id}`;
        violate("safety", `${clientId} is told ${told} by ${who}`);
      },
    };
  },
};
