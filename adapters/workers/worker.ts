/** A worker's end of the channel to the primary. */
import { rmSync } from "node:fs";
import { dirname } from "node:path";
import type { Signals } from "../operator/signals.ts";
import type { RunningServer, ServerSettings } from "../server/server.ts";
import type { ServeConfig } from "../settings/settings.ts";
import { StartupError } from "../startup-error.ts";
import { type Answers, type FromWorker, type Question, type ToWorker, WORKER_COMMAND } from "./messages.ts";

export type Orders = Pick<Signals, "onStop"> & {
  /** From 1 on. */
  readonly worker: number;
  readonly settings: ServerSettings;
  /** Tells the primary that the server listens, and has it do what the primary says from now on. */
  obey(server: RunningServer, setLogLevel: (level: ServeConfig["logLevel"]) => void): void;
};

/** The primary is gone, and nobody would end this process or start it again. */
const EXIT_ORPHANED = 1;

/** Resolves to what the primary says first. Rejects with `StartupError` where there is none. */
export async function ordersOfPrimary(): Promise<Orders> {
  if (process.send === undefined) {
    throw new StartupError(
      `${WORKER_COMMAND} is what culvert serve --workers starts; see culvert serve --help`,
    );
  }
  let stop = (): void => process.exit(0);
  let running: RunningServer | null = null;
  let socket: string | null = null;
  let setLevel = (_: ServeConfig["logLevel"]): void => {};
  process.once("disconnect", () => {
    // The primary would have taken it away.
    if (socket !== null) rmSync(dirname(socket), { recursive: true, force: true });
    process.exit(EXIT_ORPHANED);
  });
  const first = Promise.withResolvers<Extract<ToWorker, { readonly type: "run" }>>();
  process.on("message", (message: ToWorker) => {
    switch (message.type) {
      case "run":
        socket = message.settings.peer?.path ?? null;
        return first.resolve(message);
      case "change":
        setLevel(message.settings.logLevel);
        return running?.change(message.settings);
      case "stop":
        return stop();
      case "ask":
        if (running !== null) void answer(running, message.id, message.question);
        return;
    }
  });
  const { worker, settings } = await first.promise;
  return {
    worker,
    settings,
    onStop: (listener) => {
      stop = listener;
    },
    obey: (server, setLogLevel) => {
      running = server;
      setLevel = setLogLevel;
      tell({ type: "ready", address: server.address });
    },
  };
}

async function answer(server: RunningServer, id: number, question: Question): Promise<void> {
  tell({ type: "answer", id, answer: await answerOf(server, question) });
}

function answerOf({ health, metrics }: RunningServer, question: Question): Promise<Answers[keyof Answers]> {
  switch (question.type) {
    case "unready":
      return health.unready();
    case "status":
      return health.status();
    case "metrics":
      return metrics();
    case "certificate":
      return health.certificateFor(question.name);
  }
}

/** A primary that is gone hears nothing: `disconnect` follows. */
function tell(message: FromWorker): void {
  process.send?.(message, undefined, {}, () => {});
}
