/**
 * What signals do to the process. SIGTERM, SIGINT and SIGHUP stop it: the first lets it finish what runs, the second ends it at
 * once. A program that can read its settings again does so on SIGHUP, unless that says that its terminal is gone. No other one
 * ends it or opens it. Left to the kernel are those that tell of a fault in the process itself (SIGSEGV, SIGABRT and their like)
 * and job control; SIGPIPE and SIGXFSZ are ignored by Node.
 *
 * This is loaded before all else: whatever comes earlier finds Node's own answer.
 */
import { closeSync, constants, openSync } from "node:fs";

const STOPPING = ["SIGTERM", "SIGINT"] as const;

/**
 * SIGUSR1 would open a debugger to every user of the machine. The others would end a process that says nothing about them;
 * SIGQUIT is the key beside Ctrl-C.
 */
const IGNORED = [
  "SIGUSR1",
  "SIGUSR2",
  "SIGQUIT",
  "SIGALRM",
  "SIGVTALRM",
  "SIGPROF",
  "SIGIO",
  "SIGPWR",
  "SIGSTKFLT",
  "SIGXCPU",
] as const;

/** Who asked for an end does not care by which signal; whoever asks twice is in a hurry. */
const EXIT_HURRIED = 1;

/** Node opens the debugger for a SIGUSR1 from before, and opens it once more if it is closed too soon: so it is looked for a while. */
const INSPECTOR_LOOK_MS = 50;
const INSPECTOR_LOOKS = 20;

export type Signals = {
  /** From now on a first signal calls this. Before, there is nothing to finish and it ends the process, with 0. */
  onStop(stop: () => void): void;
  /** From now on SIGHUP calls this, as often as it comes. Before, and when a terminal goes away, it stops. */
  onReload(reload: () => void): void;
};

export function listenToSignals(): Signals {
  let stop = (): void => process.exit(0);
  let reload: (() => void) | null = null;
  const hadTerminal = hasTerminal();
  let isStopping = false;
  const onStopping = (): void => {
    if (isStopping) process.exit(EXIT_HURRIED);
    isStopping = true;
    stop();
  };
  for (const signal of STOPPING) process.on(signal, onStopping);
  process.on("SIGHUP", () => {
    if (reload === null || (hadTerminal && !hasTerminal())) onStopping();
    else reload();
  });
  for (const signal of IGNORED) process.on(signal, () => {});
  closeInspector(INSPECTOR_LOOKS);
  return {
    onStop: (listener) => {
      stop = listener;
    },
    onReload: (listener) => {
      reload = listener;
    },
  };
}

/** Whether this process has a terminal that could hang up: the kernel takes it away before it says so. */
function hasTerminal(): boolean {
  try {
    closeSync(openSync("/dev/tty", constants.O_RDONLY | constants.O_NOCTTY | constants.O_NONBLOCK));
    return true;
  } catch {
    return false;
  }
}

/** Takes back what a SIGUSR1 did before this file was loaded. A debugger that somebody asked for on purpose stays. */
function closeInspector(looks: number): void {
  const flags = [...process.execArgv, process.env.NODE_OPTIONS ?? ""].join(" ");
  if (!process.features.inspector || /--inspect(-brk|-wait)?(=|\s|$)/.test(flags)) return;
  const { close, url } = process.getBuiltinModule("node:inspector");
  if (url() !== undefined) close();
  if (looks > 0) setTimeout(closeInspector, INSPECTOR_LOOK_MS, looks - 1).unref();
}
