/**
 * What the server counts, for Prometheus. The core keeps the numbers; they are read when somebody asks. Labels take their
 * values from this program alone, never from a peer, so the number of series is fixed (R07).
 */
import { monitorEventLoopDelay } from "node:perf_hooks";
import {
  Counter,
  Gauge,
  Histogram,
  type MetricObjectWithValues,
  type MetricValue,
  Registry as Series,
} from "prom-client";
import { type ExchangeOutcome, FAILURE_CODES } from "../../core/failure.ts";
import type { ServerSnapshot } from "../../core/server.ts";
import type { Registry } from "../registry/registry.ts";

export type Metrics = {
  /** Everything in Prometheus' text format. */
  text(): Promise<string>;
  /** The same as data. */
  series(): Promise<readonly MetricSeries[]>;
  /** Counts a connection or request that failed before the core heard of it. */
  countConnectionFault(cause: string): void;
  /** The same registry, with the time of each call taken. */
  meter(registry: Registry): Registry;
  close(): void;
};

/** One metric as prom-client gives it, with what becomes of it where those of several processes are merged. */
export type MetricSeries = MetricObjectWithValues<MetricValue<string>>;

type Merging = "sum" | "min" | "max";

const OUTCOMES: readonly ExchangeOutcome[] = ["completed", "visitor_left", ...FAILURE_CODES];

export function createMetrics(snapshot: () => ServerSnapshot): Metrics {
  const series = new Series();
  declareServer(series, snapshot);
  const closeProcess = declareProcess(series);
  const calls = new Histogram({
    name: "culvert_registry_call_seconds",
    help: "Time from a call to the registry to its answer.",
    labelNames: ["operation", "outcome"] as const,
    buckets: [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 2, 5],
    registers: [series],
  });
  const connectionFaults = new Counter({
    name: "culvert_connection_faults_total",
    help: "Connections that were turned away and requests that could not be read, by cause.",
    labelNames: ["cause"] as const,
    registers: [series],
  });
  return {
    text: () => series.metrics(),
    series: () => series.getMetricsAsJSON(),
    countConnectionFault: (cause) => connectionFaults.inc({ cause }),
    meter: (registry) => ({
      call: (operation, answer) => {
        const startMs = performance.now();
        registry.call(operation, (outcome) => {
          const seconds = (performance.now() - startMs) / 1000;
          const result = outcome.type === "failed" ? outcome.fault : "answered";
          calls.observe({ operation: operation.type, outcome: result }, seconds);
          answer(outcome);
        });
      },
      probe: () => registry.probe(),
      close: () => registry.close(),
    }),
    close: closeProcess,
  };
}

function declareServer(series: Series, snapshot: () => ServerSnapshot): void {
  const gauge = (
    name: string,
    help: string,
    value: (now: ServerSnapshot) => number,
    aggregator: Merging = "sum",
  ) =>
    new Gauge({
      name: `culvert_${name}`,
      help,
      aggregator,
      registers: [series],
      collect() {
        this.set(value(snapshot()));
      },
    });
  const counter = (name: string, help: string, value: (now: ServerSnapshot["counters"]) => number) =>
    new Counter({
      name: `culvert_${name}_total`,
      help,
      registers: [series],
      collect() {
        this.reset();
        this.inc(value(snapshot().counters));
      },
    });
  gauge("tunnels", "Live tunnels.", (now) => now.tunnels);
  gauge("visitor_sockets", "Visitor sockets.", (now) => now.visitorSockets);
  gauge("exchanges", "Visitor requests in any phase.", (now) => now.exchanges);
  gauge("sessions", "Sessions of native agents, away for the moment or not.", (now) => now.sessions);
  gauge("waiting", "Visitor requests that wait for their home to come back.", (now) => now.waiting);
  gauge("held_bytes", "Bytes held for all exchanges.", (now) => now.heldBytes);
  gauge(
    "registry_up",
    "1 if the registry answered the last call.",
    (now) => (now.registryUp === true ? 1 : 0),
    "min",
  );
  gauge("draining", "1 once the server takes nothing new.", (now) => (now.draining ? 1 : 0), "max");
  counter("exchanges_opened", "Visitor requests.", (sums) => sums.exchangesOpened);
  counter("tunnels_accepted", "Tunnels that came up.", (sums) => sums.tunnelsAccepted);
  counter("bytes_in", "Response body bytes that came from agents.", (sums) => sums.bytesIn);
  counter("bytes_out", "Response body bytes that went to visitors.", (sums) => sums.bytesOut);
  counter("stray_packets", "Packets for no live exchange of their tunnel.", (sums) => sums.strayPackets);
  counter("duplicate_packets", "Packets that had come before.", (sums) => sums.duplicatePackets);
  counter("aborts_sent", "Exchanges that an agent was told to stop.", (sums) => sums.abortsSent);
  counter(
    "agent_protocol_errors",
    "Messages with no place in the protocol.",
    (sums) => sums.agentProtocolErrors,
  );
  counter("tunnel_pauses", "Times a tunnel was not read for a slow visitor.", (sums) => sums.tunnelPauses);
  counter("resumptions", "Sessions that went on over a new connection.", (sums) => sums.resumptions);
  counter("hops_sent", "Visitor requests sent on to another node.", (sums) => sums.hopsSent);
  counter("hops_astray", "Of these, those that the other node did not take in.", (sums) => sums.hopsAstray);
  counter("hops_taken", "Visitor requests that another node sent here.", (sums) => sums.hopsTaken);
  new Counter({
    name: "culvert_exchanges_ended_total",
    help: "Visitor requests by how they ended.",
    labelNames: ["outcome"] as const,
    registers: [series],
    collect() {
      this.reset();
      const { outcomes } = snapshot().counters;
      // All of them from the start, so that the first failure shows as a rise.
      for (const outcome of OUTCOMES) this.inc({ outcome }, outcomes.get(outcome) ?? 0);
    },
  });
}

/** Of a process that has no server in it. */
export function monitorOwnProcess(): Pick<Metrics, "series" | "close"> {
  const series = new Series();
  const close = declareProcess(series);
  return { series: () => series.getMetricsAsJSON(), close };
}

const LOOP_PROBE_MS = 20;

/** The process itself. The names are those by which dashboards know a Node process. */
function declareProcess(series: Series): () => void {
  const registers = [series];
  const delay = monitorEventLoopDelay({ resolution: LOOP_PROBE_MS });
  delay.enable();
  new Gauge({
    name: "nodejs_eventloop_lag_seconds",
    help: "Delay of the event loop since the last scrape.",
    aggregator: "max",
    labelNames: ["quantile"] as const,
    registers,
    collect() {
      for (const percent of [50, 99, 100]) {
        // What is measured is the whole time between two probes.
        const delayMs = Math.max(0, delay.percentile(percent) / 1e6 - LOOP_PROBE_MS);
        this.set({ quantile: percent / 100 }, delayMs / 1000);
      }
      delay.reset();
    },
  });
  new Gauge({
    name: "nodejs_memory_bytes",
    help: "Memory that Node manages, by kind.",
    labelNames: ["kind"] as const,
    registers,
    collect() {
      const usage = process.memoryUsage();
      for (const kind of ["heapTotal", "heapUsed", "external", "arrayBuffers"] as const) {
        this.set({ kind }, usage[kind]);
      }
    },
  });
  new Counter({
    name: "process_cpu_seconds_total",
    help: "CPU time of the process, its own and the kernel's for it.",
    registers,
    collect() {
      const { user, system } = process.cpuUsage();
      this.reset();
      this.inc((user + system) / 1e6);
    },
  });
  new Gauge({
    name: "process_resident_memory_bytes",
    help: "Resident memory.",
    registers,
    collect() {
      this.set(process.memoryUsage.rss());
    },
  });
  return () => delay.disable();
}
