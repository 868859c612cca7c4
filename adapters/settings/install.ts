/**
 * What `culvert install` and `culvert uninstall` are told: which program, for whom, and the flags that it is to have, which are
 * checked as the program itself would.
 */
import { isIP } from "node:net";
import { parseArgs } from "node:util";
import { suggestion } from "../../core/text/nearest.ts";
import { StartupError } from "../startup-error.ts";
import {
  type CommandName,
  exposedSecrets,
  ownSettingsOf,
  readAgentConfigs,
  readServeConfig,
  type ServeConfig,
  settingsOf,
} from "./settings.ts";

export type InstalledProgram = "server" | "agent";

export type InstallTarget = {
  readonly program: InstalledProgram;
  /** For the user who calls, and not for the machine. */
  readonly isOfUser: boolean;
  /** Says what would be done, and does nothing. */
  readonly isDry: boolean;
};

/** A flag that the program gets. */
export type InstalledFlag = {
  /** Without the dashes. */
  readonly name: string;
  /** A whole path where it names the file of a secret. */
  readonly value: string;
  readonly namesSecretFile: boolean;
};

export type InstallConfig = InstallTarget & {
  readonly flags: readonly InstalledFlag[];
  /** Whether a server is told what registers agents; else a token is made for it. */
  readonly hasAccessToken: boolean;
  /** Where systemd listens in the server's place: for visitors, and for the operator. Null where it cannot, and for an agent. */
  readonly sockets: InstalledSockets | null;
};

export type InstalledSockets = { readonly visitors: SocketAddress; readonly operator: SocketAddress };

export type SocketAddress = {
  /** An IP address. */
  readonly address: string;
  /** From 1 on. */
  readonly port: number;
};

/** Throws `StartupError`. `words` begin with the program; behind `--` are the flags of `culvert serve` or `culvert agent`. */
export function readInstallConfig(words: readonly string[]): InstallConfig {
  const end = words.indexOf("--");
  const target = readTarget("install", end < 0 ? words : words.slice(0, end));
  const given = end < 0 ? [] : words.slice(end + 1);
  const command = target.program === "server" ? "serve" : "agent";
  const [exposed] = exposedSecrets(command, given, {});
  if (exposed !== undefined) throw new StartupError(exposed);
  const flags = flagsOf(command, given);
  const hasAccessToken = flags.some(({ name }) => name.startsWith("access-token"));
  const installed = { ...target, flags, hasAccessToken };
  // Variables of this shell are none of the service.
  if (command === "serve") return { ...installed, sockets: socketsOf(readServeConfig(given, {})) };
  readAgentConfigs(given, {});
  return { ...installed, sockets: null };
}

/** systemd takes no name of a host, and would tell nobody which free port it had found. */
function socketsOf({ bind, port, adminBind, adminPort }: ServeConfig): InstalledSockets | null {
  const isFixed = isIP(bind) !== 0 && isIP(adminBind) !== 0 && port > 0 && adminPort > 0;
  return isFixed
    ? { visitors: { address: bind, port }, operator: { address: adminBind, port: adminPort } }
    : null;
}

/** Throws `StartupError`. */
export function readUninstallConfig(words: readonly string[]): InstallTarget {
  return readTarget("uninstall", words);
}

function readTarget(command: string, [program, ...rest]: readonly string[]): InstallTarget {
  if (program !== "server" && program !== "agent") {
    throw new StartupError(`${command} takes server or agent; see --help`);
  }
  const unknown = rest.find((word) => !SWITCHES.includes(word));
  if (unknown !== undefined) {
    const near = suggestion(unknown, SWITCHES);
    throw new StartupError(`${unknown} is unknown${near || "; flags of the program stand behind --"}`);
  }
  return { program, isOfUser: rest.includes("--user"), isDry: rest.includes("--dry-run") };
}

const SWITCHES: readonly string[] = ["--user", "--dry-run"];

function flagsOf(command: CommandName, given: readonly string[]): InstalledFlag[] {
  const own = new Set(ownSettingsOf(command).map(({ flag }) => flag));
  const settings = settingsOf(command);
  const options = settings.map(({ flag }) => [flag, { type: "string" as const, multiple: true }]);
  const { tokens } = parseArgs({ args: [...given], options: Object.fromEntries(options), tokens: true });
  return tokens.flatMap((token) => {
    if (token.kind !== "option") return [];
    const { name, value = "" } = token;
    const { placed } = settings.find(({ flag }) => flag === name) ?? {};
    // A service has another folder than who installs it.
    return [{ name, value: placed?.(value, process.cwd()) ?? value, namesSecretFile: !own.has(name) }];
  });
}
