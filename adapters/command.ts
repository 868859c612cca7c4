/** The command line: what the process prints, how it ends, and what a signal begins. */
import { randomUUID } from "node:crypto";
import { homedir } from "node:os";
import { setFlagsFromString } from "node:v8";
import { suggestion } from "../core/text/nearest.ts";
import { defaultAgentFile } from "./agent/agent.ts";
import { startHomes } from "./agent/homes.ts";
import { createVisitorToken, listVisitorTokens, revokeVisitorToken } from "./agent/visitor-tokens.ts";
import { tokenCommand, waysText } from "./agent/ways-text.ts";
import { findingsOf } from "./check/check.ts";
import { findingText } from "./check/findings.ts";
import { completionOf } from "./completion/completion.ts";
import {
  CHECK_HELP,
  COMPLETION_HELP,
  columns,
  HASH_PASSWORD_HELP,
  HEALTH_HELP,
  helpOf,
  helpPages,
  INSTALL_HELP,
  limitsHelpOf,
  OVERVIEW,
  REVOKE_HELP,
} from "./help.ts";
import { install, uninstall } from "./install/install.ts";
import { askHealth } from "./operator/health.ts";
import { createLog, type Logger } from "./operator/log.ts";
import { openOutput } from "./operator/output.ts";
import { readPassword } from "./operator/password-prompt.ts";
import { revoke } from "./operator/revoke.ts";
import type { Signals } from "./operator/signals.ts";
import { leaveThreads } from "./operator/threads.ts";
import { createInvite } from "./registry/invite.ts";
import { createReload } from "./reload.ts";
import { hashPassword } from "./server/passwords.ts";
import { startServer } from "./server/server.ts";
import {
  CREDENTIAL_COMMANDS,
  exposedByCredential,
  readInviteConfig,
  readTokenConfig,
} from "./settings/credentials.ts";
import { readHashPasswordConfig } from "./settings/hash-password.ts";
import { readHealthConfig } from "./settings/health.ts";
import { readInstallConfig, readUninstallConfig } from "./settings/install.ts";
import { readRevokeConfig, showsPassword } from "./settings/revoke.ts";
import {
  type CommandName,
  exposedSecrets,
  type LogConfig,
  type RunAgentConfig,
  readAgentConfigs,
  readServeConfig,
} from "./settings/settings.ts";
import { inheritedListeners } from "./socket/listening.ts";
import { nativeMasking } from "./socket/native-masking.ts";
import { StartupError } from "./startup-error.ts";
import { VERSION } from "./version.ts";

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

const COMMANDS = [
  "serve",
  "agent",
  "token",
  "invite",
  "hash-password",
  "revoke",
  "health",
  "check",
  "completion",
  "help",
  "version",
] as const;

/** Runs the command and ends the process. */
export async function runCommand([name, ...flags]: readonly string[], signals: Signals): Promise<never> {
  try {
    await run(name, flags, signals);
  } catch (error) {
    if (!(error instanceof StartupError)) throw error;
    stderr.write(`culvert: ${error.message}\n`);
    process.exit(error.exitCode);
  }
  process.exit(0);
}

async function run(name: string | undefined, flags: readonly string[], signals: Signals): Promise<void> {
  const wantsHelp = flags.includes("--help") || flags.includes("-h");
  if (name === "help") return help(flags);
  const command = LIMITED.find((each) => each === name);
  if (command !== undefined && flags.includes("--help-limits")) return print(limitsHelpOf(command));
  if (name === "serve") return wantsHelp ? print(helpOf("serve")) : serve(flags, signals);
  if (name === "agent") return wantsHelp ? print(helpOf("agent")) : agent(flags, signals);
  if (name === "token" || name === "invite") return credential(name, flags, wantsHelp);
  if (name === "hash-password") return wantsHelp ? print(HASH_PASSWORD_HELP) : printHash(flags);
  if (name === "revoke") return wantsHelp ? print(REVOKE_HELP) : revokeTokens(flags);
  if (name === "health") {
    return wantsHelp ? print(HEALTH_HELP) : askHealth(readHealthConfig(flags, process.env));
  }
  if (name === "install" || name === "uninstall") {
    if (wantsHelp) return print(INSTALL_HELP);
    return name === "install"
      ? install(readInstallConfig(flags), print)
      : uninstall(readUninstallConfig(flags), print);
  }
  if (name === "check") return wantsHelp ? print(CHECK_HELP) : check(flags);
  if (name === "completion") return print(wantsHelp ? COMPLETION_HELP : completionOf(flags));
  if (name !== undefined && VERSION_WORDS.has(name)) return print(VERSION);
  if (name === undefined || name === "--help" || name === "-h") return print(OVERVIEW);
  const near = suggestion(name, COMMANDS);
  throw new StartupError(`${name} is no command${near || "; see --help"}`);
}

/** Perhaps with the name of a command, which may have two words. */
function help(words: readonly string[]): void {
  if (words.length === 0) return print(OVERVIEW);
  const name = words.join(" ");
  const pages = helpPages();
  const page = pages.get(name);
  if (page !== undefined) return print(page());
  throw new StartupError(
    `there is no help on ${name}${suggestion(name, pages.keys()) || "; see culvert help"}`,
  );
}

const LIMITED: readonly CommandName[] = ["serve", "agent"];

const VERSION_WORDS: ReadonlySet<string> = new Set(["version", "--version", "-v", "-V"]);

/** The commands that do one thing and end. */
async function credential(
  name: "token" | "invite",
  rest: readonly string[],
  wantsHelp: boolean,
): Promise<void> {
  const [verb = ""] = rest;
  const typed = name === "invite" ? name : `${name} ${verb}`;
  const command = CREDENTIAL_COMMANDS.find((each) => each === typed);
  if (command === undefined) {
    if (wantsHelp) return print(OVERVIEW);
    throw new StartupError("token takes create, list or revoke; see --help");
  }
  if (wantsHelp) return print(helpOf(command));
  const flags = name === "invite" ? rest : rest.slice(1);
  for (const flag of exposedByCredential(command, flags)) warnOfFlag(flag);
  if (command === "invite") return print(await createInvite(readInviteConfig(flags, process.env)));
  const config = readTokenConfig(command, flags, process.env);
  const asked = { ...config, stateFile: config.stateFile ?? ownAgentFile(config.clientId) };
  switch (command) {
    case "token create":
      return print(await createVisitorToken(asked));
    case "token list": {
      const rows = (await listVisitorTokens(asked)).map(({ name: of, createdMs, expiresMs }) => [
        of,
        timeText(createdMs),
        expiresMs === null ? "never" : timeText(expiresMs),
      ]);
      return print(columns([["NAME", "MADE", "EXPIRES"], ...rows]).join("\n"));
    }
    case "token revoke":
      if (await revokeVisitorToken(asked)) return print("revoked");
      throw new StartupError("there is no token of that name; see culvert token list");
  }
}

/** RFC 3339, to the second. */
function timeText(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");
}

function ownAgentFile(clientId: string | null): string {
  return defaultAgentFile({ env: process.env, home: homedir, clientId });
}

function warnOfFlag(flag: string): void {
  stderr.write(`culvert: --${flag} shows its secret in the process list: use --${flag}-file\n`);
}

async function serve(flags: readonly string[], signals: Signals): Promise<void> {
  const config = readServeConfig(flags, process.env);
  const accessToken = config.accessToken ?? randomUUID();
  const logger = openLog(config);
  warnOfExposed("serve", flags, logger);
  const inherited = inheritedListeners(process.env, process.pid);
  const server = await startServer({ ...config, accessToken, inherited }, logger);
  // The one secret that is ever shown: nobody could register an agent without it.
  if (config.accessToken === null) print(`access token for this run: ${accessToken}`);
  const { family, address, port } = server.address;
  print(`listening on http://${family === "IPv6" ? `[${address}]` : address}:${port}`);
  logger.info({ bind: config.adminBind, port: server.adminPort }, "admin listener ready");
  if (config.config !== null) {
    signals.onReload(
      createReload({
        first: config,
        read: () => readServeConfig(flags, process.env),
        change: (next) => server.change(next),
        atStart: [
          "bind",
          "port",
          "adminBind",
          "adminPort",
          "database",
          "accessToken",
          "logFormat",
          "peer",
          "publicUrl",
        ],
        logger,
      }),
    );
  }
  await untilEnded(server, { signals, logger, drainMs: config.limits.drainMs });
}

async function agent(flags: readonly string[], signals: Signals): Promise<void> {
  const configs = readAgentConfigs(flags, process.env);
  const [{ logLevel, logFormat }] = configs;
  const logger = openLog({ logLevel, logFormat });
  warnOfExposed("agent", flags, logger);
  const homes = startHomes(configs.map(withStateFile), logger, (config, clientId, ways) =>
    print(waysText({ ...config, clientId, ways, isTerminal: stdout.isTerminal })),
  );
  if (configs[0].config !== null) {
    signals.onReload(
      createReload({
        first: asOne(configs),
        read: () => asOne(readAgentConfigs(flags, process.env)),
        change: (next) => homes.change(next.homes.map(withStateFile)),
        atStart: ["logFormat"],
        logger,
      }),
    );
  }
  const drainMs = Math.max(...configs.map(({ limits }) => limits.drainMs));
  await untilEnded(homes, { signals, logger, drainMs });
}

/** Ends with 1 where anything was found that keeps the command from its work. */
async function check(words: readonly string[]): Promise<void> {
  const findings = await findingsOf(words, process.env, (clientId) => ownAgentFile(clientId));
  for (const finding of findings) print(findingText(finding));
  const problems = findings.filter(({ kind }) => kind === "problem").length;
  if (problems > 0) throw new StartupError(`${problems} ${problems === 1 ? "problem" : "problems"} found`);
}

/** What is said of the log holds for all homes. */
function asOne(homes: ReturnType<typeof readAgentConfigs>) {
  const [{ logLevel, logFormat }] = homes;
  return { logLevel, logFormat, homes };
}

/** Where it was told of no state file, the commands beside it find its own as it does. Null where nothing is to be kept. */
function withStateFile(config: RunAgentConfig) {
  const { clientId, clientToken, stateFile } = config;
  const kept = clientToken === null ? (stateFile ?? ownAgentFile(clientId)) : null;
  return { ...config, stateFile: kept, tokenCommand: tokenCommand(config) };
}

/** One line, however many of them there are. */
function warnOfExposed(command: CommandName, flags: readonly string[], logger: Logger): void {
  const exposed = exposedSecrets(command, flags, process.env);
  if (exposed.length > 0) logger.warn(exposed.join("; "));
}

async function printHash(flags: readonly string[]): Promise<void> {
  const { user } = readHashPasswordConfig(flags);
  const hash = await hashPassword(await readPassword(process.stdin, (text) => stderr.write(text)));
  print(user === null ? hash : `basic:${user}:${hash}`);
}

async function revokeTokens(flags: readonly string[]): Promise<void> {
  const config = readRevokeConfig(flags, process.env);
  if (showsPassword(flags)) warnOfFlag("database");
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
function openLog(config: LogConfig): Logger {
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

function print(line: string): void {
  stdout.write(`${line.trimEnd()}\n`);
}
