/** What the primary and its workers say to each other, over the channel that Node makes between a process and its child. */
import type { AddressInfo } from "node:net";
import type { MetricSeries } from "../operator/metrics.ts";
import type { Health, Status, Unready } from "../operator/node-health.ts";
import type { ServerSettings } from "../server/server.ts";
import type { ServeConfig } from "../settings/settings.ts";

/** What a worker is started as. No word of help has it: nobody types it. */
export const WORKER_COMMAND = "worker";

export type Question =
  | { readonly type: "unready" }
  | { readonly type: "status" }
  | { readonly type: "metrics" }
  | { readonly type: "certificate"; readonly name: string };

/** To each question. */
export type Answers = {
  readonly unready: Unready | null;
  readonly status: Status;
  readonly metrics: readonly MetricSeries[];
  readonly certificate: Awaited<ReturnType<Health["certificateFor"]>>;
};

export type ToWorker =
  /** The first: with secrets, which no command line and no environment shows. */
  | { readonly type: "run"; readonly worker: number; readonly settings: ServerSettings }
  | { readonly type: "change"; readonly settings: ServeConfig }
  | { readonly type: "stop" }
  | { readonly type: "ask"; readonly id: number; readonly question: Question };

export type FromWorker =
  | { readonly type: "ready"; readonly address: AddressInfo }
  | { readonly type: "answer"; readonly id: number; readonly answer: Answers[keyof Answers] };
