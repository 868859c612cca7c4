/** How much the log tells. */
import { z } from "zod";
import type { Setting } from "./reader.ts";

export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export const logLevel = z.enum(LOG_LEVELS, `must be one of ${LOG_LEVELS.join(", ")}`).default("info");

export const logLevelSetting: Setting = {
  flag: "log-level",
  placeholder: "LEVEL",
  help: `${LOG_LEVELS.join(", ")} (default info)`,
};
