/**
 * A Node process started from a file of this repository: ready when it prints the line that says so, and always ended.
 *
 * Each child leads a process group of its own, so that Ctrl-C reaches the parent alone, which then ends its children in
 * order with one signal each. The child sees none of the caller's environment but what it cannot live without: a setting
 * in somebody's shell must change neither what the demo shows nor what the bench measures.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

export type ChildOptions = {
  /** What messages about it call it. */
  readonly name: string;
  /** The file to run, relative to the top of the repository. Node strips its types; no loader stands in between. */
  readonly file: string;
  readonly args?: readonly string[];
  readonly nodeFlags?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** The beginning of the line on standard output that says it is ready. */
  readonly readyPrefix: string;
  /** The network namespace that it runs in, which takes root; the caller's by default. */
  readonly namespace?: string;
  /** Opens a channel for messages (`ask`). */
  readonly channel?: boolean;
};

export type Child = {
  readonly name: string;
  readonly pid: number;
  /** What followed the prefix on the ready line, such as an address. */
  readonly readyText: string;
  /** Settles when the process has ended, with how and, after a failure, the end of its standard error; never rejects. */
  readonly ended: Promise<string>;
  /** Sends a message over the channel and waits for the next one that comes back. One question at a time. */
  ask(message: object): Promise<unknown>;
  /** Ends the process and waits for its end: politely first, by force after `STOP_MS`. */
  stop(): Promise<void>;
};

/** Rejects with the end of the child's standard error when it ends, or stays silent for `READY_MS`, before it is ready. */
export async function startChild(options: ChildOptions): Promise<Child> {
  const command = [process.execPath, ...(options.nodeFlags ?? []), options.file, ...(options.args ?? [])];
  // The ip command becomes the program that it starts: its process is the child's.
  const entry = options.namespace === undefined ? [] : ["ip", "netns", "exec", options.namespace];
  const [program = process.execPath, ...args] = [...entry, ...command];
  const child = spawn(program, args, {
    cwd: fileURLToPath(new URL("../..", import.meta.url)),
    env: { ...inheritedEnvironment(), ...options.environment },
    stdio: ["ignore", "pipe", "pipe", options.channel === true ? "ipc" : "ignore"],
    detached: true,
  });
  killWithParent(child);
  const errors = keepTail(child);
  const ended = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(`it could not start: ${error.message}`));
    // "close" rather than "exit": by then the pipes are empty and the tail of standard error is whole.
    child.once("close", (code, signal) => {
      const how = `it ended with ${code === null ? signal : `exit code ${code}`}`;
      resolve(code === 0 ? how : `${how}\n${errors()}`.trimEnd());
    });
  });
  const stop = async (): Promise<void> => {
    child.kill("SIGTERM");
    const force = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
    await ended;
    clearTimeout(force);
  };

  const ready = Promise.withResolvers<string>();
  onReadyLine(child, options.readyPrefix, ready.resolve);
  const fail = (how: string): void => ready.reject(new Error(`the ${options.name} is not ready: ${how}`));
  void ended.then(fail);
  const timer = setTimeout(
    () => fail(`nothing came for ${READY_MS / 1000} s\n${errors()}`.trimEnd()),
    READY_MS,
  );
  const readyText = await ready.promise
    .catch(async (error: unknown) => {
      await stop();
      throw error;
    })
    .finally(() => clearTimeout(timer));

  const ask = (message: object): Promise<unknown> =>
    Promise.race([
      new Promise<unknown>((resolve, reject) => {
        child.once("message", resolve);
        child.send(message, (error) => (error === null ? undefined : reject(error)));
      }),
      ended.then((how) => Promise.reject(new Error(`the ${options.name} is gone: ${how}`))),
    ]);
  return { name: options.name, pid: child.pid ?? 0, readyText, ended, ask, stop };
}

/** A cold start takes a second or two, and many times that on a machine that is busy with other things. */
const READY_MS = 60_000;

/** Longer than an agent or a server with nothing left to do takes to drain. */
const STOP_MS = 5_000;

/** Of a child's standard error: enough for a stack trace. */
const ERROR_TAIL_CHARS = 4_000;

function inheritedEnvironment(): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const name of ["PATH", "HOME", "TMPDIR"]) {
    const value = process.env[name];
    if (value !== undefined) kept[name] = value;
  }
  return kept;
}

const children = new Set<ChildProcess>();

/** The last resort: whatever ends this process, an uncaught error included, its children end with it. */
export function killWithParent(child: ChildProcess): void {
  if (children.size === 0) process.on("exit", killAll);
  children.add(child);
  child.once("close", () => {
    children.delete(child);
    if (children.size === 0) process.off("exit", killAll);
  });
}

function killAll(): void {
  for (const child of children) child.kill("SIGKILL");
}

function keepTail(child: ChildProcess): () => string {
  let tail = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    tail = (tail + text).slice(-ERROR_TAIL_CHARS);
  });
  return () => tail.trim();
}

/** Calls back with the rest of the first line that begins with `prefix`; goes on emptying the pipe afterwards. */
function onReadyLine(child: ChildProcess, prefix: string, ready: (rest: string) => void): void {
  let unfinished = "";
  let found = false;
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    if (found) return;
    const lines = (unfinished + text).split("\n");
    unfinished = lines.pop() ?? "";
    const line = lines.find((candidate) => candidate.startsWith(prefix));
    if (line === undefined) return;
    found = true;
    ready(line.slice(prefix.length).trim());
  });
}
