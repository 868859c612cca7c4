/** How much the log tells, and in which form. */
import { z } from "zod";
import type { Setting } from "./reading/setting.ts";

export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

const LOG_FORMATS = ["text", "json"] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

export type LogConfig = {
  readonly logLevel: LogLevel;
  /** Null: text on a terminal, and JSON elsewhere. */
  readonly logFormat: LogFormat | null;
};

export const logShape = {
  logLevel: z.enum(LOG_LEVELS, `must be one of ${LOG_LEVELS.join(", ")}`).default("info"),
  logFormat: z
    .enum(LOG_FORMATS, `must be ${LOG_FORMATS.join(" or ")}`)
    .nullable()
    .default(null),
};

export const logSettings: { readonly [Name in keyof typeof logShape]: Setting } = {
  logLevel: {
    flag: "log-level",
    variable: "CULVERT_LOG_LEVEL",
    placeholder: "LEVEL",
    choices: LOG_LEVELS,
    help: `${LOG_LEVELS.join(", ")} (default info)`,
  },
  logFormat: {
    flag: "log-format",
    variable: "CULVERT_LOG_FORMAT",
    placeholder: "FORMAT",
    choices: LOG_FORMATS,
    help: "text, or json with one object on each line (default: text on a terminal, json elsewhere)",
  },
};
