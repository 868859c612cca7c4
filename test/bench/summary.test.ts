import { describe, expect, it } from "vitest";
import { type LoadSection, measurementsOf, planOf, SECTIONS, warmUpOf } from "./plan.ts";
import { parseCpuSeconds, parseStatusBytes } from "./process-usage.ts";
import type { Line } from "./rounds.ts";
import { median, percentile } from "./statistics.ts";
import { faultsOf, renderSummary, type Summary } from "./summary.ts";

describe("statistics", () => {
  it("takes the middle value, or the mean of the middle two", () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([4, 1, 9, 2])).toBe(3);
    expect(() => median([])).toThrow();
  });

  it("takes the nearest rank as the percentile", () => {
    const values = Float64Array.from({ length: 200 }, (_, index) => index + 1);
    expect(percentile(values, 0.5)).toBe(100);
    expect(percentile(values, 0.99)).toBe(198);
    expect(percentile(new Float64Array([7]), 0.99)).toBe(7);
    expect(percentile(new Float64Array(), 0.5)).toBe(0);
  });
});

describe("what the kernel says of a process", () => {
  it("finds the CPU ticks behind a program name with blanks and brackets in it", () => {
    expect(parseCpuSeconds("7 (a) b (c) S 1 7 7 0 -1 4194304 100 0 0 0 150 50 0 0 20 0 11 0")).toBe(2);
  });

  it("finds the memory fields and refuses a text without them", () => {
    expect(parseStatusBytes("Name:\tx\nVmHWM:\t   2048 kB\nVmRSS:\t    1024 kB\n", "VmHWM")).toBe(
      2 * 2 ** 20,
    );
    expect(() => parseStatusBytes("Name:\tx\n", "VmRSS")).toThrow("VmRSS");
  });
});

describe("the plan", () => {
  it("measures at least three rounds, of requests at 1, 16 and 64, and downloads of 256 MiB at 1 and 8", () => {
    const plan = planOf({ quick: false, only: null });
    expect(Math.min(...Object.values(plan.rounds))).toBeGreaterThanOrEqual(3);
    expect(plan.downloadBytes).toBe(256 * 2 ** 20);
    const connections = (section: LoadSection): number[] =>
      measurementsOf(plan, section).map((measurement) => measurement.connections);
    expect(connections("small")).toEqual([1, 16, 64]);
    expect(connections("bulk")).toEqual([1, 8]);
  });

  it("measures the same with and without a neighbour, the stalled one taking the place of one download", () => {
    const plan = planOf({ quick: true, only: null });
    const pairOf = (section: LoadSection) =>
      measurementsOf(plan, section).map(({ connections, neighbour }) => [connections, neighbour !== null]);
    expect(pairOf("beside")).toEqual([
      [16, false],
      [16, true],
    ]);
    expect(pairOf("stall")).toEqual([
      [50, false],
      [49, true],
    ]);
  });

  it("measures only what it is asked for", () => {
    expect(planOf({ quick: true, only: "bulk" }).sections).toEqual(["bulk"]);
    expect(planOf({ quick: true, only: null }).sections).toEqual(SECTIONS);
    expect(warmUpOf(["small"]).map(({ section }) => section)).toEqual(["small"]);
    expect(warmUpOf(["distance"]).map(({ section }) => section)).toEqual(["bulk"]);
  });
});

describe("the summary", () => {
  const line: Line = {
    section: "small",
    connections: 16,
    contender: "direct",
    perSecond: 20_000,
    p50Ms: 0.5,
    p99Ms: 2,
    cpuSecondsPerUnit: null,
    neighbour: null,
    rounds: [20_000],
    fault: null,
  };
  const oneHop: Line = { ...line, contender: "one hop", perSecond: 10_000, cpuSecondsPerUnit: 0.0001 };
  const culvert: Line = { ...line, contender: "culvert", perSecond: 8_000, cpuSecondsPerUnit: 0.0002 };

  it("compares each line with the direct one and with the one-hop proxy under the same load", () => {
    const other = { ...line, connections: 64, perSecond: 1 };
    const text = renderSummary({
      lines: [line, oneHop, culvert, other],
      memories: [],
      missing: [],
      wan: null,
      neighbours: null,
      hostile: null,
      leaving: null,
      idle: null,
      crowd: null,
    });
    expect(rowOf(text, "culvert")).toEqual([
      "16",
      "culvert",
      "8000",
      "0.50",
      "2.00",
      "0.200",
      "0.40",
      "0.80",
    ]);
    expect(rowOf(text, "one hop").at(-1)).toBe("1.00");
  });

  it("shows no number of a load that failed, and names it", () => {
    const summary: Summary = {
      lines: [line, oneHop, { ...culvert, fault: "status 502" }],
      memories: [],
      missing: [],
      wan: null,
      neighbours: null,
      hostile: null,
      leaving: null,
      idle: null,
      crowd: null,
    };
    const text = renderSummary(summary);
    expect(rowOf(text, "culvert")).toEqual([
      "16",
      "culvert",
      "failed",
      "failed",
      "failed",
      "failed",
      "-",
      "-",
    ]);
    expect(faultsOf(summary)).toEqual(["culvert, small, 16 at once: status 502"]);
  });

  it("tells speed in decimal megabytes and CPU seconds for a gigabyte", () => {
    const bulk: Line = { ...culvert, section: "bulk", perSecond: 3e8, cpuSecondsPerUnit: 4e-9 };
    const text = renderSummary({
      lines: [bulk],
      memories: [],
      missing: [],
      wan: null,
      neighbours: null,
      hostile: null,
      leaving: null,
      idle: null,
      crowd: null,
    });
    expect(rowOf(text, "culvert")).toEqual(["16", "culvert", "300", "4.00", "-", "-"]);
  });

  it("tells what an idle tunnel costs, or why it cannot", () => {
    const points = [{ tunnels: 100, rss: 2 ** 26, heapUsed: 2 ** 24 }];
    const idle = { points, rssPerTunnel: 12_288, heapPerTunnel: 4_096, fault: null };
    const text = renderSummary({
      lines: [],
      memories: [],
      missing: [],
      wan: null,
      neighbours: null,
      hostile: null,
      leaving: null,
      idle,
      crowd: null,
    });
    expect(text).toContain("one tunnel: 12.0 KiB resident, 4.0 KiB of it heap");
    const failed: Summary = {
      lines: [],
      memories: [],
      missing: [],
      wan: null,
      neighbours: null,
      hostile: null,
      leaving: null,
      idle: { ...idle, fault: "closed" },
      crowd: null,
    };
    expect(renderSummary(failed)).toContain("failed: closed");
    expect(faultsOf(failed)).toEqual(["idle tunnels: closed"]);
  });

  it("tells how long a crowd of agents took to come, or why it did not", () => {
    const come = {
      when: "after kill -9",
      agents: 2_000,
      p50Ms: 900.4,
      p99Ms: 1_500,
      lastMs: 1_600,
      absentMs: 500,
      givenUp: 1,
      sentAway: 2,
      otherTries: 3,
      loopMs: 90,
      bytesPerTunnel: 20_480,
      fault: null,
    };
    const summary: Summary = {
      lines: [],
      memories: [],
      missing: [],
      wan: null,
      neighbours: null,
      hostile: null,
      leaving: null,
      idle: null,
      crowd: [come, { ...come, when: "once more", fault: "one was lost" }],
    };
    const text = renderSummary(summary);
    const numbers = ["2000", "500", "900", "1500", "1600", "1", "2", "3", "90", "20.0"];
    expect(rowOf(text, "after kill -9")).toEqual(["after kill -9", ...numbers]);
    expect(rowOf(text, "once more")).toEqual(["once more", "failed"]);
    expect(faultsOf(summary)).toEqual(["a crowd of agents, once more: one was lost"]);
  });

  it("tells how much longer small requests take beside a download, and what the download got", () => {
    const alone: Line = { ...culvert, section: "beside" };
    const neighbour = { bytesPerSecond: 99e6, fault: null };
    const beside: Line = { ...alone, perSecond: 6_000, p99Ms: 5, neighbour };
    const summary: Summary = {
      lines: [alone, beside],
      memories: [],
      missing: [],
      wan: null,
      neighbours: null,
      hostile: null,
      leaving: null,
      idle: null,
      crowd: null,
    };
    const cells = renderSummary(summary).split("\n").at(-1)?.trim().split(/ {2,}/);
    expect(cells).toEqual(["culvert", "99", "8000", "6000", "2.00", "5.00", "2.50"]);
    const slow: Line = { ...beside, neighbour: { bytesPerSecond: 5e6, fault: "only 5 MB/s" } };
    const disturbed: Summary = { ...summary, lines: [alone, slow] };
    expect(renderSummary(disturbed)).toMatch(/culvert +only 5 MB\/s$/);
    expect(faultsOf(disturbed)).toEqual([]);
  });

  it("compares what 49 downloads get beside a stalled one with their share of what 50 get", () => {
    const all: Line = { ...culvert, section: "stall", connections: 50, perSecond: 200e6 };
    const neighbour = { bytesPerSecond: 0, fault: "the connection was closed" };
    const others: Line = { ...all, connections: 49, perSecond: 98e6, neighbour };
    const summary: Summary = {
      lines: [all, others],
      memories: [],
      missing: [],
      wan: null,
      neighbours: null,
      hostile: null,
      leaving: null,
      idle: null,
      crowd: null,
    };
    const cells = renderSummary(summary).split("\n").at(-1)?.trim().split(/ {2,}/);
    expect(cells).toEqual(["culvert", "200", "98", "0.50", "the connection was closed"]);
    expect(faultsOf(summary)).toEqual([]);
  });

  it("shows memory by the end of each part that was measured, and names what was not", () => {
    const memory = { contender: "culvert", role: "agent", atStart: 2 ** 20, peaks: { stall: 5 * 2 ** 20 } };
    const missing = ["ssh -R: sshd not installed"];
    const text = renderSummary({
      lines: [line],
      memories: [memory],
      missing,
      wan: null,
      neighbours: null,
      hostile: null,
      leaving: null,
      idle: null,
      crowd: null,
    });
    expect(rowOf(text, "agent")).toEqual(["culvert", "agent", "1", "5"]);
    expect(text).toMatch(/Not measured\n\nssh -R: sshd not installed$/);
  });

  function rowOf(text: string, name: string): string[] {
    const row = text.split("\n").find((candidate) => ` ${candidate}`.includes(` ${name} `)) ?? "";
    return row.trim().split(/ {2,}/);
  }
});
