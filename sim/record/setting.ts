import type { EdgeLimits } from "../../core/edge/limits.ts";
import type { AgentLimits, ServerLimits } from "../../core/limits.ts";
import type { FaultTarget, Scenario } from "../scenario/scenario.ts";

/** What a run is made of; handed to `begun` before anything happens. */
export type Setting = {
  readonly scenario: Scenario;
  readonly serverLimits: ServerLimits;
  readonly edgeLimits: EdgeLimits;
  /** Those of the homes' own agents, but for the packet size, which is each home's. */
  readonly agentLimits: AgentLimits;
  /** What the target of a fault of that kind counts. */
  readonly targetOf: (faultKind: string) => FaultTarget;
};
