/** The homes of one agent's process: each has a tunnel of its own, and what becomes of one is nothing to the others. */

import { changedNames } from "../../core/settings/changes.ts";
import type { Ways } from "../../core/wire/ways.ts";
import type { Logger } from "../operator/log.ts";
import { settingName } from "../settings/settings.ts";
import { StartupError } from "../startup-error.ts";
import { type AgentSettings, type RunningAgent, startAgent } from "./agent.ts";

export type RunningHomes<Config extends AgentSettings> = Pick<RunningAgent, "ended" | "stop"> & {
  /** Takes over what was read again of the homes that are there; which those are, only a restart changes. */
  change(configs: readonly Config[]): void;
};

type Home<Config extends AgentSettings> = {
  readonly running: RunningAgent;
  readonly logger: Logger;
  readonly first: AgentSettings;
  /** As it was read last. */
  config: Config;
};

/** What an agent is built upon, and who it is. */
const AT_START = [
  "server",
  "clientId",
  "hostname",
  "links",
  "clientToken",
  "accessToken",
  "invite",
  "stateFile",
  "tlsSkipVerify",
  "originName",
  "proxy",
  "serverCa",
] as const;

const RESTART = "settings that only a restart takes over";

/**
 * `onReachable` is told where a home is found, as by `startAgent`. It has ended when the last home has: well where it was told to
 * stop before, else as the first of them did that had to give up. Throws `StartupError` as `startAgent` does, and then none has been started.
 */
export function startHomes<Config extends AgentSettings>(
  configs: readonly Config[],
  logger: Logger,
  onReachable: (config: Config, clientId: string, ways: Ways | null) => void,
): RunningHomes<Config> {
  const isAlone = configs.length === 1;
  const homes: Home<Config>[] = [];
  try {
    for (const config of configs) {
      const ofHome = isAlone ? logger : logger.child({ home: config.clientId });
      const running = startAgent(config, ofHome, (ways) => onReachable(home.config, running.clientId, ways));
      const home: Home<Config> = { running, logger: ofHome, first: config, config };
      homes.push(home);
    }
  } catch (error) {
    for (const { running } of homes) running.stop().catch(() => {});
    throw error;
  }
  let isStopping = false;
  const stop = () => {
    isStopping = true;
    for (const { running } of homes) running.stop().catch(() => {});
    return ended;
  };
  const failures: StartupError[] = [];
  const untilEnd = async ({ running: { clientId, ended: end } }: Home<Config>): Promise<void> => {
    try {
      await end;
    } catch (error) {
      // A bug ends the process at once.
      if (!(error instanceof StartupError)) throw error;
      failures.push(error);
      if (!isAlone) logger.error({ home: clientId }, `this home has ended: ${error.message}`);
    }
  };
  const ended = Promise.all(homes.map(untilEnd)).then(() => {
    const [first] = failures;
    if (first !== undefined && (isAlone || !isStopping)) throw first;
  });
  const change = (configs: readonly Config[]): void => {
    for (const home of homes) {
      const config = isAlone ? configs[0] : configs.find(({ clientId }) => clientId === home.config.clientId);
      home.logger.level = logger.level;
      if (config === undefined) continue;
      const needRestart = changedNames(home.first, config, AT_START).map(settingName);
      if (needRestart.length > 0) home.logger.warn({ needRestart }, RESTART);
      home.config = config;
      home.running.change(config);
    }
    const isSame = configs.length === homes.length && homes.every(({ config }) => configs.includes(config));
    if (!isSame) logger.warn({ needRestart: ["homes"] }, RESTART);
  };
  return { ended, stop, change };
}
