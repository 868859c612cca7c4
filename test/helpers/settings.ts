import { type RunAgentConfig, readAgentConfigs } from "../../adapters/settings/settings.ts";

/** Of an agent with one home. */
export function readAgentConfig(...sources: Parameters<typeof readAgentConfigs>): RunAgentConfig {
  return readAgentConfigs(...sources)[0];
}
