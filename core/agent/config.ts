import type { AgentLimits } from "../limits.ts";

/** What an agent is made with. */
export type AgentConfig = {
  readonly clientId: string;
  /** The client access token of an earlier run; null makes the agent register first. */
  readonly clientToken: string | null;
  /** The server's access token, needed to register only. */
  readonly accessToken: string | null;
  readonly limits: AgentLimits;
  /** Seeds the jitter of the backoff; no secret. */
  readonly seed: number;
};
