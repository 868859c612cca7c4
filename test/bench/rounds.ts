/** Measures all contenders in turns, so that a slower minute of the machine hits all of them alike. */
import type { Child } from "../demo/child.ts";
import type { Contender, Running } from "./contenders.ts";
import type { LoadResult } from "./load.ts";
import { type Measurement, measurementsOf, type Plan, type Section, warmUpOf } from "./plan.ts";
import { cpuSeconds, memoryBytes, peakMemoryBytes } from "./process-usage.ts";
import { median } from "./statistics.ts";

export type Starting = { readonly contender: Contender; readonly running: Running };

/** One contender under one load, each number the median of the rounds. */
export type Line = {
  readonly section: Exclude<Section, "idle">;
  readonly connections: number;
  readonly contender: string;
  /** Requests per second, or bytes of body per second. */
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** CPU seconds of the contender's processes per request, or per byte of body; null where it has none. */
  readonly cpuSecondsPerUnit: number | null;
  /** `perSecond` of each round, for who wants to see how far they lie apart. */
  readonly rounds: readonly number[];
  readonly fault: string | null;
};

/** The memory of one process, in bytes. */
export type Memory = {
  readonly contender: string;
  readonly role: string;
  readonly atStart: number;
  /** The most that was ever resident, by the end of each section. */
  readonly peaks: Partial<Record<Line["section"], number>>;
};

export async function runRounds(
  plan: Plan,
  entries: readonly Starting[],
  load: Child,
  progress: (text: string) => void,
): Promise<{ readonly lines: Line[]; readonly memories: Memory[] }> {
  const memories = entries.flatMap(({ contender, running }) =>
    running.processes.map(({ role, pid }) => ({
      pid,
      memory: { contender: contender.name, role, atStart: memoryBytes(pid), peaks: {} as Memory["peaks"] },
    })),
  );
  for (const measurement of warmUpOf(plan)) {
    for (const { contender, running } of entries) {
      progress(`warm-up: ${contender.name}`);
      await measure(measurement, running, load);
    }
  }
  const lines: Line[] = [];
  for (const section of ["small", "bulk"] as const) {
    const measurements = measurementsOf(plan).filter((measurement) => measurement.section === section);
    if (measurements.length === 0) continue;
    lines.push(...(await runSection(measurements, plan.rounds, entries, load, progress)));
    for (const { pid, memory } of memories) memory.peaks[section] = peakMemoryBytes(pid);
  }
  return { lines, memories: memories.map(({ memory }) => memory) };
}

async function runSection(
  measurements: readonly Measurement[],
  rounds: number,
  entries: readonly Starting[],
  load: Child,
  progress: (text: string) => void,
): Promise<Line[]> {
  const series = measurements.flatMap((measurement) =>
    entries.map((entry) => ({ measurement, entry, samples: [] as Sample[] })),
  );
  for (let round = 1; round <= rounds; round++) {
    for (const { measurement, entry, samples } of series) {
      progress(
        `round ${round} of ${rounds}: ${measurement.section}, ${measurement.connections} at once, ${entry.contender.name}`,
      );
      samples.push(await measure(measurement, entry.running, load));
    }
  }
  return series.map(({ measurement, entry, samples }) => ({
    section: measurement.section,
    connections: measurement.connections,
    contender: entry.contender.name,
    perSecond: median(samples.map((sample) => sample.perSecond)),
    p50Ms: median(samples.map((sample) => sample.p50Ms)),
    p99Ms: median(samples.map((sample) => sample.p99Ms)),
    cpuSecondsPerUnit:
      entry.running.processes.length === 0 ? null : median(samples.map((sample) => sample.cpuSecondsPerUnit)),
    rounds: samples.map((sample) => sample.perSecond),
    fault: samples.find((sample) => sample.fault !== null)?.fault ?? null,
  }));
}

type Sample = {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly cpuSecondsPerUnit: number;
  readonly fault: string | null;
};

async function measure(measurement: Measurement, running: Running, load: Child): Promise<Sample> {
  const before = cpuOf(running);
  // The channel is between two files of this folder; what it carries is a `LoadResult`.
  const result = (await load.ask(measurement.loadFor(running))) as LoadResult;
  const cpu = cpuOf(running) - before;
  const units = measurement.section === "small" ? result.completed : result.bodyBytes;
  return {
    perSecond: units / result.seconds,
    p50Ms: result.p50Ms,
    p99Ms: result.p99Ms,
    cpuSecondsPerUnit: cpu / Math.max(1, units),
    fault: result.fault,
  };
}

function cpuOf(running: Running): number {
  return running.processes.reduce((sum, { pid }) => sum + cpuSeconds(pid), 0);
}
