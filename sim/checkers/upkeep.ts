/** A server keeps its rows alive and the registry tidy: leases are renewed, and what has expired is swept, on time. */
import type { Property } from "../record/checker.ts";
import { ofEachProcess } from "./of-each-process.ts";

export const upkeep: Property = {
  name: "upkeep",
  create: (violate, judged) => {
    /** Of each process: when it last did either. */
    const doneBy = ofEachProcess(({ nowMs }) => ({ renew_leases: nowMs, sweep: nowMs }));
    let everyMs = { renew_leases: 0, sweep: 0 };
    return {
      begun: ({ serverLimits }) => {
        everyMs = { renew_leases: serverLimits.leaseRenewMs, sweep: serverLimits.sweepMs };
      },
      sees: ["tick", "registry_call"],
      serverStep: (process, event, effects, count) => {
        const { name, nowMs } = process;
        const done = doneBy(process);
        for (let index = 0; index < count; index++) {
          const effect = effects[index];
          if (effect?.type !== "registry_call") continue;
          const { type } = effect.operation;
          if (type === "renew_leases" || type === "sweep") done[type] = nowMs;
        }
        if (event.type !== "tick") return;
        judged();
        for (const duty of ["renew_leases", "sweep"] as const) {
          if (nowMs - done[duty] < everyMs[duty]) continue;
          violate("liveness", `${name} did not ${duty} for ${nowMs - done[duty]} ms`);
        }
      },
    };
  },
};
