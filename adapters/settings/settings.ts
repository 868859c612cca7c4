/** The settings of the two commands: what there is, and what it comes to. */
import { assert } from "../../core/assert.ts";
import { agentLimits, serverLimits } from "../../core/limits.ts";
import { suggestion } from "../../core/text/nearest.ts";
import { StartupError } from "../startup-error.ts";
import { agentSchema, agentSettings, type RunAgentConfig } from "./agent.ts";
import { proxyFor } from "./connection.ts";
import { peerOf } from "./peer.ts";
import { type ConfigFile, type FileSection, OF_ONE_HOME, readConfigFile } from "./reading/config-file.ts";
import { exposedFlags } from "./reading/flags.ts";
import { type Environment, givenBeforeFile, readSettings, type SettingSources } from "./reading/reader.ts";
import { fileOf, type Setting, withFiles } from "./reading/setting.ts";
import { type ServeConfig, serveSchema, serveSettings } from "./serve.ts";
import { workersProblem } from "./workers.ts";

export type { RunAgentConfig } from "./agent.ts";
export { LOG_LEVELS, type LogConfig, type LogLevel } from "./log.ts";
export type { MysqlSettings } from "./mysql-url.ts";
export type { SqliteSettings } from "./network.ts";
export type { PeerConfig, PeerTls } from "./peer.ts";
export type { ServeConfig } from "./serve.ts";

/** Throws `StartupError` with one clear line for anything that cannot be used. */
export function readServeConfig(args: readonly string[], environment: Environment): ServeConfig {
  const sources = { args, environment, variables: variablesOfAll() };
  const file = fileBeside("serve", settingsOf("serve"), sources);
  const texts = readSettings(serveSchema, serveSettings, { ...sources, file });
  const { peerBind, peerPort, peerUrl, clusterSecrets, peerTlsCert, peerTlsKey, peerTlsCa, ...config } =
    texts;
  if (config.domain !== null && Object.hasOwn(config.hostnames, config.domain)) {
    throw new StartupError(
      "--hostname gives the name of --domain to a home: agents could not find the server",
    );
  }
  const whole = { ...config, peer: peerOf(texts) };
  const problem = workersProblem(whole);
  if (problem !== null) throw new StartupError(problem);
  return whole;
}

/**
 * Of each home: one, or those of the configuration file, of which a client id that is given otherwise chooses one. Throws
 * `StartupError` with one clear line for anything that cannot be used.
 */
export function readAgentConfigs(
  args: readonly string[],
  environment: Environment,
): readonly [RunAgentConfig, ...RunAgentConfig[]] {
  const sources = { args, environment, variables: variablesOfAll() };
  const read = (file?: ConfigFile["common"]): RunAgentConfig => {
    const config = readSettings(agentSchema, agentSettings, { ...sources, file });
    return { ...config, proxy: proxyFor(config, environment) };
  };
  const settings = settingsOf("agent");
  const file = configFileOf("agent", settings, sources);
  if (file === null) return [read()];
  const [first, ...others] = homesOf(file, settings, sources).map((home) => read(merged(file.common, home)));
  return first === undefined ? [read(file.common)] : [first, ...others];
}

/** What a home says of a setting is instead of what all have, in whichever of its two forms. */
function merged(common: ConfigFile["common"], home: ConfigFile["common"]): ConfigFile["common"] {
  const own = new Set([...home.keys()].map(formless));
  return new Map([...[...common].filter(([flag]) => !own.has(formless(flag))), ...home]);
}

function formless(flag: string): string {
  return flag.replace(/-file$/, "");
}

type Homes = readonly ConfigFile["common"][];

type Given = Pick<SettingSources, "args" | "environment">;

/** Those that are to run; none where the file has none. `settings` are those of the command that is to run them. */
function homesOf({ homes }: ConfigFile, settings: readonly Setting[], sources: Given): Homes {
  const given = (flag: string) => givenBeforeFile(settings, flag, sources);
  const clientId = given("client-id");
  if (clientId !== null && homes.size > 0) {
    const home = homes.get(clientId.text);
    if (home !== undefined) return [home];
    const near = suggestion(clientId.text, homes.keys());
    throw new StartupError(`${clientId.name} is no home of the configuration file${near}`);
  }
  if (homes.size > 1) {
    for (const flag of OF_ONE_HOME) {
      const { name } = given(flag) ?? {};
      if (name === undefined) continue;
      throw new StartupError(
        `${name} is of one home, and the configuration file has ${homes.size}: put it below one`,
      );
    }
  }
  return [...homes.values()];
}

/**
 * What the configuration file of a command says to another one beside it, which has `settings` and reads of the file what is among
 * them; undefined where none is named. Throws `StartupError`, also where the file has several homes and none is chosen.
 */
export function fileBeside(
  command: CommandName,
  settings: readonly Setting[],
  sources: Given,
): FileSection | undefined {
  const file = configFileOf(command, settings, sources);
  if (file === null) return undefined;
  const [home, ...others] = homesOf(file, settings, sources);
  if (others.length > 0) {
    throw new StartupError(
      `the configuration file has ${others.length + 1} homes: choose one with --client-id`,
    );
  }
  return home === undefined ? file.common : merged(file.common, home);
}

/** The file of that command; null where none was named. `settings` are those of the command line. */
function configFileOf(command: CommandName, settings: readonly Setting[], sources: Given): ConfigFile | null {
  const config = givenBeforeFile(settings, "config", sources);
  if (config === null) return null;
  return readConfigFile({
    file: config.text,
    name: config.name,
    settings: settingsOf(command).filter(({ flag }) => flag !== "config"),
    homes: command === "agent",
  });
}

export type CommandName = "serve" | "agent";

/** The settings of one command, as its `--help` lists them. */
export function settingsOf(command: CommandName): readonly Setting[] {
  return withFiles(ownSettingsOf(command));
}

/** What others can read who should not, of a command line and a configuration file: each with what is to be done. */
export function exposedSecrets(
  command: CommandName,
  args: readonly string[],
  environment: Environment,
): readonly string[] {
  const byFlag = exposedFlags(ownSettingsOf(command), args).map((setting) => {
    const { flag, variable } = fileOf(setting) ?? setting;
    return `--${setting.flag} shows its secret in the process list: use --${flag}${variable === undefined ? "" : ` or ${variable}`}`;
  });
  const file = configFileOf(command, settingsOf(command), { args, environment });
  if (file === null || !file.isReadable) return byFlag;
  const secrets = [file.common, ...file.homes.values()].flatMap((section) =>
    ownSettingsOf(command).flatMap(({ flag, isSecret }) => {
      const entry = section.get(flag);
      const isExposed = isSecret !== undefined && entry?.items.some(({ text }) => isSecret(text));
      return isExposed ? `${entry?.name} is a secret that others can read: run chmod go-r on the file` : [];
    }),
  );
  return [...byFlag, ...secrets];
}

/** The same without those that name files of secrets. */
export function ownSettingsOf(command: CommandName): readonly Setting[] {
  return Object.values<Setting>(command === "serve" ? serveSettings : agentSettings);
}

/** One of another command, perhaps with words of its own. */
export function sharedSetting(command: CommandName, name: string, help?: string): Setting {
  const setting = ownSettingsOf(command).find(({ flag }) => flag === name);
  assert(setting !== undefined, "no setting is shared by this name");
  return help === undefined ? setting : { ...setting, help };
}

/** What a person calls the setting that a configuration has under that key; `limits.NAME` is one limit. */
export function settingName(key: string): string {
  const [first = "", limit] = key.split(".");
  const settings: Readonly<Record<string, Setting>> = { ...serveSettings, ...agentSettings };
  const { flag } = settings[first] ?? { flag: key };
  return limit === undefined ? flag : `${flag} ${limit}`;
}

/** The limits that `--limit` of a command can change, with their defaults. */
export function limitsOf(command: CommandName): Readonly<Record<string, number>> {
  return command === "serve" ? serverLimits : agentLimits;
}

/** The variables that any command reads. */
export function variablesOfAll(): string[] {
  return [...settingsOf("serve"), ...settingsOf("agent")].flatMap(({ variable }) => variable ?? []);
}
