/** Makes one of what several workers say. What those counted that are gone stays in the sums, which would fall otherwise. */
import { AggregatorRegistry } from "prom-client";
import type { MetricSeries } from "../operator/metrics.ts";
import type { Status } from "../operator/node-health.ts";

export async function mergedSeries(
  all: readonly (readonly MetricSeries[])[],
): Promise<readonly MetricSeries[]> {
  return AggregatorRegistry.aggregate(all.map((series) => [...series])).getMetricsAsJSON();
}

export function textOf(all: readonly (readonly MetricSeries[])[]): Promise<string> {
  return AggregatorRegistry.aggregate(all.map((series) => [...series])).metrics();
}

/** Of a process that is gone: what it counted, and not what it had. */
export function countedOf(series: readonly MetricSeries[]): readonly MetricSeries[] {
  return series.filter(({ type }) => COUNTING.has(String(type)));
}

const COUNTING: ReadonlySet<string> = new Set(["counter", "histogram"]);

/** Sums, but for what is true of all: the machine leaves as soon as one of them does, and its registry is down if one finds it so. */
export function mergedStatus(all: readonly Status[]): Status {
  const merged: Record<string, number> = {};
  const outcomes: Record<string, number> = {};
  for (const status of all) {
    for (const [name, value] of Object.entries(status)) add(merged, name, value);
    for (const [name, value] of Object.entries(status.outcomes)) add(outcomes, name, value);
  }
  const ups = all.map(({ registryUp }) => registryUp);
  return {
    ...(merged as unknown as Status),
    registryUp: ups.includes(false) ? false : ups.includes(true) ? true : null,
    draining: all.some(({ draining }) => draining),
    registryProblem: all.find(({ registryProblem }) => registryProblem !== null)?.registryProblem ?? null,
    outcomes,
    uptimeSeconds: Math.max(0, ...all.map(({ uptimeSeconds }) => uptimeSeconds)),
  };
}

function add(sums: Record<string, number>, name: string, value: unknown): void {
  if (typeof value === "number") sums[name] = (sums[name] ?? 0) + value;
}

/** As `countedOf`. */
export function countedStatusOf(status: Status): Status {
  return {
    ...status,
    tunnels: 0,
    visitorSockets: 0,
    exchanges: 0,
    sessions: 0,
    waiting: 0,
    heldBytes: 0,
    sessionBytes: 0,
    registryUp: null,
    draining: false,
    registryProblem: null,
    uptimeSeconds: 0,
    memoryBytes: 0,
  };
}
