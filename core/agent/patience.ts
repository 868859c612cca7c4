/** How long the origins of an exchange may say nothing, and what a visitor is told of it. */
import { limitDetail } from "../http/problem.ts";
import type { AgentLimits } from "../limits.ts";
import type { AgentProblem } from "./problem.ts";
import type { AgentState, Carried } from "./state.ts";

/** The server's limit where it has told it, so that one setting is enough for both ends; else the agent's own. */
export function originIdleMs({ config }: AgentState, carried: Carried): number {
  const told = carried.protocol === "native" ? carried.session.idleMs : null;
  return told ?? config.limits.originIdleMs;
}

/** Which limit a problem is about; null for one that is about none. `idleMs` is the server's, null where it told none. */
export function passedLimit(
  { originIdleMs, connectMs, originHeadBytesMax, packetBytesMax }: AgentLimits,
  idleMs: number | null,
  problem: AgentProblem,
): string | null {
  if (problem === "origin_connect_timeout") return limitDetail("connectMs", connectMs, "agent");
  if (problem === "origin_head_too_large")
    return limitDetail("originHeadBytesMax", originHeadBytesMax, "agent");
  if (problem === "limit_response_headers") return limitDetail("packetBytesMax", packetBytesMax, "agent");
  if (problem !== "origin_timeout") return null;
  return idleMs === null
    ? limitDetail("originIdleMs", originIdleMs, "agent")
    : limitDetail("exchangeIdleMs", idleMs, "server");
}
