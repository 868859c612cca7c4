/** The settings of the two commands: what there is, and what it comes to. */
import { agentLimits, serverLimits } from "../../core/limits.ts";
import { agentSchema, agentSettings, type RunAgentConfig } from "./agent.ts";
import { proxyFor } from "./connection.ts";
import { type Environment, exposedFlags, fileOf, readSettings, type Setting, withFiles } from "./reader.ts";
import { type ServeConfig, serveSchema, serveSettings } from "./serve.ts";

export type { RunAgentConfig } from "./agent.ts";
export { LOG_LEVELS, type LogConfig, type LogLevel } from "./log.ts";
export type { MysqlSettings } from "./mysql-url.ts";
export type { SqliteSettings } from "./network.ts";
export type { ServeConfig } from "./serve.ts";

/** Throws `StartupError` with one clear line for anything that cannot be used. */
export function readServeConfig(args: readonly string[], environment: Environment): ServeConfig {
  return readSettings(serveSchema, serveSettings, { args, environment, variables: variablesOfAll() });
}

/** Throws `StartupError` with one clear line for anything that cannot be used. */
export function readAgentConfig(args: readonly string[], environment: Environment): RunAgentConfig {
  const config = readSettings(agentSchema, agentSettings, { args, environment, variables: variablesOfAll() });
  return { ...config, proxy: proxyFor(config, environment) };
}

export type CommandName = "serve" | "agent";

/** The settings of one command, as its `--help` lists them. */
export function settingsOf(command: CommandName): readonly Setting[] {
  return withFiles(ownSettingsOf(command));
}

/** What of a command line others can read who should not: the flags, each with what is to be used instead. */
export function exposedSecrets(command: CommandName, args: readonly string[]): readonly string[] {
  return exposedFlags(ownSettingsOf(command), args).map((setting) => {
    const { flag, variable } = fileOf(setting) ?? setting;
    return `--${setting.flag} shows its secret in the process list: use --${flag}${variable === undefined ? "" : ` or ${variable}`}`;
  });
}

/** The same without those that name files of secrets. */
export function ownSettingsOf(command: CommandName): readonly Setting[] {
  return Object.values<Setting>(command === "serve" ? serveSettings : agentSettings);
}

/** The limits that `--limit` of a command can change, with their defaults. */
export function limitsOf(command: CommandName): Readonly<Record<string, number>> {
  return command === "serve" ? serverLimits : agentLimits;
}

/** The variables that any command reads. */
export function variablesOfAll(): string[] {
  return [...settingsOf("serve"), ...settingsOf("agent")].flatMap(({ variable }) => variable ?? []);
}
