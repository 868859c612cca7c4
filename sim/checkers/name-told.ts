/**
 * An agent is told the name that its home has at the server, which it shows to people: its own where the server gives it one, else
 * that below the server's domain. Whatever it asks for, no name is told that leads to another home.
 */
import type { Property } from "../record/checker.ts";
import { DOMAIN, ownNameOf } from "../scenario/request.ts";
import type { HomeSpec } from "../scenario/scenario.ts";

export const nameTold: Property = {
  name: "name_told",
  create: (violate, judged) => {
    let homes: readonly HomeSpec[] = [];
    return {
      begun: ({ scenario }) => {
        homes = scenario.homes;
      },
      sees: ["report"],
      agentStep: ({ name }, _event, effects, count) => {
        let clientId: string | null = null;
        for (let index = 0; index < count; index++) {
          const effect = effects[index];
          if (effect?.type !== "report") continue;
          const { report } = effect;
          if (report.type === "connected") clientId = report.clientId;
          if (report.type !== "reachable" || report.ways === null) continue;
          const home = homes.find((each) => each.clientId === clientId);
          if (home === undefined) continue;
          judged();
          const expected = ownNameOf(home) ?? `${home.clientId}.${DOMAIN}`;
          const { host } = report.ways;
          if (host !== expected) violate("safety", `${name} is told ${host}, and its home is ${expected}`);
        }
      },
    };
  },
};
