/**
 * The log: JSON lines on stderr, or text for people. No report of the core carries a secret; what is redacted here is a
 * second wall, for an error text of a library or a field that somebody adds one day.
 */
import { pino } from "pino";
import { prettyFactory } from "pino-pretty";
import type { LogConfig, LogLevel } from "../settings/settings.ts";
import type { Output } from "./output.ts";

export type Logger = pino.Logger;

/** Where lines go; an array in tests. */
export type LineSink = { write(line: string): void };

export function createLog({ logLevel, logFormat }: LogConfig, output: Output): Logger {
  if ((logFormat ?? (output.isTerminal ? "text" : "json")) === "json") return createLogger(logLevel, output);
  const text = prettyFactory({
    ignore: "pid,hostname",
    singleLine: true,
    // A person who watches knows the day. Elsewhere it stays as in JSON, and nobody reads colours.
    ...(output.isTerminal ? { translateTime: "SYS:HH:MM:ss.l" } : { translateTime: false, colorize: false }),
  });
  return createLogger(logLevel, { write: (line) => output.write(text(line)) });
}

export function createLogger(level: LogLevel, sink: LineSink): Logger {
  return pino(
    {
      level,
      formatters: { level: (label) => ({ level: label }) },
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: { paths: REDACTED_PATHS, censor: REDACTED },
      hooks: { streamWrite: (line) => line.replace(SECRET_TEXT, `$1${REDACTED}`) },
    },
    sink,
  );
}

const REDACTED = "[redacted]";

const SECRET_FIELDS = [
  "authorization",
  "Authorization",
  "cookie",
  "signature",
  "magicToken",
  "token",
  "accessToken",
  "clientToken",
  "password",
  "target",
];

const REDACTED_PATHS = SECRET_FIELDS.flatMap((field) => [field, `*.${field}`, `*.*.${field}`]);

/** Query values, bearer tokens and URL passwords inside any text of a line, up to what ends them in a URL or JSON. */
const SECRET_TEXT =
  /((?:signature|magic_?token|access_?token|client_?token|token)=|bearer\s+|:\/\/[^\s/:@"\\]+:(?=[^\s/@"\\]+@))[^\s&#"'\\@]+/gi;
