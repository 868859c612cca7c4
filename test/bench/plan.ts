/** What one run measures, in which order, and how long it may take. */
import type { Running } from "./contenders.ts";
import type { DownloadLoad, RequestLoad } from "./load.ts";

export type Section = "small" | "bulk" | "idle";

export type Plan = {
  readonly sections: readonly Section[];
  readonly rounds: number;
  readonly requestMs: number;
  readonly downloadBytes: number;
  /** Idle tunnels whose memory is measured. */
  readonly idleTunnels: number;
};

/** One kind of load: a line of the table for each contender. */
export type Measurement = {
  readonly section: "small" | "bulk";
  readonly connections: number;
  loadFor(running: Running): RequestLoad | DownloadLoad;
};

const MIB = 1024 * 1024;

/** About three minutes on a small machine; `quick` about one, for a first look: same rounds, less in each. */
export function planOf(options: { readonly quick: boolean; readonly only: Section | null }): Plan {
  return {
    sections: options.only === null ? ["small", "bulk", "idle"] : [options.only],
    // The median of three leaves out one round in which the machine was busy with something else.
    rounds: 3,
    requestMs: options.quick ? 1_000 : 4_000,
    downloadBytes: options.quick ? 64 * MIB : 256 * MIB,
    idleTunnels: options.quick ? 200 : 800,
  };
}

export function measurementsOf(plan: Plan): Measurement[] {
  const requests = [1, 16, 64].map((connections) => requestsOver(connections, plan.requestMs));
  const downloads = [1, 8].map((connections) => downloadsOver(connections, plan.downloadBytes));
  return [...requests, ...downloads].filter(({ section }) => plan.sections.includes(section));
}

/** Brings every contender's code into its compiled form before anything counts. */
export function warmUpOf(plan: Plan): Measurement[] {
  return [requestsOver(16, 1_500), downloadsOver(1, 64 * MIB)].filter(({ section }) =>
    plan.sections.includes(section),
  );
}

function requestsOver(connections: number, durationMs: number): Measurement {
  return {
    section: "small",
    connections,
    loadFor: (running) => ({ kind: "requests", target: running.target("/small"), connections, durationMs }),
  };
}

function downloadsOver(connections: number, bytes: number): Measurement {
  return {
    section: "bulk",
    connections,
    loadFor: (running) => ({
      kind: "downloads",
      target: running.target(`/bulk?bytes=${bytes}`),
      connections,
      bytes,
    }),
  };
}
