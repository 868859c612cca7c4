/**
 * The log: JSON lines on stderr, pretty on a terminal. No report of the core carries a secret; what is redacted here is a
 * second wall, for an error text of a library or a field that somebody adds one day.
 */
import { pino } from "pino";
import { prettyFactory } from "pino-pretty";
import type { LogLevel } from "../settings/settings.ts";
import type { Output } from "./output.ts";

export type Logger = pino.Logger;

/** Where lines go; an array in tests. */
export type LineSink = { write(line: string): void };

/** Writes to `output`, pretty for a person on a terminal. */
export function createLog(level: LogLevel, output: Output): Logger {
  if (!output.isTerminal) return createLogger(level, output);
  const pretty = prettyFactory({ ignore: "pid,hostname", singleLine: true, translateTime: "HH:MM:ss.l" });
  return createLogger(level, { write: (line) => output.write(pretty(line)) });
}

export function createLogger(level: LogLevel, sink: LineSink): Logger {
  return pino(
    {
      level,
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
