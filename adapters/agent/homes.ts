/** The homes of one agent's process: each has a tunnel of its own, and what becomes of one is nothing to the others. */
import type { Ways } from "../../core/wire/ways.ts";
import type { Logger } from "../operator/log.ts";
import { StartupError } from "../startup-error.ts";
import { type AgentSettings, type RunningAgent, startAgent } from "./agent.ts";

export type RunningHomes = Pick<RunningAgent, "ended" | "stop">;

/**
 * `onReachable` is told where a home is found, as by `startAgent`. It has ended when the last home has: well where it was told to
 * stop before, else as the first of them did that had to give up. Throws `StartupError` as `startAgent` does, and then none has been started.
 */
export function startHomes(
  configs: readonly AgentSettings[],
  logger: Logger,
  onReachable: (config: AgentSettings, clientId: string, ways: Ways | null) => void,
): RunningHomes {
  const isAlone = configs.length === 1;
  const running: RunningAgent[] = [];
  try {
    for (const config of configs) {
      const ofHome = isAlone ? logger : logger.child({ home: config.clientId });
      const home = startAgent(config, ofHome, (ways) => onReachable(config, home.clientId, ways));
      running.push(home);
    }
  } catch (error) {
    for (const home of running) home.stop().catch(() => {});
    throw error;
  }
  let isStopping = false;
  const stop = () => {
    isStopping = true;
    for (const home of running) home.stop().catch(() => {});
    return ended;
  };
  const failures: StartupError[] = [];
  const untilEnd = async ({ clientId, ended: end }: RunningAgent): Promise<void> => {
    try {
      await end;
    } catch (error) {
      // A bug ends the process at once.
      if (!(error instanceof StartupError)) throw error;
      failures.push(error);
      if (!isAlone) logger.error({ home: clientId }, `this home has ended: ${error.message}`);
    }
  };
  const ended = Promise.all(running.map(untilEnd)).then(() => {
    const [first] = failures;
    if (first !== undefined && (isAlone || !isStopping)) throw first;
  });
  return { ended, stop };
}
