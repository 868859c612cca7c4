/** The process that a command runs in: its outputs, its log, and how it ends. */
import { setFlagsFromString } from "node:v8";
import { createLog, type Logger } from "./operator/log.ts";
import { openOutput } from "./operator/output.ts";
import type { Signals } from "./operator/signals.ts";
import { leaveThreads } from "./operator/threads.ts";
import { type CommandName, exposedSecrets, type LogConfig } from "./settings/settings.ts";
import { nativeMasking } from "./socket/native-masking.ts";
import { StartupError } from "./startup-error.ts";

/** EX_SOFTWARE of sysexits.h: a bug, for whoever supervises the process. */
const EXIT_BUG = 70;

/** At the exit a reader that stalls is waited for no longer, on each output. */
const LAST_LINES_MS = 500;

/** A drain ends by its own deadline. Should what it closes not go by then, the process goes without. */
const CLOSING_MS = 10_000;

/** Node's timers take no longer delay; they would fire at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/**
 * The heap of this program is small, and what passes through it is buffers that are counted as if they were of it. With V8's own
 * measure of growth the collector of the old generation runs all the time, and takes a third of the CPU of a download.
 */
setFlagsFromString("--heap-growing-percent=400");

export const stdout = openOutput(1);
export const stderr = openOutput(2);
process.on("exit", (code) => {
  stdout.flush(LAST_LINES_MS);
  stderr.flush(LAST_LINES_MS);
  leaveThreads(code);
});

/** One line, however many of them there are. */
export function warnOfExposed(command: CommandName, flags: readonly string[], logger: Logger): void {
  const exposed = exposedSecrets(command, flags, process.env);
  if (exposed.length > 0) logger.warn(exposed.join("; "));
}

type Circumstances = {
  readonly signals: Pick<Signals, "onStop">;
  readonly logger: Logger;
  readonly drainMs: number;
};

/** Drains at the first signal. */
export async function untilEnded(
  running: { readonly ended: Promise<void>; stop(): Promise<void> },
  { signals, logger, drainMs }: Circumstances,
): Promise<void> {
  signals.onStop(() => {
    // Whatever it comes to is told by `ended`.
    running.stop().catch(() => {});
    const endMs = Math.min(drainMs + CLOSING_MS, TIMER_MS_MAX);
    setTimeout(() => die(logger, new Error("the drain does not end")), endMs);
  });
  try {
    await running.ended;
  } catch (error) {
    if (error instanceof StartupError) throw error;
    die(logger, error);
  }
}

/** Opens the log, into which also goes what nobody caught: it removes secrets, and Node's own report would not. */
export function openLog(config: LogConfig): Logger {
  const logger = createLog(config, stderr);
  process.on("uncaughtException", (error) => die(logger, error));
  if (nativeMasking === null) {
    logger.warn("bufferutil is not there: JavaScript masks what tunnels carry, which costs more CPU");
  }
  return logger;
}

function die(logger: Logger, error: unknown): never {
  logger.fatal({ err: error }, "stopped by a bug");
  process.exit(EXIT_BUG);
}

export function print(line: string): void {
  stdout.write(`${line.trimEnd()}\n`);
}
