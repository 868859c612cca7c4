/** Programs that are not ours, used where they are installed. */
import { spawn } from "node:child_process";
import { accessSync, constants, readdirSync, readFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { killWithParent } from "../demo/child.ts";

export type Program = {
  /** Its process and all that descend from it, now. */
  processes(): number[];
  stop(): Promise<void>;
};

export type ProgramOptions = {
  /** From `findProgram`. */
  readonly file: string;
  readonly args: readonly string[];
  /** Of 127.0.0.1: the program is ready when it takes a connection there. */
  readonly port: number;
};

/** The whole path of a command; null where it is not installed. */
export function findProgram(name: string): string | null {
  const folders = [...(process.env.PATH ?? "").split(":"), "/usr/local/sbin", "/usr/sbin", "/sbin"];
  for (const folder of folders) {
    const file = join(folder, name);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // Not in this folder.
    }
  }
  return null;
}

/** Nobody listens there now, and nobody else is likely to within the next moments. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port is free");
  return address.port;
}

/** Rejects with what the program said when it ends, or takes no connection for `READY_MS`. */
export async function startProgram({ file, args, port }: ProgramOptions): Promise<Program> {
  const child = spawn(file, args, { stdio: ["ignore", "ignore", "pipe"], detached: true });
  killWithParent(child);
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    errors = (errors + text).slice(-ERROR_TAIL_CHARS);
  });
  let isEnded = false;
  const ended = new Promise<void>((resolve) => {
    const end = (): void => {
      isEnded = true;
      resolve();
    };
    child.once("error", end);
    child.once("close", end);
  });
  const stop = async (): Promise<void> => {
    child.kill("SIGTERM");
    const force = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
    await ended;
    clearTimeout(force);
  };
  const { pid = 0 } = child;
  for (const startedMs = performance.now(); !(await takesConnections(port)); await delay(POLL_MS)) {
    if (!isEnded && performance.now() - startedMs < READY_MS) continue;
    await stop();
    throw new Error(`${file} is not ready: ${errors.trim() || "nothing came"}`);
  }
  return { processes: () => withDescendants(pid), stop };
}

const READY_MS = 10_000;
const STOP_MS = 3_000;
const POLL_MS = 50;
const ERROR_TAIL_CHARS = 1_000;

function takesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

function withDescendants(pid: number): number[] {
  const threads = readdirSync(`/proc/${pid}/task`);
  const children = threads.flatMap((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/children`, "latin1").split(" ").filter(Boolean).map(Number),
  );
  return [pid, ...children.flatMap(withDescendants)];
}
