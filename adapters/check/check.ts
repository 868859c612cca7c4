/** `culvert check`: what would become of a command with the settings that it is given. */
import { suggestion } from "../../core/text/nearest.ts";
import type { Environment } from "../settings/reading/reader.ts";
import { exposedSecrets, readAgentConfigs, readServeConfig } from "../settings/settings.ts";
import { StartupError } from "../startup-error.ts";
import { checkAgents } from "./check-agent.ts";
import { checkServer } from "./check-server.ts";
import { type Finding, note } from "./findings.ts";

/** `words`: the command and its flags. `ownFile`: the state file of a client id that is given none. Throws `StartupError`. */
export async function findingsOf(
  [name = "", ...flags]: readonly string[],
  environment: Environment,
  ownFile: (clientId: string | null) => string,
): Promise<readonly Finding[]> {
  const command = CHECKED.find((each) => each === name);
  if (command === undefined) {
    throw new StartupError(`check takes serve or agent${suggestion(name, CHECKED) || ", with its flags"}`);
  }
  const findings =
    command === "serve"
      ? await checkServer(readServeConfig(flags, environment))
      : await checkAgents(
          readAgentConfigs(flags, environment).map((config) => ({
            ...config,
            stateFile: config.stateFile ?? ownFile(config.clientId),
          })),
        );
  return [...exposedSecrets(command, flags, environment).map(note), ...findings];
}

const CHECKED = ["serve", "agent"] as const;
