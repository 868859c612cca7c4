/** What a link waits for, and until when. */
import { below } from "../../prng.ts";
import { arm, disarm } from "../../timers.ts";
import type { AgentState, Life, Link } from "../state.ts";

/** Goes into a phase, which has so much time; null for any. */
export function enter(state: AgentState, link: Link, life: Life, deadlineMs: number | null): void {
  link.life = life;
  if (deadlineMs === null) disarm(state.timers, link.lifeTimer);
  else arm(state.timers, link.lifeTimer, state.nowMs + deadlineMs);
}

/** Between the half and the whole of it, so that agents that lost one server together do not come back together. */
export function jittered(state: AgentState, ms: number): number {
  return Math.round(ms) - below(state.jitter, Math.floor(ms / 2) + 1);
}
