/** One worker process, as its primary has it. */
import { type ChildProcess, spawn } from "node:child_process";
import { realpathSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { isSea } from "node:sea";
import type { ServerSettings } from "../server/server.ts";
import type { ServeConfig } from "../settings/settings.ts";
import { type Answers, type FromWorker, type Question, type ToWorker, WORKER_COMMAND } from "./messages.ts";

export type WorkerOptions = {
  /** From 1 on. */
  readonly worker: number;
  readonly settings: ServerSettings;
  /** The descriptor of an inherited listener, which it gets; null for none. */
  readonly visitorsFd: number | null;
  readonly onReady: (address: AddressInfo) => void;
  /** Called once, also where it could not be started. */
  readonly onExit: (exit: WorkerExit) => void;
};

export type WorkerExit = {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Why there was no process; null where there was one. */
  readonly error: Error | null;
};

/** Behind the three outputs and the channel. */
const INHERITED_FD = 4;

export class WorkerProcess {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (answer: Answers[keyof Answers] | null) => void>();
  #asked = 0;
  #isGone = false;

  constructor(options: WorkerOptions) {
    const { worker, settings, visitorsFd, onReady, onExit } = options;
    const [file = "", ...args] = [...ownCommand(), WORKER_COMMAND];
    this.#child = spawn(file, args, {
      stdio: ["ignore", "inherit", "inherit", "ipc", ...(visitorsFd === null ? [] : [visitorsFd])],
      // JSON has no Infinity.
      serialization: "advanced",
    });
    const exit = (how: WorkerExit) => {
      if (this.#isGone) return;
      this.#isGone = true;
      for (const resolve of this.#waiting.values()) resolve(null);
      this.#waiting.clear();
      onExit(how);
    };
    this.#child.once("error", (error) => {
      if (this.#child.pid === undefined) exit({ code: null, signal: null, error });
    });
    this.#child.once("exit", (code, signal) => exit({ code, signal, error: null }));
    this.#child.on("message", (message: FromWorker) => {
      if (this.#isGone) return;
      if (message.type === "ready") return onReady(message.address);
      this.#waiting.get(message.id)?.(message.answer);
      this.#waiting.delete(message.id);
    });
    const inherited = { visitors: visitorsFd === null ? null : INHERITED_FD, admin: null };
    this.#tell({ type: "run", worker, settings: { ...settings, inherited, hasAdmin: false } });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  stop(): void {
    this.#tell({ type: "stop" });
  }

  change(settings: ServeConfig): void {
    this.#tell({ type: "change", settings });
  }

  /** Null where it is gone, or does not answer within that time. */
  ask<Type extends Question["type"]>(
    question: Extract<Question, { readonly type: Type }>,
    ms: number,
  ): Promise<{ readonly answer: Answers[Type] } | null> {
    if (this.#isGone) return Promise.resolve(null);
    const id = ++this.#asked;
    const asked = Promise.withResolvers<{ readonly answer: Answers[Type] } | null>();
    const timer = setTimeout(() => {
      this.#waiting.delete(id);
      asked.resolve(null);
    }, ms);
    this.#waiting.set(id, (answer) => {
      clearTimeout(timer);
      asked.resolve(this.#isGone ? null : { answer: answer as Answers[Type] });
    });
    this.#tell({ type: "ask", id, question });
    return asked.promise;
  }

  /** What a process that has just died is told is lost: its exit follows. */
  #tell(message: ToWorker): void {
    if (this.#child.connected) this.#child.send(message, () => {});
  }
}

/** A single executable, or Node and the file that it was called with. */
function ownCommand(): string[] {
  const [, script = ""] = process.argv;
  return isSea() ? [process.execPath] : [process.execPath, ...process.execArgv, realpathSync(script)];
}
