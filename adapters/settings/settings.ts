/** The settings of the two commands: what there is, what each takes, and what a person reads about it. */
import { z } from "zod";
import type { AgentConfig } from "../../core/agent/config.ts";
import {
  type AgentLimits,
  agentLimits,
  assertAgentLimits,
  assertServerLimits,
  type ServerLimits,
  serverLimits,
} from "../../core/limits.ts";
import { REGISTER_AGAIN, type RegisterAgain } from "../../core/registry/credentials.ts";
import { type ConnectionConfig, connectionSettings, connectionShape, proxyFor } from "./connection.ts";
import { docsUrl, docsUrlSetting } from "./docs-url.ts";
import { limitsSchema } from "./limits.ts";
import { type LogConfig, logSettings, logShape } from "./log.ts";
import type { MysqlSettings } from "./mysql-url.ts";
import {
  access,
  headers,
  hostHeader,
  isSecretAccess,
  isSecretHeader,
  type OriginSetting,
  originName,
  origins,
} from "./origin.ts";
import { type Environment, exposedFlags, fileOf, readSettings, type Setting, withFiles } from "./reader.ts";
import { clientId, onOff, serverUrl, token } from "./schemas.ts";
import {
  bind,
  corsOrigins,
  database,
  domain,
  isSecretDatabase,
  port,
  registerAgainSetting,
  reusePortSetting,
  type SqliteSettings,
  trustedProxies,
} from "./server.ts";

export { LOG_LEVELS, type LogConfig, type LogLevel } from "./log.ts";
export type { MysqlSettings } from "./mysql-url.ts";
export type { SqliteSettings } from "./server.ts";

export type ServeConfig = LogConfig & {
  readonly bind: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly adminBind: string;
  readonly adminPort: number;
  readonly reusePort: boolean;
  readonly database: SqliteSettings | MysqlSettings;
  /** Null: one is to be made for this run. */
  readonly accessToken: string | null;
  readonly registerAgain: RegisterAgain;
  /** Null lets any origin read. */
  readonly corsOrigins: readonly string[] | null;
  /** Each home is `CLIENT-ID.DOMAIN`; null routes nothing by host. */
  readonly domain: string | null;
  readonly pathRouting: boolean;
  readonly queryTokens: boolean;
  /** IP addresses and CIDR blocks. */
  readonly trustedProxies: readonly string[];
  readonly docsUrl: string | null;
  readonly limits: ServerLimits;
};

export type RunAgentConfig = Pick<AgentConfig, "protocol" | "access" | "hostHeader" | "headers" | "docsUrl"> &
  ConnectionConfig &
  LogConfig & {
    /** `http:` or `https:`, perhaps with a path that all the server's paths begin with. */
    readonly server: URL;
    /** At least one, each with its own prefix. */
    readonly origins: readonly OriginSetting[];
    /** Takes any certificate of an origin. */
    readonly tlsSkipVerify: boolean;
    /** What origins are asked for by TLS, and what their certificates have to name; null for the hosts of their URLs. */
    readonly originName: string | null;
    /** Whether a connection to a home service may be used again. */
    readonly keepAlive: boolean;
    /** Null: the one of the state file, or a new one. */
    readonly clientId: string | null;
    /** Null: the one of the state file, or of a registration. */
    readonly clientToken: string | null;
    readonly accessToken: string | null;
    readonly invite: string | null;
    /** Null: under the user's configuration folder. */
    readonly stateFile: string | null;
    readonly limits: AgentLimits;
  };

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

const protocol = z.enum(["auto", "native", "moosicbox"], "must be auto, native or moosicbox").default("auto");

const serveSchema = z.object({
  port: port.default(8000),
  bind: bind.default("0.0.0.0"),
  database: database.default({ type: "sqlite", path: "./culvert.db" }),
  accessToken: token,
  registerAgain: z.enum(REGISTER_AGAIN, `must be one of ${REGISTER_AGAIN.join(", ")}`).default("moosicbox"),
  adminPort: port.default(8001),
  adminBind: bind.default("127.0.0.1"),
  reusePort: onOff.default(false),
  corsOrigins,
  domain,
  pathRouting: onOff.default(false),
  queryTokens: onOff.default(true),
  trustedProxies,
  docsUrl,
  ...logShape,
  limits: limitsSchema<ServerLimits>(serverLimits, assertServerLimits),
});

const agentSchema = z.object({
  server: serverUrl,
  origins,
  clientId,
  clientToken: token,
  accessToken: token,
  invite: token,
  stateFile: z.string().nullable().default(null),
  protocol,
  access,
  hostHeader,
  headers,
  tlsSkipVerify: onOff.default(false),
  originName,
  keepAlive: onOff.default(true),
  ...connectionShape,
  docsUrl,
  ...logShape,
  limits: limitsSchema<AgentLimits>(agentLimits, assertAgentLimits),
});

const always = () => true;

const limitSetting: Setting = {
  flag: "limit",
  variable: "CULVERT_LIMIT",
  placeholder: "NAME=VALUE",
  help: "changes one limit; repeatable",
  repeatable: true,
};

const serveSettings: { readonly [Name in keyof typeof serveSchema.shape]: Setting } = {
  port: {
    flag: "port",
    variable: "PORT",
    placeholder: "PORT",
    help: "where visitors and agents come (default 8000)",
  },
  bind: {
    flag: "bind",
    variable: "BIND_ADDR",
    placeholder: "ADDRESS",
    help: "address to listen on (default 0.0.0.0)",
  },
  database: {
    flag: "database",
    variable: "DATABASE_URL",
    placeholder: "URL",
    help: "sqlite:PATH, sqlite::memory: or mysql://USER:PASSWORD@HOST/NAME (default sqlite:./culvert.db)",
    isSecret: isSecretDatabase,
  },
  accessToken: {
    flag: "access-token",
    variable: "TUNNEL_ACCESS_TOKEN",
    placeholder: "TOKEN",
    help: "registers agents (default: made for this run and printed once)",
    isSecret: always,
  },
  registerAgain: registerAgainSetting,
  adminPort: {
    flag: "admin-port",
    variable: "ADMIN_PORT",
    placeholder: "PORT",
    help: "/health, /ready, /metrics and the status page (default 8001)",
  },
  adminBind: {
    flag: "admin-bind",
    variable: "ADMIN_BIND",
    placeholder: "ADDRESS",
    help: "its address; nothing there asks for a token (default 127.0.0.1)",
  },
  reusePort: reusePortSetting,
  corsOrigins: {
    flag: "cors-origin",
    variable: "CULVERT_CORS_ORIGIN",
    placeholder: "ORIGIN",
    help: "lets only this web origin read responses; repeatable (default: any)",
    repeatable: true,
  },
  domain: {
    flag: "domain",
    variable: "CULVERT_DOMAIN",
    placeholder: "NAME",
    help: "makes each home CLIENT-ID.NAME; needs wildcard DNS (default: none)",
  },
  pathRouting: {
    flag: "path-routing",
    variable: "CULVERT_PATH_ROUTING",
    placeholder: "on|off",
    help: "makes each home /t/CLIENT-ID/ too; homes then share one web origin (default off)",
  },
  queryTokens: {
    flag: "query-tokens",
    variable: "CULVERT_QUERY_TOKENS",
    placeholder: "on|off",
    help: "takes tokens in the query string of MoosicBox's endpoints (default on)",
  },
  trustedProxies: {
    flag: "trusted-proxy",
    variable: "CULVERT_TRUSTED_PROXY",
    placeholder: "CIDR",
    help: "takes X-Forwarded-* and Forwarded from these peers, IP or CIDR; repeatable (default: none)",
    repeatable: true,
  },
  docsUrl: docsUrlSetting,
  ...logSettings,
  limits: limitSetting,
};

const agentSettings: { readonly [Name in keyof typeof agentSchema.shape]: Setting } = {
  server: {
    flag: "server",
    variable: "CULVERT_SERVER",
    placeholder: "URL",
    help: "the tunnel server, http(s):// or ws(s):// (required)",
  },
  origins: {
    flag: "to",
    variable: "CULVERT_TO",
    placeholder: "URL",
    help: "the home service: a URL, a port, HOST:PORT or unix:/PATH (required); repeatable as /PREFIX=URL, the longest prefix wins",
    repeatable: true,
  },
  clientId: {
    flag: "client-id",
    variable: "CULVERT_CLIENT_ID",
    placeholder: "ID",
    help: "name of this home (default: made once, kept in the state file)",
  },
  clientToken: {
    flag: "client-token",
    variable: "CULVERT_CLIENT_TOKEN",
    placeholder: "TOKEN",
    help: "its client token: nothing is registered, and no state file is read or kept",
    isSecret: always,
  },
  accessToken: {
    flag: "access-token",
    variable: "TUNNEL_ACCESS_TOKEN",
    placeholder: "TOKEN",
    help: "the server's, needed for the first registration only",
    isSecret: always,
  },
  invite: {
    flag: "invite",
    variable: "CULVERT_INVITE",
    placeholder: "TOKEN",
    help: "registers this client id once, in place of the access token",
    isSecret: always,
  },
  stateFile: {
    flag: "state",
    variable: "CULVERT_STATE",
    placeholder: "FILE",
    help: "keeps the client id and token (default: one for each client id, in your configuration folder)",
  },
  protocol: {
    flag: "protocol",
    variable: "CULVERT_PROTOCOL",
    placeholder: "NAME",
    help: "auto, native or moosicbox (default auto)",
  },
  access: {
    flag: "access",
    variable: "CULVERT_ACCESS",
    placeholder: "WHO",
    help: "who may visit: token, public or basic:USER:HASH, HASH of culvert hash-password (default token)",
    isSecret: isSecretAccess,
  },
  hostHeader: {
    flag: "host-header",
    variable: "CULVERT_HOST_HEADER",
    placeholder: "HOST",
    help: "what the home service is told as Host: origin (its own), visitor (theirs) or a host (default origin)",
  },
  headers: {
    flag: "header",
    variable: "CULVERT_HEADER",
    placeholder: "'NAME: VALUE'",
    help: "set in each request to the home service; repeatable",
    repeatable: true,
    isSecret: isSecretHeader,
  },
  tlsSkipVerify: {
    flag: "tls-skip-verify",
    variable: "CULVERT_TLS_SKIP_VERIFY",
    placeholder: "on|off",
    help: "takes any certificate of the home service, a self-signed one too (default off)",
  },
  originName: {
    flag: "origin-name",
    variable: "CULVERT_ORIGIN_NAME",
    placeholder: "NAME",
    help: "the name in the certificate of an https:// service that is given by address (default: its host)",
  },
  keepAlive: {
    flag: "keep-alive",
    variable: "CULVERT_KEEP_ALIVE",
    placeholder: "on|off",
    help: "keeps idle connections to the home service for a moment; off for one that serves a connection at a time (default on)",
  },
  ...connectionSettings,
  docsUrl: docsUrlSetting,
  ...logSettings,
  limits: limitSetting,
};
