/** Settings that are read again while the program runs: all of them, or none where one cannot be used. */
import { changedNames } from "../core/settings/changes.ts";
import type { Logger } from "./operator/log.ts";
import { settingName } from "./settings/settings.ts";
import { StartupError } from "./startup-error.ts";

export type ReloadOptions<Config> = {
  /** What the program was started with. */
  readonly first: Config;
  /** Throws `StartupError` for what cannot be used. */
  readonly read: () => Config;
  /** Takes over what the machines know of; they say in the log what became of it. */
  readonly change: (config: Config) => void;
  /** Names of what is opened or made once, at the start. */
  readonly atStart: readonly (keyof Config & string)[];
  readonly logger: Logger;
};

/** To be called for each signal. */
export function createReload<Config extends { readonly logLevel: string }>(
  options: ReloadOptions<Config>,
): () => void {
  const { first, read, change, atStart, logger } = options;
  let latest = first;
  return () => {
    let next: Config;
    try {
      next = read();
    } catch (error) {
      if (!(error instanceof StartupError)) throw error;
      logger.error(`the settings stay as they are: ${error.message}`);
      return;
    }
    if (next.logLevel !== latest.logLevel) {
      logger.level = next.logLevel;
      logger.info({ changed: [settingName("logLevel")] }, "settings read again");
    }
    const needRestart = changedNames(first, next, atStart).map(settingName);
    if (needRestart.length > 0) logger.warn({ needRestart }, "settings that only a restart takes over");
    latest = next;
    change(next);
  };
}
