/** The server's settings about the network around it: where it listens, who may come how, and where its database is. */
import { isIP } from "node:net";
import { availableParallelism } from "node:os";
import { z } from "zod";
import { parseIpBlock } from "../../core/http/ip.ts";
import { REGISTER_AGAIN } from "../../core/registry/credentials.ts";
import { isClientId } from "../../core/server/routing/place.ts";
import { type MysqlSettings, parseMysqlUrl } from "./mysql-url.ts";
import { placedPath, type Setting } from "./reading/setting.ts";
import { ON_OFF, refuse } from "./schemas.ts";

/** `path` is a file, or `:memory:`. */
export type SqliteSettings = { readonly type: "sqlite"; readonly path: string };

export const port = z
  .string()
  .regex(/^\d{1,5}$/, "must be a port from 0 to 65535")
  .transform(Number)
  .refine((number) => number <= 65_535, "must be a port from 0 to 65535");

export const bind = z
  .string()
  .refine(
    (text) => isIP(text) !== 0 || (/^[a-z0-9.-]+$/i.test(text) && !/^[\d.]+$/.test(text)),
    "must be an IP address or a host name",
  );

export const database = z.string().transform((text, context): SqliteSettings | MysqlSettings => {
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

/** Whether a URL has a password, or cannot be read and so may have one. */
export function isSecretDatabase(text: string): boolean {
  return !text.startsWith("sqlite:") && URL.parse(text)?.password !== "";
}

/** The file of SQLite is from that folder on. */
export function placedDatabase(text: string, folder: string): string {
  const [, path = ""] = /^sqlite:([^/:].*)$/s.exec(text) ?? [];
  return path === "" ? text : `sqlite:${placedPath(path, folder)}`;
}

/** None at all lets any origin read. */
export const corsOrigins = z
  .array(z.string().refine(isWebOrigin, "must be an origin, such as https://music.example.org"))
  .transform((origins) => (origins.length === 0 ? null : origins));

/** RFC 1035 section 2.3.4. */
const NAME_LENGTH_MAX = 253;

/** Less a client id of one character and its dot. */
const DOMAIN_LENGTH_MAX = NAME_LENGTH_MAX - 2;

/** RFC 1123 section 2.1. */
const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

export const domain = z
  .string()
  .refine(
    (text) => text.length <= DOMAIN_LENGTH_MAX && isName(text),
    "must be a DNS name in lower case, such as tunnel.example.org",
  )
  .nullable()
  .default(null);

/** Of one home. */
export const hostname = z
  .string()
  .refine(
    (text) => text.length <= NAME_LENGTH_MAX && isName(text),
    "must be a DNS name in lower case, such as photos.example.org",
  )
  .nullable()
  .default(null);

/** Texts `NAME=CLIENT-ID`. A name leads to one home; a home may have several. */
export const hostnames = z.array(z.string()).transform((texts, context): Record<string, string> => {
  const names: Record<string, string> = {};
  for (const [index, text] of texts.entries()) {
    const [, name = "", clientId = ""] = /^([^=]*)=(.*)$/s.exec(text) ?? [];
    if (!isName(name) || name.length > NAME_LENGTH_MAX || !isClientId(clientId)) {
      return refuse(
        context,
        "must be a DNS name in lower case with its home, such as photos.example.org=photos",
        index,
      );
    }
    if (Object.hasOwn(names, name)) return refuse(context, "gives one name to two homes", index);
    names[name] = clientId;
  }
  return names;
});

function isName(text: string): boolean {
  return isIP(text) === 0 && text.split(".").every((label) => LABEL.test(label));
}

export const trustedProxies = z.array(
  z
    .string()
    .refine(
      (text) => parseIpBlock(text) !== null,
      "must be an IP address or a CIDR block whose bits behind the prefix are zero, such as 10.0.0.0/8",
    ),
);

function isWebOrigin(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && url.origin === text && /^https?:$/.test(url.protocol);
}

export const registerAgainSetting: Setting = {
  flag: "register-again",
  variable: "CULVERT_REGISTER_AGAIN",
  placeholder: "WHEN",
  choices: REGISTER_AGAIN,
  help: "whether the access token registers a known client id: never, moosicbox (while no agent of Culvert's came) or always (default moosicbox)",
};

/** More than the cores of any machine that this is for. */
const WORKERS_MAX = 256;

const WORKERS_FORM = `must be auto or a number from 1 to ${WORKERS_MAX}`;

/** `auto` is as many as there are cores for this process. */
export const workers = z
  .string()
  .regex(/^(auto|[1-9]\d{0,2})$/, WORKERS_FORM)
  .transform((text) => (text === "auto" ? Math.min(availableParallelism(), WORKERS_MAX) : Number(text)))
  .refine((count) => count <= WORKERS_MAX, WORKERS_FORM);

export const workersSetting: Setting = {
  flag: "workers",
  variable: "CULVERT_WORKERS",
  placeholder: "NUMBER|auto",
  help: "processes that share the work; auto is one for each core (default 1)",
};

export const reusePortSetting: Setting = {
  flag: "reuse-port",
  variable: "CULVERT_REUSE_PORT",
  placeholder: "on|off",
  choices: ON_OFF,
  help: "lets the next process listen beside this one, which is replaced without a refused connection (default off)",
};
