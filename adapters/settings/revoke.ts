/** The settings of `culvert revoke`. A token is read from a file, and is never on the command line. */
import { z } from "zod";
import { isClientId } from "../../core/server/routing/place.ts";
import type { MysqlSettings } from "./mysql-url.ts";
import { database, type SqliteSettings } from "./network.ts";
import { exposedFlags } from "./reading/flags.ts";
import { type Environment, readSettings } from "./reading/reader.ts";
import { readSecretFile } from "./reading/secret-file.ts";
import { type Setting, withFiles } from "./reading/setting.ts";
import { fileBeside, sharedSetting, variablesOfAll } from "./settings.ts";

export type RevokeConfig = {
  readonly database: SqliteSettings | MysqlSettings;
  readonly clientId: string;
  /** Null revokes all tokens of the client id. */
  readonly token: string | null;
};

const schema = z.object({
  config: z.string().nullable().default(null),
  clientId: z
    .string("is required: whose tokens are to be revoked")
    .refine(isClientId, "must be 1 to 64 characters, none of them a control character"),
  tokenFile: z.string().nullable().default(null),
  database: database.default({ type: "sqlite", path: "./culvert.db" }),
});

const settings: { readonly [Name in keyof typeof schema.shape]: Setting } = {
  clientId: { flag: "client-id", placeholder: "ID", help: "the home whose tokens are revoked (required)" },
  tokenFile: {
    flag: "token-file",
    placeholder: "FILE",
    help: "revokes the token in that file, and what may have been made with it (default: all tokens of the home)",
  },
  config: sharedSetting("serve", "config", "the server's, of which this takes the database"),
  database: sharedSetting("serve", "database", "the server's (default sqlite:./culvert.db)"),
};

export const revokeSettings: readonly Setting[] = withFiles(Object.values<Setting>(settings));

/** Whether the command line shows a password to whoever can list the processes of this machine. */
export function showsPassword(args: readonly string[]): boolean {
  return exposedFlags(Object.values<Setting>(settings), args).length > 0;
}

/** Throws `StartupError`. */
export function readRevokeConfig(args: readonly string[], environment: Environment): RevokeConfig {
  const file = fileBeside("serve", revokeSettings, { args, environment });
  const sources = { args, environment, variables: variablesOfAll(), file };
  const { tokenFile, ...config } = readSettings(schema, settings, sources);
  return { ...config, token: tokenFile === null ? null : readSecretFile(tokenFile, "--token-file") };
}
