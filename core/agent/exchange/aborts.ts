/**
 * Requests that the server takes back before their origin has answered. Visitors who ask and leave at once are never many at a
 * time, and so within every limit of what runs, while the home works for nobody (the "rapid reset" of CVE-2023-44487). A
 * seek in a film or a page that is left costs a few; beyond `abortsPerSecondMax` no origin is asked until some time has passed.
 *
 * A leaky bucket of one second's worth, in thousandths of an abort so that all numbers are whole.
 */
import type { AgentState } from "../state.ts";

const ABORT = 1_000;

/** A full bucket takes no more: what ran when it became full may all be taken back, and must not be paid for later. */
export function countAbort(state: AgentState): void {
  state.abortLevel = Math.min(abortLevel(state) + ABORT, capacity(state));
  state.abortLevelMs = state.nowMs;
  if (state.abortLevel === capacity(state)) state.flooded = true;
}

/**
 * Whether so many were taken back of late that nothing new is asked for now. It stays so until half has leaked away, because
 * as many as may run at once get through in each moment in which it is not.
 */
export function isFlooded(state: AgentState): boolean {
  if (state.flooded && abortLevel(state) * 2 <= capacity(state)) state.flooded = false;
  return state.flooded;
}

function capacity({ config }: AgentState): number {
  return config.limits.abortsPerSecondMax * ABORT;
}

function abortLevel({ abortLevel, abortLevelMs, nowMs, config }: AgentState): number {
  return Math.max(0, abortLevel - (nowMs - abortLevelMs) * config.limits.abortsPerSecondMax);
}
