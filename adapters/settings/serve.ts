/** The settings of `culvert serve`. */
import { z } from "zod";
import { assertServerLimits, type ServerLimits, serverLimits } from "../../core/limits.ts";
import { REGISTER_AGAIN, type RegisterAgain } from "../../core/registry/credentials.ts";
import { docsUrl, docsUrlSetting } from "./docs-url.ts";
import { limitSetting, limitsSchema } from "./limits.ts";
import { type LogConfig, logSettings, logShape } from "./log.ts";
import type { MysqlSettings } from "./mysql-url.ts";
import {
  bind,
  corsOrigins,
  database,
  domain,
  hostnames,
  isSecretDatabase,
  placedDatabase,
  port,
  registerAgainSetting,
  reusePortSetting,
  type SqliteSettings,
  trustedProxies,
  workers,
  workersSetting,
} from "./network.ts";
import { type PeerConfig, peerSettings, peerShape } from "./peer.ts";
import { configSetting, type Setting } from "./reading/setting.ts";
import { always, ON_OFF, onOff, token } from "./schemas.ts";

export type ServeConfig = LogConfig & {
  /** Null: there is none. */
  readonly config: string | null;
  readonly bind: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly adminBind: string;
  readonly adminPort: number;
  readonly reusePort: boolean;
  /** Processes, each a node of its own. */
  readonly workers: number;
  readonly database: SqliteSettings | MysqlSettings;
  /** Null: one is to be made for this run. */
  readonly accessToken: string | null;
  readonly registerAgain: RegisterAgain;
  /** Null lets any origin read. */
  readonly corsOrigins: readonly string[] | null;
  /** Each home is `CLIENT-ID.DOMAIN`; null routes nothing by host. */
  readonly domain: string | null;
  /** Further names of homes, each with its client id. */
  readonly hostnames: Readonly<Record<string, string>>;
  readonly pathRouting: boolean;
  readonly queryTokens: boolean;
  /** IP addresses and CIDR blocks. */
  readonly trustedProxies: readonly string[];
  readonly docsUrl: string | null;
  /** Null where other nodes do not reach this one. */
  readonly peer: PeerConfig | null;
  /** Where agents reach this very node. */
  readonly publicUrl: string | null;
  readonly limits: ServerLimits;
};

export const serveSchema = z.object({
  config: z.string().nullable().default(null),
  port: port.default(8000),
  bind: bind.default("0.0.0.0"),
  database: database.default({ type: "sqlite", path: "./culvert.db" }),
  accessToken: token,
  registerAgain: z.enum(REGISTER_AGAIN, `must be one of ${REGISTER_AGAIN.join(", ")}`).default("moosicbox"),
  adminPort: port.default(8001),
  adminBind: bind.default("127.0.0.1"),
  reusePort: onOff.default(false),
  workers: workers.default(1),
  corsOrigins,
  domain,
  hostnames,
  pathRouting: onOff.default(false),
  queryTokens: onOff.default(true),
  trustedProxies,
  docsUrl,
  ...peerShape,
  ...logShape,
  limits: limitsSchema<ServerLimits>(serverLimits, assertServerLimits),
});

export const serveSettings: { readonly [Name in keyof typeof serveSchema.shape]: Setting } = {
  config: configSetting,
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
    placed: placedDatabase,
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
  workers: workersSetting,
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
  hostnames: {
    flag: "hostname",
    variable: "CULVERT_HOSTNAME",
    placeholder: "NAME=CLIENT-ID",
    help: "makes that home this name, too, such as photos.example.org; needs its DNS; repeatable (default: none)",
    repeatable: true,
    joint: "=",
  },
  pathRouting: {
    flag: "path-routing",
    variable: "CULVERT_PATH_ROUTING",
    placeholder: "on|off",
    choices: ON_OFF,
    help: "makes each home /t/CLIENT-ID/ too; homes then share one web origin (default off)",
  },
  queryTokens: {
    flag: "query-tokens",
    variable: "CULVERT_QUERY_TOKENS",
    placeholder: "on|off",
    choices: ON_OFF,
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
  ...peerSettings,
  ...logSettings,
  limits: limitSetting,
};
