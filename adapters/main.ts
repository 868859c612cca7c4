#!/usr/bin/env node
/** The command line: what the process prints, how it ends, and the signals in between. */
import { randomUUID } from "node:crypto";
import { homedir } from "node:os";
import { setFlagsFromString } from "node:v8";
import { defaultAgentFile, startAgent } from "./agent/agent.ts";
import { helpOf, OVERVIEW } from "./help.ts";
import { createLog, type Logger } from "./operator/log.ts";
import { startServer } from "./server/server.ts";
import { type LogLevel, readAgentConfig, readServeConfig, suggestion } from "./settings/settings.ts";
import { StartupError } from "./startup-error.ts";
import { readVersion } from "./version.ts";

/** EX_SOFTWARE of sysexits.h: a bug, for whoever supervises the process. */
const EXIT_BUG = 70;

/**
 * The heap of this program is small, and what passes through it is buffers that are counted as if they were of it. With V8's own
 * measure of growth the collector of the old generation runs all the time, and takes a third of the CPU of a download.
 */
setFlagsFromString("--heap-growing-percent=400");

const [command, ...args] = process.argv.slice(2);
try {
  await run(command, args);
  process.exit(0);
} catch (error) {
  if (!(error instanceof StartupError)) throw error;
  process.stderr.write(`culvert: ${error.message}\n`);
  process.exit(1);
}

async function run(name: string | undefined, flags: readonly string[]): Promise<void> {
  const wantsHelp = flags.includes("--help") || flags.includes("-h");
  if (name === "serve") return wantsHelp ? print(helpOf("serve")) : serve(flags);
  if (name === "agent") return wantsHelp ? print(helpOf("agent")) : agent(flags);
  if (name === "--version") return print(readVersion());
  if (name === undefined || name === "--help" || name === "-h") return print(OVERVIEW);
  const near = suggestion(name, ["serve", "agent", "--help", "--version"]);
  throw new StartupError(`${name} is no command${near || "; see --help"}`);
}

async function serve(flags: readonly string[]): Promise<void> {
  const config = readServeConfig(flags, process.env);
  const accessToken = config.accessToken ?? randomUUID();
  const logger = openLog(config.logLevel);
  const server = await startServer({ ...config, accessToken }, logger);
  // The one secret that is ever shown: nobody could register an agent without it.
  if (config.accessToken === null) print(`access token for this run: ${accessToken}`);
  const { family, address, port } = server.address;
  print(`listening on http://${family === "IPv6" ? `[${address}]` : address}:${port}`);
  logger.info({ bind: config.adminBind, port: server.adminPort }, "admin listener ready");
  await untilEnded(server, logger);
}

async function agent(flags: readonly string[]): Promise<void> {
  const config = readAgentConfig(flags, process.env);
  const stateFile = config.stateFile ?? defaultAgentFile({ env: process.env, home: homedir() });
  const logger = openLog(config.logLevel);
  const running = startAgent({ ...config, stateFile }, logger);
  const { clientId } = running;
  void running.connected.then((isConnected) => {
    if (!isConnected) return;
    const url = `${config.server.href.replace(/\/$/, "")}/?clientId=${encodeURIComponent(clientId)}`;
    print(`connected as ${clientId}`);
    print(`visitors reach it at ${url}`);
    print(`with "Authorization: Bearer TOKEN", where TOKEN is the clientToken in ${stateFile}`);
  });
  await untilEnded(running, logger);
}

/** Drains at the first signal and leaves at once at the second. */
async function untilEnded(
  running: { readonly ended: Promise<void>; stop(): Promise<void> },
  logger: Logger,
): Promise<void> {
  let signals = 0;
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.on(signal, () => {
      if (++signals > 1) process.exit(1);
      // Whatever it comes to is told by `ended`.
      running.stop().catch(() => {});
    });
  }
  try {
    await running.ended;
  } catch (error) {
    if (error instanceof StartupError) throw error;
    die(logger, error);
  }
}

/** Opens the log, into which also goes what nobody caught: it removes secrets, and Node's own report would not. */
function openLog(level: LogLevel): Logger {
  const logger = createLog(level, process.stderr.isTTY === true);
  process.on("uncaughtException", (error) => die(logger, error));
  return logger;
}

function die(logger: Logger, error: unknown): never {
  logger.fatal({ err: error }, "stopped by a bug");
  process.exit(EXIT_BUG);
}

function print(line: string): void {
  process.stdout.write(`${line.trimEnd()}\n`);
}
