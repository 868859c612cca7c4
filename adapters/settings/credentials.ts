/** The settings of the commands that make and end credentials. */
import { z } from "zod";
import { connectionShape, proxyFor } from "./connection.ts";
import { database, type SqliteSettings } from "./network.ts";
import { exposedFlags } from "./reading/flags.ts";
import { type Environment, readSettings, type SettingSources } from "./reading/reader.ts";
import { type Setting, withFiles } from "./reading/setting.ts";
import { clientId, clientIdText, refuse, serverUrl, token } from "./schemas.ts";
import { fileBeside, type MysqlSettings, sharedSetting, variablesOfAll } from "./settings.ts";

/** Each is two words or one, as it is typed. */
export const CREDENTIAL_COMMANDS = ["token create", "token list", "token revoke", "invite"] as const;
export type CredentialCommand = (typeof CREDENTIAL_COMMANDS)[number];

export type TokenConfig = {
  /** Null where the command takes none. */
  readonly name: string | null;
  /** Null never expires. */
  readonly lifetimeSeconds: number | null;
  /** Null: under the user's configuration folder. */
  readonly stateFile: string | null;
  /** Null: the one of the state file. */
  readonly clientId: string | null;
  /** Null: the one of the state file. Given, it needs client id and server. */
  readonly clientToken: string | null;
  readonly server: URL | null;
  /** Certificates that are trusted beside those that this machine trusts, in PEM; null for none. */
  readonly serverCa: string | null;
  /** What is on the way to that server; null for nothing. Throws `StartupError`. */
  readonly proxyTo: (server: URL) => URL | null;
};

export type InviteConfig = {
  readonly clientId: string;
  readonly lifetimeSeconds: number;
  readonly database: SqliteSettings | MysqlSettings;
};

type TokenCommand = Exclude<CredentialCommand, "invite">;

/** Throws `StartupError` with one clear line for anything that cannot be used. */
export function readTokenConfig(
  command: TokenCommand,
  args: readonly string[],
  environment: Environment,
): TokenConfig {
  const file = fileBeside("agent", credentialSettingsOf(command), { args, environment });
  const { proxy, ...settings } = tokenSettings(command, {
    args,
    environment,
    variables: variablesOfAll(),
    file,
  });
  // The server may be known by the state file alone.
  return { ...settings, proxyTo: (server) => proxyFor({ server, proxy }, environment) };
}

function tokenSettings(command: TokenCommand, sources: SettingSources) {
  switch (command) {
    case "token create": {
      const { expires, ...rest } = readSettings(createSchema, createSettings, sources);
      return { ...rest, lifetimeSeconds: expires };
    }
    case "token revoke":
      return { ...readSettings(revokeSchema, revokeSettings, sources), lifetimeSeconds: null };
    case "token list":
      return { ...readSettings(listSchema, listSettings, sources), name: null, lifetimeSeconds: null };
  }
}

/** Throws `StartupError` with one clear line for anything that cannot be used. */
export function readInviteConfig(args: readonly string[], environment: Environment): InviteConfig {
  const file = fileBeside("serve", credentialSettingsOf("invite"), { args, environment });
  const sources = { args, environment, variables: variablesOfAll(), file };
  const { expires, ...rest } = readSettings(inviteSchema, inviteSettings, sources);
  return { ...rest, lifetimeSeconds: expires };
}

/** The settings of one command, as its `--help` lists them. */
export function credentialSettingsOf(command: CredentialCommand): readonly Setting[] {
  return withFiles(Object.values<Setting>(TABLES[command]));
}

/** The flags among `args` that show a secret to whoever can list the processes of this machine. */
export function exposedByCredential(command: CredentialCommand, args: readonly string[]): string[] {
  return exposedFlags(Object.values<Setting>(TABLES[command]), args).map(({ flag }) => flag);
}

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };

/** Nine digits, as the server takes. */
const SECONDS_MAX = 999_999_999;

/** `90d`, `12h`, `30m`, `45s`. */
const lifetime = z.string().transform((text, context): number => {
  const [, count = "", unit = ""] = /^([1-9]\d{0,8})([smhd])$/.exec(text) ?? [];
  const seconds = Number(count) * (SECONDS[unit] ?? Number.NaN);
  if (!(seconds <= SECONDS_MAX)) return refuse(context, "must be a time such as 90d, 12h, 30m or 45s");
  return seconds;
});

const lifetimeOrNever = z.union(
  [z.literal("never").transform(() => null), lifetime],
  "must be a time such as 90d, 12h, 30m or 45s, or never",
);

const name = clientIdText.min(1, "must have a character");

const config = z.string().nullable().default(null);
const { proxy, serverCa } = connectionShape;

const listSchema = z.object({
  config,
  stateFile: z.string().nullable().default(null),
  clientId,
  clientToken: token,
  server: serverUrl.nullable().default(null),
  serverCa,
  proxy,
});
const revokeSchema = listSchema.extend({ name });
const createSchema = revokeSchema.extend({ expires: lifetimeOrNever.default(90 * 86_400) });
const inviteSchema = z.object({
  config,
  clientId: name,
  expires: lifetime.default(7 * 86_400),
  database: database.default({ type: "sqlite", path: "./culvert.db" }),
});

const nameSetting: Setting = {
  flag: "name",
  placeholder: "NAME",
  help: "of the token, such as whom it is for (required)",
};

const listSettings: { readonly [Name in keyof typeof listSchema.shape]: Setting } = {
  config: sharedSetting("agent", "config", "the agent's, of which this takes what is listed here"),
  stateFile: sharedSetting(
    "agent",
    "state",
    "the agent's state file (default: in your configuration folder)",
  ),
  clientId: sharedSetting("agent", "client-id", "the agent's, where it was given one"),
  clientToken: sharedSetting(
    "agent",
    "client-token",
    "the agent's, where it was given one and keeps no file",
  ),
  server: sharedSetting("agent", "server", "the agent's, for a client token that is given"),
  serverCa: sharedSetting("agent", "server-ca"),
  proxy: sharedSetting("agent", "proxy"),
};

const revokeSettings: { readonly [Name in keyof typeof revokeSchema.shape]: Setting } = {
  name: nameSetting,
  ...listSettings,
};

const createSettings: { readonly [Name in keyof typeof createSchema.shape]: Setting } = {
  name: nameSetting,
  expires: {
    flag: "expires",
    placeholder: "TIME",
    help: "from now, such as 90d, 12h, 30m, or never (default 90d)",
  },
  ...listSettings,
};

const inviteSettings: { readonly [Name in keyof typeof inviteSchema.shape]: Setting } = {
  clientId: {
    flag: "client-id",
    placeholder: "ID",
    help: "the home that it registers (required)",
  },
  expires: {
    flag: "expires",
    placeholder: "TIME",
    help: "from now, such as 7d, 12h, 30m (default 7d)",
  },
  config: sharedSetting("serve", "config", "the server's, of which this takes the database"),
  database: sharedSetting("serve", "database", "the server's (default sqlite:./culvert.db)"),
};

const TABLES: { readonly [Name in CredentialCommand]: Readonly<Record<string, Setting>> } = {
  "token create": createSettings,
  "token list": listSettings,
  "token revoke": revokeSettings,
  invite: inviteSettings,
};
