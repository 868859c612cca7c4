/**
 * A server keeps its rows alive and the registry tidy: leases are renewed, and what has expired is swept, on time. One that has
 * had its own row deleted, since it leaves, renews nothing any more: its row would be there again.
 */
import type { Property } from "../record/checker.ts";
import { ofEachProcess } from "./of-each-process.ts";

export const upkeep: Property = {
  name: "upkeep",
  create: (violate, judged) => {
    /** Of each process: when it last did either. */
    const doneBy = ofEachProcess(({ nowMs }) => ({ renew_leases: nowMs, sweep: nowMs, left: false }));
    let everyMs = { renew_leases: 0, sweep: 0 };
    return {
      begun: ({ serverLimits }) => {
        // A slice that is lost is asked for again after a while.
        const { leaseRenewMs, registryRetryMs, sweepMs } = serverLimits;
        everyMs = { renew_leases: leaseRenewMs + registryRetryMs, sweep: sweepMs };
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
          if (type === "delete_node") done.left = true;
          else if (type === "renew_leases" && done.left) violate("safety", `${name} renews what it has left`);
        }
        if (event.type !== "tick") return;
        judged();
        for (const duty of ["renew_leases", "sweep"] as const) {
          if (nowMs - done[duty] < everyMs[duty] || (duty === "renew_leases" && done.left)) continue;
          violate("liveness", `${name} did not ${duty} for ${nowMs - done[duty]} ms`);
        }
      },
    };
  },
};
