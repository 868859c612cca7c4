/** Measures all contenders in turns, so that a slower minute of the machine hits all of them alike. */
import type { Child } from "../demo/child.ts";
import type { Contender, Running } from "./contenders.ts";
import type { LoadResult } from "./load.ts";
import type { LoadOrder } from "./load-process.ts";
import type { PacedResult } from "./paced-load.ts";
import { type LoadSection, type Measurement, measurementsOf, type Plan, warmUpOf } from "./plan.ts";
import { cpuSeconds, memoryBytes, peakMemoryBytes } from "./process-usage.ts";
import { median } from "./statistics.ts";

export type Starting = { readonly contender: Contender; readonly running: Running };

/** One contender under one load, each number the median of the rounds. */
export type Line = {
  readonly section: LoadSection;
  readonly connections: number;
  readonly contender: string;
  /** Requests per second, or bytes of body per second. */
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** CPU seconds of the contender's processes per request, or per byte of body; null where it has none. */
  readonly cpuSecondsPerUnit: number | null;
  /** What went on beside it; null where nothing did. */
  readonly neighbour: PacedResult | null;
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
  readonly peaks: Partial<Record<LoadSection, number>>;
};

/** Processes that make load: one that is measured, and one for what goes on beside it. */
export type Generators = { readonly load: Child; readonly neighbour: Child };

export async function runRounds(
  plan: Plan,
  sections: readonly LoadSection[],
  entries: readonly Starting[],
  generators: Generators,
  progress: (text: string) => void,
): Promise<{ readonly lines: Line[]; readonly memories: Memory[] }> {
  const memories = entries.flatMap(({ contender, running }) =>
    running.processes.map(({ role, pid }) => ({
      pid,
      memory: { contender: contender.name, role, atStart: memoryBytes(pid), peaks: {} as Memory["peaks"] },
    })),
  );
  for (const measurement of warmUpOf(sections)) {
    for (const { contender, running } of entries) {
      progress(`warm-up: ${contender.name}`);
      await measure(measurement, running, generators);
    }
  }
  const lines: Line[] = [];
  for (const section of sections) {
    lines.push(...(await runSection(plan, section, entries, generators, progress)));
    for (const { pid, memory } of memories) memory.peaks[section] = peakMemoryBytes(pid);
  }
  return { lines, memories: memories.map(({ memory }) => memory) };
}

async function runSection(
  plan: Plan,
  section: LoadSection,
  entries: readonly Starting[],
  generators: Generators,
  progress: (text: string) => void,
): Promise<Line[]> {
  const series = measurementsOf(plan, section).flatMap((measurement) =>
    entries.map((entry) => ({ measurement, entry, samples: [] as Sample[] })),
  );
  const rounds = plan.rounds[section];
  for (let round = 1; round <= rounds; round++) {
    for (const { measurement, entry, samples } of series) {
      progress(
        `round ${round} of ${rounds}: ${section}, ${measurement.connections} at once, ${entry.contender.name}`,
      );
      samples.push(await measure(measurement, entry.running, generators));
    }
  }
  return series.map(({ measurement, entry, samples }) => ({
    section,
    connections: measurement.connections,
    contender: entry.contender.name,
    perSecond: median(samples.map((sample) => sample.perSecond)),
    p50Ms: median(samples.map((sample) => sample.p50Ms)),
    p99Ms: median(samples.map((sample) => sample.p99Ms)),
    cpuSecondsPerUnit:
      entry.running.processes.length === 0 ? null : median(samples.map((sample) => sample.cpuSecondsPerUnit)),
    neighbour: neighbourOf(samples),
    rounds: samples.map((sample) => sample.perSecond),
    fault: firstFault(samples),
  }));
}

type Sample = {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly cpuSecondsPerUnit: number;
  readonly neighbour: PacedResult | null;
  readonly fault: string | null;
};

// The channels are between files of this folder; what they carry is what `load-process.ts` says.
async function measure(measurement: Measurement, running: Running, generators: Generators): Promise<Sample> {
  const load: LoadOrder = measurement.loadFor(running);
  const besides = measurement.neighbour?.(running);
  if (besides !== undefined) await generators.neighbour.ask(besides);
  const before = cpuOf(running);
  const result = (await generators.load.ask(load)) as LoadResult;
  const cpu = cpuOf(running) - before;
  const stop: LoadOrder = { kind: "stop" };
  const neighbour = besides === undefined ? null : ((await generators.neighbour.ask(stop)) as PacedResult);
  const units = load.kind === "requests" ? result.completed : result.bodyBytes;
  return {
    perSecond: units / result.seconds,
    p50Ms: result.p50Ms,
    p99Ms: result.p99Ms,
    cpuSecondsPerUnit: cpu / Math.max(1, units),
    neighbour,
    fault: result.fault,
  };
}

function neighbourOf(samples: readonly Sample[]): PacedResult | null {
  const neighbours = samples.flatMap(({ neighbour }) => (neighbour === null ? [] : [neighbour]));
  if (neighbours.length === 0) return null;
  return {
    bytesPerSecond: median(neighbours.map((neighbour) => neighbour.bytesPerSecond)),
    fault: firstFault(neighbours),
  };
}

function firstFault(results: readonly { readonly fault: string | null }[]): string | null {
  return results.find(({ fault }) => fault !== null)?.fault ?? null;
}

function cpuOf(running: Running): number {
  return running.processes.reduce((sum, { pid }) => sum + cpuSeconds(pid), 0);
}
