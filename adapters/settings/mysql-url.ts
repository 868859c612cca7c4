/**
 * `mysql://USER:PASSWORD@HOST:PORT/NAME?PARAMETERS`, as `--database` takes it. No message quotes a part of the URL but the
 * name of a parameter: any other part may be the password, or a piece of it that was not escaped.
 */
import { isIP } from "node:net";
import { suggestion } from "../../core/text/nearest.ts";

export type MysqlSettings = {
  readonly type: "mysql";
  /** A name or an address, an IPv6 one without its brackets. */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly name: string;
  readonly ssl: SslMode;
  /** File of the certificate authorities to trust, in PEM; null trusts those that Node brings along. */
  readonly caFile: string | null;
  /** Connections at most; each costs the database a thread. */
  readonly pool: number;
  /** From the dial to the end of the handshake. */
  readonly connectMs: number;
  /** From a call to its answer, the wait for a connection included. */
  readonly queryMs: number;
  /** How long a start waits for a database that cannot be reached. */
  readonly startMs: number;
};

/**
 * As the `--ssl-mode` of MySQL's own programs: no TLS; TLS with whomever; with a server that a trusted authority vouches for;
 * and that is also named as the host of the URL.
 */
export const SSL_MODES = ["disabled", "required", "verify-ca", "verify-identity"] as const;
export type SslMode = (typeof SSL_MODES)[number];

/** What is wrong with a URL, in words that complete "DATABASE_URL ...". */
export type MysqlUrlProblem = { readonly problem: string };

const FORM = "mysql://USER:PASSWORD@HOST:3306/NAME";

/** `queryMs` stays below the core's own patience with one attempt, so that the core hears what went wrong. */
const NUMBERS = {
  pool: { fallback: 10, max: 1_000 },
  connectMs: { fallback: 1_500, max: 60_000 },
  queryMs: { fallback: 1_800, max: 60_000 },
  startMs: { fallback: 30_000, max: 3_600_000 },
} as const;

const PARAMETERS = ["ssl", "ca", ...Object.keys(NUMBERS)];

export function parseMysqlUrl(text: string): MysqlSettings | MysqlUrlProblem {
  const url = URL.parse(text);
  const user = decoded(url?.username);
  const password = decoded(url?.password);
  const name = decoded(url?.pathname.slice(1));
  if (url === null || url.hash !== "" || !user || password === null || !name || url.hostname === "") {
    return { problem: `must be ${FORM}, with special characters of a part percent-encoded` };
  }
  if (name.includes("/") || name.length > 64) return { problem: `must name one database: ${FORM}` };
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const port = url.port === "" ? 3306 : Number(url.port);
  const parameters = readParameters(url.searchParams, host);
  if ("problem" in parameters) return parameters;
  return { type: "mysql", host, port, user, password, name, ...parameters };
}

type Parameters = Pick<MysqlSettings, "ssl" | "caFile" | "pool" | "connectMs" | "queryMs" | "startMs">;

function readParameters(given: URLSearchParams, host: string): Parameters | MysqlUrlProblem {
  for (const key of new Set(given.keys())) {
    if (!PARAMETERS.includes(key)) {
      // What is no word may be the rest of a password.
      const named = /^[a-z]{1,24}$/i.test(key) ? ` ${key}${suggestion(key, PARAMETERS)}` : "";
      return { problem: `has an unknown parameter${named}` };
    }
    if (given.getAll(key).length > 1) return { problem: `has the parameter ${key} twice` };
  }
  const ssl = SSL_MODES.find((mode) => mode === (given.get("ssl") ?? "disabled"));
  if (ssl === undefined) return { problem: `has a parameter ssl that is not one of ${SSL_MODES.join(", ")}` };
  if (ssl === "verify-identity" && isIP(host) !== 0) {
    return { problem: "has ssl=verify-identity, which needs a host name in place of an address" };
  }
  const caFile = given.get("ca");
  if (caFile === "") return { problem: "has a parameter ca that names no file" };
  if (caFile !== null && !ssl.startsWith("verify-")) {
    return { problem: "has a parameter ca, which needs ssl=verify-ca or ssl=verify-identity" };
  }
  const numbers = { pool: 0, connectMs: 0, queryMs: 0, startMs: 0 };
  for (const key of ["pool", "connectMs", "queryMs", "startMs"] as const) {
    const { fallback, max } = NUMBERS[key];
    const digits = given.get(key) ?? String(fallback);
    numbers[key] = Number(digits);
    if (!/^\d{1,7}$/.test(digits) || numbers[key] < 1 || numbers[key] > max) {
      return { problem: `has a parameter ${key} that is not a whole number from 1 to ${max}` };
    }
  }
  return { ssl, caFile, ...numbers };
}

/** Null for escapes that are not UTF-8. */
function decoded(text: string | undefined): string | null {
  try {
    return decodeURIComponent(text ?? "");
  } catch {
    return null;
  }
}
