/** A registry in trouble is not hammered: of one call, each attempt comes a while after the one before. */
import type { ServerEffect } from "../../core/effects.ts";
import type { Property } from "../record/checker.ts";

type Operation = Extract<ServerEffect, { readonly type: "registry_call" }>["operation"];

export const callsPaced: Property = {
  name: "calls_paced",
  create: (violate, judged) => {
    let retryMs = 0;
    /** When an operation was last asked for. The same one is another attempt of the same call. */
    const asked = new WeakMap<Operation, number>();
    return {
      begun: ({ serverLimits }) => {
        retryMs = serverLimits.registryRetryMs;
      },
      sees: ["registry_call"],
      serverStep: ({ name, nowMs }, _event, effects, count) => {
        for (let index = 0; index < count; index++) {
          const effect = effects[index];
          if (effect?.type !== "registry_call") continue;
          const { operation } = effect;
          const beforeMs = asked.get(operation);
          asked.set(operation, nowMs);
          if (beforeMs === undefined) continue;
          judged();
          if (nowMs - beforeMs >= retryMs) continue;
          violate("safety", `${name} asks again for ${operation.type} after ${nowMs - beforeMs} ms`);
        }
      },
    };
  },
};
