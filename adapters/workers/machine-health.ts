/** What the operator's listener tells of all workers together. */

import type { MetricSeries } from "../operator/metrics.ts";
import { monitorOwnProcess } from "../operator/metrics.ts";
import type { Health, Status, Unready } from "../operator/node-health.ts";
import { countedOf, countedStatusOf, mergedSeries, mergedStatus, textOf } from "./merge.ts";
import type { Answers, Question } from "./messages.ts";
import type { WorkerProcess } from "./process.ts";

/** A worker that takes longer for an answer is not well. Who asks waits for some seconds by default. */
const ANSWER_MS = 2_000;

/** What is wrong and what to do. docs/server.md lists them all. */
export const WORKER_PROBLEMS = {
  no_worker: "no worker process serves: see why in the log",
  worker_silent: "a worker process does not answer: end it, and another one takes its place",
} as const;

/** One row of the status page. */
export type WorkerRow = {
  readonly worker: number;
  readonly pid: number;
  /** Null where it does not answer. */
  readonly status: Pick<Status, "tunnels" | "exchanges" | "memoryBytes" | "uptimeSeconds"> | null;
};

export type Serving = { readonly worker: number; readonly process: WorkerProcess };

export class MachineHealth implements Health {
  readonly #serving: () => readonly Serving[];
  readonly #isStopping: () => boolean;
  readonly #own = monitorOwnProcess();
  /** What each process said last, and what those that are gone had counted. */
  readonly #lastSeries = new Map<WorkerProcess, readonly MetricSeries[]>();
  readonly #lastStatus = new Map<WorkerProcess, Status>();
  #goneSeries: Promise<readonly MetricSeries[]> = Promise.resolve([]);
  #goneStatus: Status | null = null;

  constructor(serving: () => readonly Serving[], isStopping: () => boolean) {
    this.#serving = serving;
    this.#isStopping = isStopping;
  }

  /** Keeps in the sums what it had counted when it was asked last. */
  forget(process: WorkerProcess): void {
    const series = this.#lastSeries.get(process);
    if (series !== undefined) {
      this.#lastSeries.delete(process);
      this.#goneSeries = this.#goneSeries.then((gone) => mergedSeries([gone, countedOf(series)]));
    }
    const status = this.#lastStatus.get(process);
    if (status === undefined) return;
    this.#lastStatus.delete(process);
    const counted = countedStatusOf(status);
    this.#goneStatus = this.#goneStatus === null ? counted : mergedStatus([this.#goneStatus, counted]);
  }

  close(): void {
    this.#own.close();
  }

  async isHealthy(): Promise<boolean> {
    const answers = await this.#askAll({ type: "unready" });
    return (answers.length > 0 || this.#isStopping()) && answers.every(({ said }) => said !== null);
  }

  async unready(): Promise<Unready | null> {
    if (this.#isStopping()) return { reason: "draining" };
    const answers = await this.#askAll({ type: "unready" });
    if (answers.length === 0) return problemOf("no_worker");
    const problem = answers.find(({ said }) => said !== null && said.answer !== null)?.said?.answer;
    if (problem) return problem;
    return answers.some(({ said }) => said === null) ? problemOf("worker_silent") : null;
  }

  async status(): Promise<Status & { readonly workers: readonly WorkerRow[] }> {
    const answers = await this.#askAll({ type: "status" });
    for (const { process: of, said } of answers) if (said !== null) this.#lastStatus.set(of, said.answer);
    const known = [...this.#lastStatus.values()];
    const all = this.#goneStatus === null ? known : [...known, this.#goneStatus];
    const merged = mergedStatus(all.length > 0 ? all : [NOTHING]);
    return {
      ...merged,
      draining: this.#isStopping() || merged.draining,
      memoryBytes: merged.memoryBytes + process.memoryUsage.rss(),
      uptimeSeconds: Math.floor(process.uptime()),
      workers: answers.map(({ worker, process: { pid }, said }) => ({
        worker,
        pid,
        status: said === null ? null : rowOf(said.answer),
      })),
    };
  }

  async metricsText(): Promise<string> {
    const answers = await this.#askAll({ type: "metrics" });
    for (const { process: of, said } of answers) if (said !== null) this.#lastSeries.set(of, said.answer);
    const [own, gone] = await Promise.all([this.#own.series(), this.#goneSeries]);
    return textOf([...this.#lastSeries.values(), own, gone]);
  }

  /** All workers know the same names: the first that can tell does. */
  async certificateFor(name: string): ReturnType<Health["certificateFor"]> {
    for (const { process: worker } of this.#serving()) {
      const said = await worker.ask({ type: "certificate", name }, ANSWER_MS);
      if (said !== null && said.answer !== "unknown") return said.answer;
    }
    return "unknown";
  }

  async #askAll<Type extends Question["type"]>(
    question: Extract<Question, { readonly type: Type }>,
  ): Promise<(Serving & { readonly said: { readonly answer: Answers[Type] } | null })[]> {
    return Promise.all(
      this.#serving().map(async (one) => ({ ...one, said: await one.process.ask(question, ANSWER_MS) })),
    );
  }
}

function rowOf({ tunnels, exchanges, memoryBytes, uptimeSeconds }: Status): WorkerRow["status"] {
  return { tunnels, exchanges, memoryBytes, uptimeSeconds };
}

function problemOf(reason: keyof typeof WORKER_PROBLEMS): Unready {
  return { reason, detail: WORKER_PROBLEMS[reason] };
}

/** Before the first worker has said anything. */
const NOTHING: Status = {
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
  outcomes: {},
  exchangesOpened: 0,
  tunnelsAccepted: 0,
  bytesIn: 0,
  bytesOut: 0,
  strayPackets: 0,
  duplicatePackets: 0,
  abortsSent: 0,
  agentProtocolErrors: 0,
  tunnelPauses: 0,
  resumptions: 0,
  hopsSent: 0,
  hopsAstray: 0,
  hopsTaken: 0,
  uptimeSeconds: 0,
  memoryBytes: 0,
};
