/** What `--help` says. */
import { CREDENTIAL_COMMANDS, type CredentialCommand, credentialSettingsOf } from "./settings/credentials.ts";
import { hashPasswordSettings } from "./settings/hash-password.ts";
import type { Setting } from "./settings/reader.ts";
import { revokeSettings } from "./settings/revoke.ts";
import { type CommandName, limitsOf, settingsOf } from "./settings/settings.ts";

export const OVERVIEW = `Culvert, a self-hosted HTTP tunnel

  culvert serve [flags]    the server on the internet
  culvert agent [flags]    the agent next to the home service
  culvert hash-password    makes what --access keeps of a password
  culvert revoke [flags]   shuts a home out, or ends what one token had opened

  culvert token create --name NAME    makes a token for visitors of the agent's home
  culvert token list
  culvert token revoke --name NAME
  culvert invite --client-id ID       makes an invite, which registers that home once; next to the server's database

  culvert serve --help     the flags of a command
  culvert --version
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
  if (isCredential(command)) {
    return [`${TITLES[command]}\n`, ...columns(flagsOf(credentialSettingsOf(command))), ""].join("\n");
  }
  const limits = Object.entries(limitsOf(command)).map(([name, value]) => [name, String(value)]);
  return [
    `${TITLES[command]}\n`,
    "Flags win over environment variables:",
    ...columns(flagsOf(settingsOf(command))),
    "\nLimits with their defaults, in bytes, milliseconds or pieces:",
    ...columns(limits),
    "",
  ].join("\n");
}

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
