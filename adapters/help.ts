/** What `--help` says. */
import { CREDENTIAL_COMMANDS, type CredentialCommand, credentialSettingsOf } from "./settings/credentials.ts";
import { hashPasswordSettings } from "./settings/hash-password.ts";
import { healthSettings } from "./settings/health.ts";
import { LIMIT_REASONS } from "./settings/limit-reasons.ts";
import type { Setting } from "./settings/reading/setting.ts";
import { revokeSettings } from "./settings/revoke.ts";
import { type CommandName, limitsOf, settingsOf } from "./settings/settings.ts";

export const OVERVIEW = `Culvert, a self-hosted HTTP tunnel

  culvert serve [flags]    the server on the internet
  culvert agent [flags]    the agent next to the home service
  culvert hash-password    makes what --access keeps of a password
  culvert revoke [flags]   shuts a home out, or ends what one token had opened
  culvert health [flags]   exits with 0 where the server on this machine is well

  culvert install server|agent [-- FLAGS]    makes it a service of systemd, which starts with the machine
  culvert uninstall server|agent

  culvert token create --name NAME    makes a token for visitors of the agent's home
  culvert token list
  culvert token revoke --name NAME
  culvert invite --client-id ID       makes an invite, which registers that home once; next to the server's database

  culvert help serve       the flags of a command, as culvert serve --help
  culvert serve --help-limits, culvert agent --help-limits
  culvert check serve [flags], culvert check agent [flags]    what these would do, and what is in their way
  culvert completion bash  what completes commands and flags in a shell; also zsh, fish
  culvert version
`;

const TITLES: { readonly [Name in CommandName | CredentialCommand]: string } = {
  serve: "culvert serve [flags]: the tunnel server, for visitors and agents",
  agent: "culvert agent --server URL --to URL [flags]: brings a home service to the server",
  "token create": "culvert token create --name NAME [flags]: makes a token for visitors, and prints it once",
  "token list": "culvert token list [flags]: the visitor tokens of the home",
  "token revoke": "culvert token revoke --name NAME [flags]: ends a visitor token",
  invite:
    "culvert invite --client-id ID [flags]: makes an invite, which registers that home once, and prints it once",
};

export function helpOf(command: CommandName | CredentialCommand): string {
  const flags = columns(flagsOf(settingsNamed(command)));
  if (isCredential(command)) return [`${TITLES[command]}\n`, ...flags, ""].join("\n");
  return [
    `${TITLES[command]}\n`,
    "Flags win over environment variables:",
    ...flags,
    `\nculvert ${command} --help-limits has the limits that --limit changes.`,
    "",
  ].join("\n");
}

/** Each command, as it is typed, with its page. */
export function helpPages(): ReadonlyMap<string, () => string> {
  return new Map([
    ...COMMANDS_OF_TABLES.map((command) => [command, () => helpOf(command)] as const),
    ["hash-password", () => HASH_PASSWORD_HELP] as const,
    ["revoke", () => REVOKE_HELP] as const,
    ["health", () => HEALTH_HELP] as const,
    ["install", () => INSTALL_HELP] as const,
    ["uninstall", () => INSTALL_HELP] as const,
    ["check", () => CHECK_HELP] as const,
    ["completion", () => COMPLETION_HELP] as const,
  ]);
}

/** Each command that takes flags, as it is typed, with those. */
export function typedSettings(): ReadonlyMap<string, readonly Setting[]> {
  return new Map<string, readonly Setting[]>([
    ...COMMANDS_OF_TABLES.map((command) => [command, settingsNamed(command)] as const),
    ["check serve", settingsOf("serve")],
    ["check agent", settingsOf("agent")],
    ["hash-password", Object.values(hashPasswordSettings)],
    ["revoke", revokeSettings],
    ["health", healthSettings],
  ]);
}

const COMMANDS_OF_TABLES = ["serve", "agent", ...CREDENTIAL_COMMANDS] as const;

function settingsNamed(command: CommandName | CredentialCommand): readonly Setting[] {
  return isCredential(command) ? credentialSettingsOf(command) : settingsOf(command);
}

/** What `--help-limits` says: a value is given as the first number, in bytes, milliseconds or pieces. */
export function limitsHelpOf(command: CommandName): string {
  const limits = Object.entries(limitsOf(command)).map(([name, value]) => [
    `${name}=${value}`,
    quantityText(name, value),
    reasonOf(name),
  ]);
  return [
    `culvert ${command} --limit NAME=VALUE: each limit with its default, and what it is for\n`,
    ...columns(limits),
    "",
  ].join("\n");
}

function reasonOf(name: string): string {
  return Object.entries(LIMIT_REASONS).find(([each]) => each === name)?.[1] ?? "";
}

/** In the largest unit that makes a whole number of it. */
export function quantityText(name: string, value: number): string {
  if (/Ms(?:Max)?$/.test(name)) return inLargest(value, DURATIONS);
  return name.includes("Bytes") ? inLargest(value, SIZES) : "";
}

function inLargest(value: number, units: readonly (readonly [string, number])[]): string {
  for (const [unit, size] of units) if (value >= size && value % size === 0) return `${value / size} ${unit}`;
  return String(value);
}

const DURATIONS = [
  ["days", 86_400_000],
  ["min", 60_000],
  ["s", 1_000],
  ["ms", 1],
] as const;

const SIZES = [
  ["MiB", 1_048_576],
  ["KiB", 1_024],
  ["bytes", 1],
] as const;

export const HASH_PASSWORD_HELP = [
  "culvert hash-password [flags]: asks for a password, or reads it from a pipe, and prints its salted hash\n",
  ...columns(
    Object.values(hashPasswordSettings).map(({ flag, placeholder, help }) => [
      `--${flag} ${placeholder}`,
      help,
    ]),
  ),
  "",
].join("\n");

export const REVOKE_HELP = [
  "culvert revoke --client-id ID [flags]: deletes tokens in the server's database\n",
  ...columns(flagsOf(revokeSettings)),
  "",
].join("\n");

export const HEALTH_HELP = [
  "culvert health [flags]: asks the server on this machine, and exits with 0 where it is well, else with 1\n",
  ...columns(flagsOf(healthSettings)),
  "",
].join("\n");

export const INSTALL_HELP = `culvert install server [--user] [--dry-run] [-- FLAGS of culvert serve]
culvert install agent [--user] [--dry-run] -- FLAGS of culvert agent
culvert uninstall server|agent [--user] [--dry-run]

Writes units of systemd and starts them, or takes both back, and says what it does. A server's ports are held by systemd, so that
a restart refuses nobody. One that is given no access token finds a new one in /etc/culvert/access-token. Files of secrets are
given to the service alone.

${columns([
  ["--user", "a service of yours and not of the machine; takes no root"],
  ["--dry-run", "only says what would be done, with the texts of the units"],
]).join("\n")}
`;

export const CHECK_HELP = `culvert check serve|agent [flags]: reads the settings as that command does, reaches for what it needs, and says
what it would do; nothing is changed. Exits with 1 where there is a problem.

  culvert check serve --config server.yaml    its listeners, its database, the ways to homes
  culvert check agent --config agent.yaml     the server, the credential and the services of each home
`;

export const COMPLETION_HELP = `culvert completion bash|zsh|fish: prints what completes its commands and flags in that shell

  bash   source <(culvert completion bash), in ~/.bashrc
  zsh    source <(culvert completion zsh), in ~/.zshrc behind compinit
  fish   culvert completion fish | source, in ~/.config/fish/config.fish
`;

function isCredential(command: CommandName | CredentialCommand): command is CredentialCommand {
  return CREDENTIAL_COMMANDS.some((each) => each === command);
}

function flagsOf(settings: readonly Setting[]): string[][] {
  return settings.map(({ flag, placeholder, variable, help }) => [
    `--${flag} ${placeholder}`,
    variable ?? "",
    help,
  ]);
}

/** Pads all but the last column to the width of their widest cell. */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const width = (column: number) => Math.max(...rows.map((row) => row[column]?.length ?? 0));
  return rows.map((row) => {
    const cells = row.map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(width(column))));
    return `  ${cells.join("  ")}`;
  });
}
