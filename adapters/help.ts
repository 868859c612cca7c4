/** What `--help` says. */
import { hashPasswordSettings } from "./settings/hash-password.ts";
import { revokeSettings } from "./settings/revoke.ts";
import { type CommandName, limitsOf, settingsOf } from "./settings/settings.ts";

export const OVERVIEW = `Culvert, a self-hosted HTTP tunnel

  culvert serve [flags]    the server on the internet
  culvert agent [flags]    the agent next to the home service
  culvert hash-password    makes what --access keeps of a password
  culvert revoke [flags]   shuts a home out, or ends what one token had opened

  culvert serve --help     the flags of a command
  culvert --version
`;

const TITLES: { readonly [Name in CommandName]: string } = {
  serve: "culvert serve [flags]: the tunnel server, for visitors and agents",
  agent: "culvert agent --server URL --to URL [flags]: brings a home service to the server",
};

export function helpOf(command: CommandName): string {
  const flags = settingsOf(command).map(({ flag, placeholder, variable, help }) => [
    `--${flag} ${placeholder}`,
    variable ?? "",
    help,
  ]);
  const limits = Object.entries(limitsOf(command)).map(([name, value]) => [name, String(value)]);
  return [
    `${TITLES[command]}\n`,
    "Flags win over environment variables:",
    ...columns(flags),
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
  ...columns(
    revokeSettings.map(({ flag, placeholder, variable, help }) => [
      `--${flag} ${placeholder}`,
      variable ?? "",
      help,
    ]),
  ),
  "",
].join("\n");

/** Pads all but the last column to the width of their widest cell. */
function columns(rows: readonly (readonly string[])[]): string[] {
  const width = (column: number) => Math.max(...rows.map((row) => row[column]?.length ?? 0));
  return rows.map((row) => {
    const cells = row.map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(width(column))));
    return `  ${cells.join("  ")}`;
  });
}
