/** The settings of the two commands: what there is, what each takes, and what a person reads about it. */
import { isIP } from "node:net";
import { z } from "zod";
import { InvariantError } from "../core/assert.ts";
import {
  type AgentLimits,
  agentLimits,
  assertAgentLimits,
  assertServerLimits,
  type ServerLimits,
  serverLimits,
} from "../core/limits.ts";
import { type MysqlSettings, parseMysqlUrl } from "./mysql-url.ts";
import { type Environment, readSettings, type Setting, suggestion } from "./settings.ts";

export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** `path` is a file, or `:memory:`. */
export type SqliteSettings = { readonly type: "sqlite"; readonly path: string };

export type ServeConfig = {
  readonly bind: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly adminBind: string;
  readonly adminPort: number;
  readonly database: SqliteSettings | MysqlSettings;
  /** Null: one is to be made for this run. */
  readonly accessToken: string | null;
  /** Null lets any origin read. */
  readonly corsOrigins: readonly string[] | null;
  readonly logLevel: LogLevel;
  readonly limits: ServerLimits;
};

export type RunAgentConfig = {
  /** `http:` or `https:`, perhaps with a path that all the server's paths begin with. */
  readonly server: URL;
  /** `http:` or `https:`, perhaps with a path that all the origin's paths begin with. */
  readonly origin: URL;
  /** Null: the one of the state file, or a new one. */
  readonly clientId: string | null;
  readonly accessToken: string | null;
  /** Null: under the user's configuration folder. */
  readonly stateFile: string | null;
  readonly logLevel: LogLevel;
  readonly limits: AgentLimits;
};

/** Throws `StartupError` with one clear line for anything that cannot be used. */
export function readServeConfig(args: readonly string[], environment: Environment): ServeConfig {
  return readSettings(serveSchema, serveSettings, { args, environment, variables: allVariables() });
}

/** Throws `StartupError` with one clear line for anything that cannot be used. */
export function readAgentConfig(args: readonly string[], environment: Environment): RunAgentConfig {
  const { protocol: _, ...config } = readSettings(agentSchema, agentSettings, {
    args,
    environment,
    variables: allVariables(),
  });
  return config;
}

export type CommandName = "serve" | "agent";

/** The settings of one command, as its `--help` lists them. */
export function settingsOf(command: CommandName): readonly Setting[] {
  return Object.values<Setting>(command === "serve" ? serveSettings : agentSettings);
}

/** The limits that `--limit` of a command can change, with their defaults. */
export function limitsOf(command: CommandName): Readonly<Record<string, number>> {
  return command === "serve" ? serverLimits : agentLimits;
}

function allVariables(): string[] {
  return [...settingsOf("serve"), ...settingsOf("agent")].flatMap(({ variable }) => variable ?? []);
}

const port = z
  .string()
  .regex(/^\d{1,5}$/, "must be a port from 0 to 65535")
  .transform(Number)
  .refine((number) => number <= 65_535, "must be a port from 0 to 65535");

const bind = z
  .string()
  .refine(
    (text) => isIP(text) !== 0 || (/^[a-z0-9.-]+$/i.test(text) && !/^[\d.]+$/.test(text)),
    "must be an IP address or a host name",
  );

/** What an `Authorization: Bearer` can carry everywhere. */
const accessToken = z
  .string()
  .regex(/^[\x21-\x7e]+$/, "must be visible ASCII without spaces")
  .nullable()
  .default(null);

const logLevel = z.enum(LOG_LEVELS, `must be one of ${LOG_LEVELS.join(", ")}`).default("info");

const database = z.string().transform((text, context): SqliteSettings | MysqlSettings => {
  if (text.startsWith("mysql:")) {
    const settings = parseMysqlUrl(text);
    return "problem" in settings ? refuse(context, settings.problem) : settings;
  }
  if (!text.startsWith("sqlite:")) {
    return refuse(context, "must be sqlite:PATH, sqlite::memory: or mysql://USER:PASSWORD@HOST:3306/NAME");
  }
  const path = text.slice("sqlite:".length);
  // As a URL, `sqlite://x.db` would name a host; SQLite would put the file into the root folder.
  if (path === "" || (path.startsWith("//") && !path.startsWith("///"))) {
    return refuse(context, "must name a file: sqlite:./culvert.db, sqlite:/var/lib/culvert/culvert.db");
  }
  return { type: "sqlite", path };
});

const corsOrigins = z
  .array(z.string().refine(isWebOrigin, "must be an origin, such as https://music.example.org"))
  .transform((origins) => (origins.length === 0 ? null : origins));

const clientId = z
  .string()
  .refine(
    (text) => text.isWellFormed() && [...text].length <= 64 && !/\p{Cc}/u.test(text),
    "must be at most 64 characters, none of them a control character",
  )
  .nullable()
  .default(null);

const protocol = z
  .enum(["auto", "moosicbox", "native"], "must be auto or moosicbox")
  .refine((name) => name !== "native", "names the native protocol, which this version does not speak yet")
  .default("auto");

const serveSchema = z.object({
  port: port.default(8000),
  bind: bind.default("0.0.0.0"),
  database: database.default({ type: "sqlite", path: "./culvert.db" }),
  accessToken,
  adminPort: port.default(8001),
  adminBind: bind.default("127.0.0.1"),
  corsOrigins,
  logLevel,
  limits: limitsSchema<ServerLimits>(serverLimits, assertServerLimits),
});

const agentSchema = z.object({
  server: baseUrl(
    { "http:": "http:", "https:": "https:", "ws:": "http:", "wss:": "https:" },
    "https://tunnel.example.org",
  ),
  origin: baseUrl({ "http:": "http:", "https:": "https:" }, "http://127.0.0.1:3000"),
  clientId,
  accessToken,
  stateFile: z.string().nullable().default(null),
  protocol,
  logLevel,
  limits: limitsSchema<AgentLimits>(agentLimits, assertAgentLimits),
});

/** An absolute URL whose scheme is a key of `schemes`, with the scheme replaced by its value. */
function baseUrl(schemes: Readonly<Record<string, string>>, example: string) {
  return z.string(`is required, such as ${example}`).transform((text, context) => {
    const url = URL.parse(text);
    const scheme = schemes[url?.protocol ?? ""];
    if (url === null || scheme === undefined) return refuse(context, `must be a URL, such as ${example}`);
    if (url.username !== "" || url.password !== "") {
      return refuse(context, "must not hold a user name or password");
    }
    if (url.search !== "" || url.hash !== "") return refuse(context, "must not hold a query or fragment");
    return new URL(url.href.replace(url.protocol, scheme));
  });
}

/** Texts `NAME=VALUE` over the defaults; the relations between limits are those that the core asserts. */
function limitsSchema<Limits extends Readonly<Record<string, number>>>(
  defaults: Limits,
  assertLimits: (limits: Limits) => void,
) {
  return z.array(z.string()).transform((texts, context): Limits => {
    let limits = defaults;
    for (const text of texts) {
      const [, name = "", digits = ""] = /^(\w+)=(\d{1,15})$/.exec(text) ?? [];
      if (name === "") return refuse(context, "must be NAME=VALUE, where VALUE is a whole number");
      if (!Object.hasOwn(defaults, name)) {
        return refuse(context, `names no limit: ${name}${suggestion(name, Object.keys(defaults))}`);
      }
      limits = { ...limits, [name]: Number(digits) };
    }
    try {
      assertLimits(limits);
      return limits;
    } catch (error) {
      if (!(error instanceof InvariantError)) throw error;
      return refuse(context, `cannot be used: ${error.message}`);
    }
  });
}

function isWebOrigin(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && url.origin === text && /^https?:$/.test(url.protocol);
}

function refuse(context: z.RefinementCtx, message: string): never {
  context.addIssue({ code: "custom", message });
  return z.NEVER;
}

const logLevelSetting: Setting = {
  flag: "log-level",
  placeholder: "LEVEL",
  help: `${LOG_LEVELS.join(", ")} (default info)`,
};

const limitSetting: Setting = {
  flag: "limit",
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
  },
  accessToken: {
    flag: "access-token",
    variable: "TUNNEL_ACCESS_TOKEN",
    placeholder: "TOKEN",
    help: "registers agents (default: made for this run and printed once)",
  },
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
  corsOrigins: {
    flag: "cors-origin",
    placeholder: "ORIGIN",
    help: "lets only this web origin read responses; repeatable (default: any)",
    repeatable: true,
  },
  logLevel: logLevelSetting,
  limits: limitSetting,
};

const agentSettings: { readonly [Name in keyof typeof agentSchema.shape]: Setting } = {
  server: {
    flag: "server",
    variable: "CULVERT_SERVER",
    placeholder: "URL",
    help: "the tunnel server, http(s):// or ws(s):// (required)",
  },
  origin: {
    flag: "to",
    variable: "CULVERT_TO",
    placeholder: "URL",
    help: "the home service, such as http://127.0.0.1:3000 (required)",
  },
  clientId: {
    flag: "client-id",
    variable: "CULVERT_CLIENT_ID",
    placeholder: "ID",
    help: "name of this home (default: made once, kept in the state file)",
  },
  accessToken: {
    flag: "access-token",
    variable: "TUNNEL_ACCESS_TOKEN",
    placeholder: "TOKEN",
    help: "the server's, needed for the first registration only",
  },
  stateFile: {
    flag: "state",
    variable: "CULVERT_STATE",
    placeholder: "FILE",
    help: "keeps the client id and token (default: in your configuration folder)",
  },
  protocol: {
    flag: "protocol",
    variable: "CULVERT_PROTOCOL",
    placeholder: "NAME",
    help: "auto or moosicbox (default auto)",
  },
  logLevel: logLevelSetting,
  limits: limitSetting,
};
