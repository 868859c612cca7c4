/**
 * The log: JSON lines on stderr, pretty on a terminal. No report of the core carries a secret; what is redacted here is a
 * second wall, for an error text of a library or a field that somebody adds one day.
 */
import { pino } from "pino";
import pinoPretty from "pino-pretty";
import type { LogLevel } from "../settings/settings.ts";

export type Logger = pino.Logger;

/** Where lines go; a stand-in for stderr in tests. */
export type LineSink = { write(line: string): void };

/** A reader that stalls makes lines wait, up to this size in all; further ones are dropped, and proxying goes on (R06). */
const WAITING_BYTES_MAX = 4 * 1024 * 1024;

/** Writes to stderr, `pretty` for a person on a terminal. What still waits at the exit of the process is written then. */
export function createLog(level: LogLevel, pretty: boolean): Logger {
  if (pretty) {
    const layout = { ignore: "pid,hostname", singleLine: true, translateTime: "HH:MM:ss.l" };
    return createLogger(level, pinoPretty({ ...layout, destination: 2, sync: true }));
  }
  const stream = pino.destination({ dest: 2, sync: false, maxLength: WAITING_BYTES_MAX });
  // A full disk or a closed pipe behind stderr is no reason to stop serving, and there is nowhere left to tell it.
  stream.on("error", () => {});
  return createLogger(level, stream);
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
