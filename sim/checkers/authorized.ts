/** Nothing reaches a home, and no answer of a home a visitor, without a valid token of that client id. */
import type { Property } from "../record/checker.ts";
import type { Scenario, VisitOperation } from "../scenario/scenario.ts";

const REFUSED = new Set(["none", "wrong", "foreign", "expired", "access"]);

export const authorized: Property = {
  name: "authorized",
  create: (violate, judged) => {
    let homes: Scenario["homes"] = [];
    const isOpen = ({ home, request: { way } }: VisitOperation) =>
      way !== undefined && homes[home]?.access === "public";
    return {
      begun: ({ scenario }) => {
        homes = scenario.homes;
      },
      homeCalled: ({ visit, clientId }) => {
        if (visit === null || visit.request.endpoint === "magic_token_use" || isOpen(visit)) return;
        judged();
        if (!REFUSED.has(visit.request.credential)) return;
        violate(
          "safety",
          `visit ${visit.id} reached ${clientId} with credential ${visit.request.credential}`,
        );
      },
      visitorSocketText: (socket) => {
        judged();
        if (!REFUSED.has(socket.operation.credential)) return;
        violate(
          "safety",
          `socket ${socket.operation.id} was served with a ${socket.operation.credential} token`,
        );
      },
      visitHead: (visit, status) => {
        judged();
        const { endpoint, credential } = visit.operation.request;
        if (status >= 400 || endpoint === "health" || endpoint === "preflight" || isOpen(visit.operation))
          return;
        const wanted = endpoint === "register" ? credential === "access" : !REFUSED.has(credential);
        if (wanted || endpoint === "magic_token_use") return;
        violate("safety", `visit ${visit.operation.id} got ${status} with credential ${credential}`);
      },
    };
  },
};
