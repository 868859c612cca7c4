/** The tables that a run ends with. Decimal megabytes for speed, binary ones for memory, as is usual for each. */
import { type Column, renderTable } from "../demo/table.ts";
import { DIRECT, ONE_HOP } from "./contenders.ts";
import type { HostileLine } from "./hostile.ts";
import type { IdleResult } from "./idle.ts";
import type { LeavingResult } from "./leaving.ts";
import type { NeighbourLine } from "./neighbours.ts";
import {
  DISTANCE_MS,
  isLoadSection,
  type LoadSection,
  NEIGHBOUR_BYTES_PER_SECOND,
  SECTIONS,
} from "./plan.ts";
import type { ReturnLine } from "./returning.ts";
import type { Line, Memory } from "./rounds.ts";
import { WAN_CONNECTIONS, type WanResult } from "./wan.ts";

export type Summary = {
  readonly lines: readonly Line[];
  readonly memories: readonly Memory[];
  /** What could not be measured on this machine, and why. */
  readonly missing: readonly string[];
  readonly wan: readonly WanResult[] | null;
  readonly neighbours: readonly NeighbourLine[] | null;
  readonly hostile: readonly HostileLine[] | null;
  readonly leaving: LeavingResult | null;
  readonly idle: IdleResult | null;
  readonly crowd: readonly ReturnLine[] | null;
};

export function renderSummary(summary: Summary): string {
  const { lines, memories, missing, wan, neighbours, hostile, leaving, idle, crowd } = summary;
  const parts: string[] = [];
  for (const [section, { title, table }] of Object.entries(TABLES)) {
    const own = lines.filter((line) => line.section === section);
    if (own.length > 0) parts.push(titled(title, table(own)));
  }
  if (memories.length > 0 && lines.length > 0) {
    parts.push(
      titled(
        "Resident memory, MiB: at the start, and the peak by the end of each part",
        memoryTable(memories),
      ),
    );
  }
  if (wan !== null) {
    const title = `Small requests, ${WAN_CONNECTIONS} at once, beside a download over a home's line, and one download alone`;
    parts.push(titled(title, wanTable(wan)));
  }
  if (neighbours !== null) {
    const title = `One download, and one upload, over ${DISTANCE_MS} ms each way beside visitors who do nothing`;
    parts.push(titled(title, neighbourTable(neighbours)));
  }
  if (hostile !== null) {
    parts.push(titled("Small requests of a visitor with a token, beside strangers", hostileTable(hostile)));
  }
  if (leaving !== null) {
    parts.push(
      titled("Visitors who leave: what is left 3 s later, and the next one's speed", leavingText(leaving)),
    );
  }
  if (idle !== null) parts.push(titled("Idle tunnels, memory of the server", idleText(idle)));
  if (crowd !== null) {
    parts.push(titled("Idle agents that all come at once: milliseconds to a tunnel", returnTable(crowd)));
  }
  if (missing.length > 0) parts.push(titled("Not measured", missing.join("\n")));
  return parts.join("\n\n");
}

/**
 * What went wrong, one sentence each; empty when every number counts. What a contender does to the neighbour of a load is
 * a result and stands in the table.
 */
export function faultsOf({ lines, wan, neighbours, hostile, leaving, idle, crowd }: Summary): string[] {
  const faults = lines
    .filter((line) => line.fault !== null)
    .map((line) => `${line.contender}, ${line.section}, ${line.connections} at once: ${line.fault}`);
  for (const { line, contender, fault } of wan ?? []) {
    if (fault !== null) faults.push(`${contender}, ${line}: ${fault}`);
  }
  for (const { crowd, fault } of neighbours ?? []) {
    if (fault !== null) faults.push(`beside ${crowd}: ${fault}`);
  }
  for (const { strangers, fault } of hostile ?? []) {
    if (fault !== null) faults.push(`beside strangers, ${strangers}: ${fault}`);
  }
  if (leaving !== null && leaving.fault !== null) faults.push(`visitors who leave: ${leaving.fault}`);
  if (leaving !== null && leaving.exchanges > 0) {
    faults.push(`visitors who leave: ${leaving.exchanges} exchanges are left of them`);
  }
  if (idle !== null && idle.fault !== null) faults.push(`idle tunnels: ${idle.fault}`);
  for (const { when, fault } of crowd ?? []) {
    if (fault !== null) faults.push(`a crowd of agents, ${when}: ${fault}`);
  }
  return faults;
}

type Table = { readonly title: string; readonly table: (lines: readonly Line[]) => string };

const TABLES: Readonly<Record<LoadSection, Table>> = {
  small: { title: "Small requests, 64 bytes of body", table: smallTable },
  bulk: { title: "Downloads", table: bulkTable },
  beside: {
    title: `Small requests, 16 at once, beside a download read at ${NEIGHBOUR_BYTES_PER_SECOND / 1e6} MB/s`,
    table: besideTable,
  },
  stall: { title: "50 downloads, and 49 beside one whose visitor stopped reading", table: stallTable },
  distance: { title: `One download over ${DISTANCE_MS} ms each way`, table: bulkTable },
};

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

function besideTable(lines: readonly Line[]): string {
  const columns = [
    { title: "contender" },
    ...["its MB/s", "requests/s alone", "beside", "p99 ms alone", "beside", "x alone"].map(number),
  ];
  const rows = pairsOf(lines).map(([alone, beside]) => {
    const { neighbour } = beside;
    if (alone.fault !== null || beside.fault !== null || neighbour === null)
      return [alone.contender, "failed"];
    if (neighbour.fault !== null) return [alone.contender, neighbour.fault];
    return [
      alone.contender,
      (neighbour.bytesPerSecond / 1e6).toFixed(0),
      alone.perSecond.toFixed(0),
      beside.perSecond.toFixed(0),
      alone.p99Ms.toFixed(2),
      beside.p99Ms.toFixed(2),
      (beside.p99Ms / alone.p99Ms).toFixed(2),
    ];
  });
  return renderTable(columns, rows);
}

/** The last column: what each of the others keeps of its speed, where losing one should give them nothing. */
function stallTable(lines: readonly Line[]): string {
  const columns = [
    { title: "contender" },
    ...["MB/s of 50", "of the other 49", "x (49/50)"].map(number),
    { title: "the stalled one" },
  ];
  const rows = pairsOf(lines).map(([all, others]) => [
    all.contender,
    ...(all.fault === null && others.fault === null
      ? [
          (all.perSecond / 1e6).toFixed(0),
          (others.perSecond / 1e6).toFixed(0),
          (others.perSecond / all.perSecond / (others.connections / all.connections)).toFixed(2),
          others.neighbour?.fault ?? "still waits",
        ]
      : ["failed"]),
  ]);
  return renderTable(columns, rows);
}

/** For each contender the line without and the line with a neighbour. */
function pairsOf(lines: readonly Line[]): (readonly [Line, Line])[] {
  return lines
    .filter(({ neighbour }) => neighbour === null)
    .flatMap((alone) => {
      const beside = lines.find((line) => line.contender === alone.contender && line.neighbour !== null);
      return beside === undefined ? [] : [[alone, beside] as const];
    });
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
  const sections = SECTIONS.filter(isLoadSection).filter((section) =>
    memories.some(({ peaks }) => peaks[section] !== undefined),
  );
  const columns = [{ title: "contender" }, { title: "process" }, ...["at start", ...sections].map(number)];
  const mebibytes = (bytes: number | undefined): string =>
    bytes === undefined ? "-" : (bytes / 2 ** 20).toFixed(0);
  const rows = memories.map(({ contender, role, atStart, peaks }) => [
    contender,
    role,
    mebibytes(atStart),
    ...sections.map((section) => mebibytes(peaks[section])),
  ]);
  return renderTable(columns, rows);
}

/** Times and speeds also as multiples of the one-hop proxy's. */
function wanTable(results: readonly WanResult[]): string {
  const columns = [
    { title: "line" },
    { title: "contender" },
    ...["p50 ms", "x one hop", "p99 ms", "download MB/s", "x one hop"].map(number),
  ];
  const rows = results.map((result) => {
    const { line, contender, p50Ms, p99Ms, perSecond, fault } = result;
    const base = results.find((other) => other.line === line && other.contender === ONE_HOP);
    if (fault !== null) return [line, contender, "failed"];
    const times = (value: number, of: number | undefined): string =>
      of === undefined || base?.fault !== null ? "-" : (value / of).toFixed(2);
    return [
      line,
      contender,
      p50Ms.toFixed(0),
      times(p50Ms, base?.p50Ms),
      p99Ms.toFixed(0),
      (perSecond / 1e6).toFixed(3),
      times(perSecond, base?.perSecond),
    ];
  });
  return renderTable(columns, rows);
}

/** Each speed also as a share of the one beside nobody. */
function neighbourTable(lines: readonly NeighbourLine[]): string {
  const columns = [
    { title: "beside" },
    ...["down MB/s", "x", "up MB/s", "x", "server MiB", "agent MiB"].map(number),
  ];
  const [alone] = lines;
  const rows = lines.map((line) => [
    line.isStarved ? `${line.crowd} (kernel starved)` : line.crowd,
    ...(line.fault !== null || alone === undefined
      ? ["failed"]
      : [
          (line.download / 1e6).toFixed(1),
          (line.download / alone.download).toFixed(2),
          (line.upload / 1e6).toFixed(1),
          (line.upload / alone.upload).toFixed(2),
          (line.serverBytes / 2 ** 20).toFixed(0),
          (line.agentBytes / 2 ** 20).toFixed(0),
        ]),
  ]);
  return renderTable(columns, rows);
}

/** Each time also as a multiple of the one beside nobody. */
function hostileTable(lines: readonly HostileLine[]): string {
  const columns = [
    { title: "strangers" },
    ...["requests/s", "p50 ms", "x", "p99 ms", "x", "operator ms", "server MiB"].map(number),
  ];
  const [alone] = lines;
  const rows = lines.map((line) => [
    line.strangers,
    ...(line.fault !== null || alone === undefined
      ? ["failed"]
      : [
          line.perSecond.toFixed(0),
          line.p50Ms.toFixed(2),
          (line.p50Ms / alone.p50Ms).toFixed(2),
          line.p99Ms.toFixed(2),
          (line.p99Ms / alone.p99Ms).toFixed(2),
          line.operatorMs.toFixed(0),
          (line.serverBytes / 2 ** 20).toFixed(0),
        ]),
  ]);
  return renderTable(columns, rows);
}

function leavingText(result: LeavingResult): string {
  if (result.fault !== null) return `failed: ${result.fault}`;
  const { visits, exchanges, originConnections, serverBytes, agentBytes, before, after } = result;
  const columns = ["visits", "exchanges", "to the service", "server MiB", "agent MiB"].map(number);
  const speeds = ["down MB/s", "x", "up MB/s", "x"].map(number);
  const row = [
    ...[visits, exchanges, originConnections].map(String),
    ...[serverBytes, agentBytes].map((bytes) => (bytes / 2 ** 20).toFixed(0)),
    ...[
      [after.download, before.download],
      [after.upload, before.upload],
    ].flatMap(([now = 0, then = 0]) => [(now / 1e6).toFixed(0), (now / then).toFixed(2)]),
  ];
  return renderTable([...columns, ...speeds], [row]);
}

/** `absent`: how long of it there was no server. `loop`: the longest that the server's stood. */
function returnTable(lines: readonly ReturnLine[]): string {
  const columns = [
    { title: "they come" },
    ...[
      "agents",
      "absent",
      "p50",
      "p99",
      "last",
      "given up",
      "sent away",
      "other tries",
      "loop",
      "KiB each",
    ].map(number),
  ];
  const rows = lines.map((line) => {
    if (line.fault !== null) return [line.when, "failed"];
    const { agents, absentMs, p50Ms, p99Ms, lastMs, givenUp, sentAway, otherTries, loopMs } = line;
    const whole = [agents, absentMs, p50Ms, p99Ms, lastMs, givenUp, sentAway, otherTries, loopMs];
    return [line.when, ...whole.map((value) => value.toFixed(0)), (line.bytesPerTunnel / 1024).toFixed(1)];
  });
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
