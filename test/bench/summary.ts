/** The tables that a run ends with. Decimal megabytes for speed, binary ones for memory, as is usual for each. */
import { type Column, renderTable } from "../demo/table.ts";
import { DIRECT, ONE_HOP } from "./contenders.ts";
import type { IdleResult } from "./idle.ts";
import type { Line, Memory } from "./rounds.ts";

export type Summary = {
  readonly lines: readonly Line[];
  readonly memories: readonly Memory[];
  readonly idle: IdleResult | null;
};

export function renderSummary({ lines, memories, idle }: Summary): string {
  const parts: string[] = [];
  const small = lines.filter((line) => line.section === "small");
  const bulk = lines.filter((line) => line.section === "bulk");
  if (small.length > 0) parts.push(titled("Small requests, 64 bytes of body", smallTable(small)));
  if (bulk.length > 0) parts.push(titled("Downloads", bulkTable(bulk)));
  if (memories.length > 0 && lines.length > 0)
    parts.push(titled("Resident memory, MiB", memoryTable(memories)));
  if (idle !== null) parts.push(titled("Idle tunnels, memory of the server", idleText(idle)));
  return parts.join("\n\n");
}

/** What went wrong, one sentence each; empty when every number counts. */
export function faultsOf({ lines, idle }: Summary): string[] {
  const faults = lines
    .filter((line) => line.fault !== null)
    .map((line) => `${line.contender}, ${line.section}, ${line.connections} at once: ${line.fault}`);
  return idle?.fault ? [...faults, `idle tunnels: ${idle.fault}`] : faults;
}

function titled(title: string, text: string): string {
  return `${title}\n\n${text}`;
}

function number(title: string): Column {
  return { title, right: true };
}

const ratios = [number("x direct"), number("x one hop")];

function smallTable(lines: readonly Line[]): string {
  const columns = [
    number("at once"),
    { title: "contender" },
    ...["requests/s", "p50 ms", "p99 ms", "CPU ms/request"].map(number),
    ...ratios,
  ];
  return groupedTable(columns, lines, (line) => [
    line.perSecond.toFixed(0),
    line.p50Ms.toFixed(2),
    line.p99Ms.toFixed(2),
    line.cpuSecondsPerUnit === null ? "-" : (line.cpuSecondsPerUnit * 1000).toFixed(3),
  ]);
}

function bulkTable(lines: readonly Line[]): string {
  const columns = [number("at once"), { title: "contender" }, number("MB/s"), number("CPU s/GB"), ...ratios];
  return groupedTable(columns, lines, (line) => [
    (line.perSecond / 1e6).toFixed(0),
    line.cpuSecondsPerUnit === null ? "-" : (line.cpuSecondsPerUnit * 1e9).toFixed(2),
  ]);
}

/** The lines of one load together, an empty line between two loads. */
function groupedTable(
  columns: readonly Column[],
  lines: readonly Line[],
  numbers: (line: Line) => string[],
): string {
  const rows = lines.flatMap((line, index) => {
    const begins = index > 0 && lines[index - 1]?.connections !== line.connections;
    // The numbers of a load that failed would look like results.
    const cells = numbers(line).map((cell) => (line.fault === null ? cell : "failed"));
    const row = [
      String(line.connections),
      line.contender,
      ...cells,
      ratio(lines, line, DIRECT),
      ratio(lines, line, ONE_HOP),
    ];
    return begins ? [[], row] : [row];
  });
  return renderTable(columns, rows);
}

function ratio(lines: readonly Line[], line: Line, name: string): string {
  const base = lines.find((other) => other.connections === line.connections && other.contender === name);
  if (base === undefined || base.fault !== null || line.fault !== null) return "-";
  return (line.perSecond / base.perSecond).toFixed(2);
}

function memoryTable(memories: readonly Memory[]): string {
  const columns = [
    { title: "contender" },
    { title: "process" },
    ...["at start", "peak, small", "peak, all"].map(number),
  ];
  const mebibytes = (bytes: number | undefined): string =>
    bytes === undefined ? "-" : (bytes / 2 ** 20).toFixed(0);
  const rows = memories.map(({ contender, role, atStart, peaks }) => [
    contender,
    role,
    mebibytes(atStart),
    mebibytes(peaks.small),
    mebibytes(peaks.bulk),
  ]);
  return renderTable(columns, rows);
}

function idleText(idle: IdleResult): string {
  if (idle.fault !== null) return `failed: ${idle.fault}`;
  const rows = idle.points.map(({ tunnels, rss, heapUsed }) => [
    String(tunnels),
    (rss / 2 ** 20).toFixed(1),
    (heapUsed / 2 ** 20).toFixed(1),
  ]);
  const columns = ["tunnels", "resident MiB", "heap MiB"].map(number);
  const kibibytes = (bytes: number): string => (bytes / 1024).toFixed(1);
  return `${renderTable(columns, rows)}

one tunnel: ${kibibytes(idle.rssPerTunnel)} KiB resident, ${kibibytes(idle.heapPerTunnel)} KiB of it heap`;
}
