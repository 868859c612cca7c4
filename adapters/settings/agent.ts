/** The settings of `culvert agent`. */
import { z } from "zod";
import type { AgentConfig } from "../../core/agent/config.ts";
import { type AgentLimits, agentLimits, assertAgentLimits } from "../../core/limits.ts";
import { type ConnectionConfig, connectionSettings, connectionShape } from "./connection.ts";
import { docsUrl, docsUrlSetting } from "./docs-url.ts";
import { limitSetting, limitsSchema } from "./limits.ts";
import { type LogConfig, logSettings, logShape } from "./log.ts";
import { hostname } from "./network.ts";
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
import { configSetting, placedPath, type Setting } from "./reading/setting.ts";
import { always, clientId, ON_OFF, onOff, serverUrl, token } from "./schemas.ts";

export type RunAgentConfig = Pick<
  AgentConfig,
  "protocol" | "access" | "hostname" | "links" | "hostHeader" | "headers" | "docsUrl"
> &
  ConnectionConfig &
  LogConfig & {
    /** Null: there is none. */
    readonly config: string | null;
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

const PROTOCOLS = ["auto", "native", "moosicbox"] as const;

const protocol = z.enum(PROTOCOLS, "must be auto, native or moosicbox").default("auto");

const LINKS_MAX = 8;

/** One that dies is not missed, and each more costs its node a tunnel. */
const LINKS_DEFAULT = 2;

const links = z
  .string()
  .regex(new RegExp(`^[1-${LINKS_MAX}]$`), `must be a number from 1 to ${LINKS_MAX}`)
  .transform(Number)
  .default(LINKS_DEFAULT);

export const agentSchema = z.object({
  config: z.string().nullable().default(null),
  server: serverUrl,
  origins,
  clientId,
  clientToken: token,
  accessToken: token,
  invite: token,
  hostname,
  stateFile: z.string().nullable().default(null),
  protocol,
  links,
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

export const agentSettings: { readonly [Name in keyof typeof agentSchema.shape]: Setting } = {
  config: configSetting,
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
    joint: "=",
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
  hostname: {
    flag: "hostname",
    variable: "CULVERT_HOME_HOSTNAME",
    placeholder: "NAME",
    help: "the name that visitors find this home by, of those that the server's --hostname gives it (default: the first of them, or CLIENT-ID.DOMAIN)",
  },
  stateFile: {
    flag: "state",
    variable: "CULVERT_STATE",
    placeholder: "FILE",
    placed: placedPath,
    help: "keeps the client id and token (default: one for each client id, in your configuration folder)",
  },
  protocol: {
    flag: "protocol",
    variable: "CULVERT_PROTOCOL",
    placeholder: "NAME",
    choices: PROTOCOLS,
    help: "auto, native or moosicbox (default auto)",
  },
  links: {
    flag: "links",
    variable: "CULVERT_LINKS",
    placeholder: "COUNT",
    help: `tunnels to so many nodes at once, 1 to ${LINKS_MAX}, where the server is several (default ${LINKS_DEFAULT})`,
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
    joint: ": ",
    help: "set in each request to the home service; repeatable",
    repeatable: true,
    isSecret: isSecretHeader,
  },
  tlsSkipVerify: {
    flag: "tls-skip-verify",
    variable: "CULVERT_TLS_SKIP_VERIFY",
    placeholder: "on|off",
    choices: ON_OFF,
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
    choices: ON_OFF,
    help: "uses a connection to the home service again within 1.5 seconds; off closes each after its response (default on)",
  },
  ...connectionSettings,
  docsUrl: docsUrlSetting,
  ...logSettings,
  limits: limitSetting,
};
