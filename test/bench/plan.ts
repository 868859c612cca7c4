/** What one run measures, in which order, and how long it may take. */
import type { Running } from "./contenders.ts";
import type { DownloadLoad, RequestLoad } from "./load.ts";
import type { PacedLoad } from "./paced-load.ts";

/**
 * `small` requests and `bulk` downloads by themselves; requests `beside` a download; downloads beside one that makes a
 * `stall`; a download over a `distance`; requests beside a download over a home's line (`wan`); a download over a distance and an upload beside idle `neighbours`; requests beside `hostile` strangers; what is left of visitors who are `leaving`; what an
 * `idle` tunnel costs; a `crowd` of agents whose server is killed.
 */
export const SECTIONS = [
  "small",
  "bulk",
  "beside",
  "stall",
  "distance",
  "wan",
  "neighbours",
  "hostile",
  "leaving",
  "idle",
  "crowd",
] as const;

export type Section = (typeof SECTIONS)[number];

/** A section that all contenders go through in turns. */
export type LoadSection = Exclude<Section, (typeof OWN_SECTIONS)[number]>;

/** Those that one program goes through by itself. */
const OWN_SECTIONS = ["wan", "neighbours", "hostile", "leaving", "idle", "crowd"] as const;

export function isLoadSection(section: Section): section is LoadSection {
  return !OWN_SECTIONS.some((own) => own === section);
}

export type Plan = {
  readonly sections: readonly Section[];
  readonly rounds: Readonly<Record<LoadSection | "wan", number>>;
  readonly requestMs: number;
  readonly downloadBytes: number;
  /** Hostile connections of each kind. */
  readonly strangers: number;
  /** Idle tunnels whose memory is measured. */
  readonly idleTunnels: number;
  /** Agents whose server is killed. */
  readonly crowdAgents: number;
};

/** One kind of load: a line of the table for each contender. */
export type Measurement = {
  readonly section: LoadSection;
  readonly connections: number;
  loadFor(running: Running): RequestLoad | DownloadLoad;
  /** What goes on beside it, from before its start until after its end; null where nothing does. */
  readonly neighbour: ((running: Running) => PacedLoad) | null;
};

const MIB = 1024 * 1024;

/** One way, between server and agent; the direct contender has the same between visitor and origin. */
export const DISTANCE_MS = 50;

/** How fast the visitor reads beside whom small requests are measured. */
export const NEIGHBOUR_BYTES_PER_SECOND = 100e6;

/** More than any buffer holds, and than is read at that pace while a load runs. */
const NEIGHBOUR_BYTES = 64 * 1024 * MIB;

const STALL_DOWNLOADS = 50;

/** Some minutes for each contender on a small machine; `quick` less than one, for a first look: same rounds, less in each. */
export function planOf(options: { readonly quick: boolean; readonly only: Section | null }): Plan {
  return {
    sections: options.only === null ? SECTIONS : [options.only],
    // The median of three leaves out one round in which the machine was busy with something else. How small requests of many
    // processes meet on few cores differs by a quarter from one second to the next: more rounds, and shorter ones.
    rounds: { small: 9, bulk: 3, beside: 5, stall: 3, distance: 3, wan: 3 },
    requestMs: options.quick ? 500 : 1_500,
    downloadBytes: options.quick ? 64 * MIB : 256 * MIB,
    strangers: 200,
    idleTunnels: options.quick ? 200 : 800,
    crowdAgents: options.quick ? 2_000 : 8_000,
  };
}

export function measurementsOf(plan: Plan, section: LoadSection): Measurement[] {
  const { requestMs, downloadBytes } = plan;
  const stallBytes = downloadBytes / 16;
  switch (section) {
    case "small":
      return [1, 16, 64].map((connections) => requestsOver({ section, connections, requestMs }));
    case "bulk":
      return [1, 8].map((connections) => downloadsOver({ section, connections, bytes: downloadBytes }));
    case "beside": {
      const alone = requestsOver({ section, connections: 16, requestMs });
      return [alone, { ...alone, neighbour: neighbourAt(NEIGHBOUR_BYTES_PER_SECOND) }];
    }
    case "stall": {
      const all = downloadsOver({ section, connections: STALL_DOWNLOADS, bytes: stallBytes });
      const others = downloadsOver({ section, connections: STALL_DOWNLOADS - 1, bytes: stallBytes });
      return [all, { ...others, neighbour: neighbourAt(0) }];
    }
    case "distance":
      return [downloadsOver({ section, connections: 1, bytes: downloadBytes })];
  }
}

/** Brings every contender's code into its compiled form before anything counts. */
export function warmUpOf(sections: readonly LoadSection[]): Measurement[] {
  const requests = requestsOver({ section: "small", connections: 16, requestMs: 1_500 });
  const download = downloadsOver({ section: "bulk", connections: 1, bytes: 64 * MIB });
  const hasRequests = sections.includes("small") || sections.includes("beside");
  const hasDownloads = sections.some((section) => section !== "small");
  return [...(hasRequests ? [requests] : []), ...(hasDownloads ? [download] : [])];
}

function requestsOver(options: {
  readonly section: LoadSection;
  readonly connections: number;
  readonly requestMs: number;
}): Measurement {
  const { section, connections, requestMs: durationMs } = options;
  return {
    section,
    connections,
    loadFor: (running) => ({ kind: "requests", target: running.target("/small"), connections, durationMs }),
    neighbour: null,
  };
}

function downloadsOver(options: {
  readonly section: LoadSection;
  readonly connections: number;
  readonly bytes: number;
}): Measurement {
  const { section, connections, bytes } = options;
  return {
    section,
    connections,
    loadFor: (running) => ({
      kind: "downloads",
      target: running.target(`/bulk?bytes=${bytes}`),
      connections,
      bytes,
    }),
    neighbour: null,
  };
}

function neighbourAt(bytesPerSecond: number): (running: Running) => PacedLoad {
  return (running) => ({
    kind: "paced",
    target: running.target(`/bulk?bytes=${NEIGHBOUR_BYTES}`),
    bytesPerSecond,
  });
}
