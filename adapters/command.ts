/** The command line: which command it names, and what that prints. */
import { homedir } from "node:os";
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
import { readPassword } from "./operator/password-prompt.ts";
import { revoke } from "./operator/revoke.ts";
import type { Signals } from "./operator/signals.ts";
import { openLog, print, stderr, stdout, untilEnded, warnOfExposed } from "./program.ts";
import { createInvite } from "./registry/invite.ts";
import { createReload } from "./reload.ts";
import { serve, work } from "./serve.ts";
import { hashPassword } from "./server/passwords.ts";
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
import { type CommandName, type RunAgentConfig, readAgentConfigs } from "./settings/settings.ts";
import { StartupError } from "./startup-error.ts";
import { VERSION } from "./version.ts";
import { WORKER_COMMAND } from "./workers/messages.ts";

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
  if (name === WORKER_COMMAND) return work(signals);
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
