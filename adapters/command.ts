/** The command line: what the process prints, how it ends, and what a signal begins. */
import { randomUUID } from "node:crypto";
import { homedir } from "node:os";
import { setFlagsFromString } from "node:v8";
import { defaultAgentFile, startAgent } from "./agent/agent.ts";
import { HASH_PASSWORD_HELP, helpOf, OVERVIEW, REVOKE_HELP } from "./help.ts";
import { createLog, type Logger } from "./operator/log.ts";
import { openOutput } from "./operator/output.ts";
import { readPassword } from "./operator/password-prompt.ts";
import { revoke } from "./operator/revoke.ts";
import type { Signals } from "./operator/signals.ts";
import { leaveThreads } from "./operator/threads.ts";
import { hashPassword } from "./server/passwords.ts";
import { startServer } from "./server/server.ts";
import { readHashPasswordConfig } from "./settings/hash-password.ts";
import { readRevokeConfig, showsPassword } from "./settings/revoke.ts";
import {
  type CommandName,
  exposedSecrets,
  type LogLevel,
  type RunAgentConfig,
  readAgentConfig,
  readServeConfig,
  suggestion,
} from "./settings/settings.ts";
import { StartupError } from "./startup-error.ts";
import { readVersion } from "./version.ts";

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

const stdout = openOutput(1);
const stderr = openOutput(2);
process.on("exit", (code) => {
  stdout.flush(LAST_LINES_MS);
  stderr.flush(LAST_LINES_MS);
  leaveThreads(code);
});

/** Runs the command and ends the process. */
export async function runCommand([name, ...flags]: readonly string[], signals: Signals): Promise<never> {
  try {
    await run(name, flags, signals);
  } catch (error) {
    if (!(error instanceof StartupError)) throw error;
    stderr.write(`culvert: ${error.message}\n`);
    process.exit(1);
  }
  process.exit(0);
}

async function run(name: string | undefined, flags: readonly string[], signals: Signals): Promise<void> {
  const wantsHelp = flags.includes("--help") || flags.includes("-h");
  if (name === "serve") return wantsHelp ? print(helpOf("serve")) : serve(flags, signals);
  if (name === "agent") return wantsHelp ? print(helpOf("agent")) : agent(flags, signals);
  if (name === "hash-password") return wantsHelp ? print(HASH_PASSWORD_HELP) : printHash(flags);
  if (name === "revoke") return wantsHelp ? print(REVOKE_HELP) : revokeTokens(flags);
  if (name === "--version") return print(readVersion());
  if (name === undefined || name === "--help" || name === "-h") return print(OVERVIEW);
  const near = suggestion(name, ["serve", "agent", "hash-password", "revoke", "--help", "--version"]);
  throw new StartupError(`${name} is no command${near || "; see --help"}`);
}

async function serve(flags: readonly string[], signals: Signals): Promise<void> {
  const config = readServeConfig(flags, process.env);
  const accessToken = config.accessToken ?? randomUUID();
  const logger = openLog(config.logLevel);
  warnOfExposed("serve", flags, logger);
  const server = await startServer({ ...config, accessToken }, logger);
  // The one secret that is ever shown: nobody could register an agent without it.
  if (config.accessToken === null) print(`access token for this run: ${accessToken}`);
  const { family, address, port } = server.address;
  print(`listening on http://${family === "IPv6" ? `[${address}]` : address}:${port}`);
  logger.info({ bind: config.adminBind, port: server.adminPort }, "admin listener ready");
  await untilEnded(server, { signals, logger, drainMs: config.limits.drainMs });
}

async function agent(flags: readonly string[], signals: Signals): Promise<void> {
  const config = readAgentConfig(flags, process.env);
  const stateFile = stateFileOf(config);
  const logger = openLog(config.logLevel);
  warnOfExposed("agent", flags, logger);
  const running = startAgent({ ...config, stateFile }, logger);
  const { clientId } = running;
  void running.connected.then((isConnected) => {
    if (!isConnected) return;
    const url = `${config.server.href.replace(/\/$/, "")}/?clientId=${encodeURIComponent(clientId)}`;
    print(`connected as ${clientId}`);
    print(`visitors reach it at ${url}`);
    const place = stateFile === null ? "your client token" : `the clientToken in ${stateFile}`;
    print(`with "Authorization: Bearer TOKEN", where TOKEN is ${place}`);
  });
  await untilEnded(running, { signals, logger, drainMs: config.limits.drainMs });
}

/** Null where nothing is to be kept. */
function stateFileOf({ clientId, clientToken, stateFile }: RunAgentConfig): string | null {
  if (clientToken !== null) return null;
  return stateFile ?? defaultAgentFile({ env: process.env, home: homedir, clientId });
}

/** One line, however many of them there are. */
function warnOfExposed(command: CommandName, flags: readonly string[], logger: Logger): void {
  const exposed = exposedSecrets(command, flags);
  if (exposed.length > 0) logger.warn(exposed.join("; "));
}

async function printHash(flags: readonly string[]): Promise<void> {
  const { user } = readHashPasswordConfig(flags);
  const hash = await hashPassword(await readPassword(process.stdin, (text) => stderr.write(text)));
  print(user === null ? hash : `basic:${user}:${hash}`);
}

async function revokeTokens(flags: readonly string[]): Promise<void> {
  const config = readRevokeConfig(flags, process.env);
  if (showsPassword(flags)) stderr.write("culvert: --database shows its secret: use --database-file\n");
  const tokens = await revoke(config);
  print(
    `revoked ${tokens} ${tokens === 1 ? "token" : "tokens"}: what they had opened ends within 20 seconds`,
  );
}

type Circumstances = { readonly signals: Signals; readonly logger: Logger; readonly drainMs: number };

/** Drains at the first signal. */
async function untilEnded(
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
function openLog(level: LogLevel): Logger {
  const logger = createLog(level, stderr);
  process.on("uncaughtException", (error) => die(logger, error));
  return logger;
}

function die(logger: Logger, error: unknown): never {
  logger.fatal({ err: error }, "stopped by a bug");
  process.exit(EXIT_BUG);
}

function print(line: string): void {
  stdout.write(`${line.trimEnd()}\n`);
}
