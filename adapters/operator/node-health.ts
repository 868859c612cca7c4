/** What the operator's listener tells: of one node, or of all that run on the machine. */
import type { ServerCounters, ServerSnapshot } from "../../core/server.ts";
import type { RegistryProblem } from "../registry/registry.ts";
import type { Metrics } from "./metrics.ts";

export type Health = {
  /** Whether what runs answers. */
  isHealthy(): boolean | Promise<boolean>;
  /** Why nobody should come; null where all is well. */
  unready(): Promise<Unready | null>;
  status(): Promise<Status>;
  /** Everything in Prometheus' text format. */
  metricsText(): Promise<string>;
  /** Whether a name may get a certificate; `unknown` while that cannot be found out. */
  certificateFor(name: string): Promise<"granted" | "refused" | "unknown">;
};

export type Unready = { readonly reason: string; readonly detail?: string };

/** Numbers for the status page. */
export type Status = Omit<ServerSnapshot, "counters"> &
  Omit<ServerCounters, "outcomes"> & {
    /** Null while the server leaves, too. */
    readonly registryProblem: RegistryProblem | null;
    readonly outcomes: Readonly<Record<string, number>>;
    readonly uptimeSeconds: number;
    readonly memoryBytes: number;
  };

export type NodeHealthOptions = {
  readonly metrics: Metrics;
  readonly snapshot: () => ServerSnapshot;
  readonly certificateFor: Health["certificateFor"];
  /** Why the registry takes no writes; null where it does. */
  readonly registryProblem: () => Promise<RegistryProblem | null>;
};

/** Of this process. */
export function nodeHealth(options: NodeHealthOptions): Health {
  const { metrics, snapshot, certificateFor, registryProblem } = options;
  return {
    isHealthy: () => true,
    unready: async () => (snapshot().draining ? { reason: "draining" } : registryProblem()),
    status: async () => {
      const { counters, ...sizes } = snapshot();
      return {
        ...sizes,
        registryProblem: sizes.draining ? null : await registryProblem(),
        ...counters,
        outcomes: Object.fromEntries(counters.outcomes),
        uptimeSeconds: Math.floor(process.uptime()),
        memoryBytes: process.memoryUsage.rss(),
      };
    },
    metricsText: () => metrics.text(),
    certificateFor,
  };
}
