/** Programs that a test runs: services that listen until its end, and clients that come to an end of their own. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { onTestFinished } from "vitest";
import { portOf } from "../../helpers/origin.ts";

export type ProgramOptions = {
  readonly folder?: string;
  /** Beside that of the tests. */
  readonly environment?: Readonly<Record<string, string>>;
  /** What it reads on stdin. */
  readonly input?: string;
};

/** Runs it to its end; what it wrote on stdout. Throws with all that it said where it fails. */
export async function run(
  file: string,
  args: readonly string[],
  options: ProgramOptions = {},
): Promise<string> {
  const child = start(file, args, options);
  let output = "";
  let errors = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    errors = (errors + text).slice(-SAID_CHARACTERS);
  });
  child.stdin.on("error", () => {}).end(options.input ?? "");
  const [code, signal] = await once(child, "close");
  if (code === 0) return output;
  const said = `${errors}\n${output.slice(-SAID_CHARACTERS)}`;
  throw new Error(`${file} ${args.join(" ")} ended with ${code ?? signal}:\n${said}`);
}

/** Returns when somebody listens on that port of 127.0.0.1. The program is killed when the test is over. */
export function serve(
  file: string,
  args: readonly string[],
  port: number,
  options: ProgramOptions = {},
): Promise<void> {
  return serveAt(file, args, { host: "127.0.0.1", port }, options);
}

/** The same at any place, such as the path of a Unix socket. */
export async function serveAt(
  file: string,
  args: readonly string[],
  place: Place,
  options: ProgramOptions = {},
): Promise<void> {
  const child = start(file, args, options);
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      said = (said + text).slice(-SAID_CHARACTERS);
    });
  }
  const ended = new Promise<never>((_, reject) => {
    child.once("error", reject);
    child.once("close", (code) =>
      reject(new Error(`${file} ended with ${code} before it listened:\n${said}`)),
    );
  });
  ended.catch(() => {});
  onTestFinished(async ({ task }) => {
    if (task.result?.state === "fail") console.error(`${file} said:\n${said}`);
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
    const closed = once(child, "close");
    // The group: what it started itself has to go too.
    process.kill(-child.pid, "SIGKILL");
    await closed;
  });
  await Promise.race([listening(place), ended]);
}

/** One of 127.0.0.1 that nobody listens on by now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const port = portOf(server);
  server.close();
  await once(server, "close");
  return port;
}

const SAID_CHARACTERS = 4_000;

function start(file: string, args: readonly string[], { folder, environment }: ProgramOptions) {
  return spawn(file, args, {
    ...(folder === undefined ? {} : { cwd: folder }),
    env: { ...process.env, ...environment },
    stdio: "pipe",
    detached: true,
  });
}

type Place = string | { readonly host: string; readonly port: number };

async function listening(place: Place): Promise<void> {
  for (;;) {
    if (await answers(place)) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function answers(place: Place): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(typeof place === "string" ? { path: place } : place);
    socket.once("error", () => resolve(false));
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
  });
}
