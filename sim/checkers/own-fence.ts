/**
 * A tunnel claims its row by one fence, that of its authorization, however often it has to: a node that slept past its lease gets
 * back what lapsed meanwhile if nobody newer has it, and never takes it from who has.
 */
import type { Property } from "../record/checker.ts";
import { ofEachProcess } from "./of-each-process.ts";

export const ownFence: Property = {
  name: "own_fence",
  create: (violate, judged) => {
    /** Of each process: the fence that each tunnel came with. */
    const fencesOf = ofEachProcess(() => new Map<string, number>());
    return {
      sees: ["registry_call"],
      serverStep: (process, _event, effects, count) => {
        for (let index = 0; index < count; index++) {
          const effect = effects[index];
          if (effect?.type !== "registry_call" || effect.operation.type !== "upsert_connection") continue;
          const { clientId, tunnel, fence } = effect.operation;
          const fences = fencesOf(process);
          const own = fences.get(tunnel);
          if (own === undefined) fences.set(tunnel, fence);
          else judged();
          if (own === undefined || own === fence) continue;
          violate("safety", `${process.name} claims ${clientId} by fence ${fence}, and came by ${own}`);
        }
      },
    };
  },
};
