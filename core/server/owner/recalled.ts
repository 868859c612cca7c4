/**
 * Homes that are not here, as the registry remembers them: on another node, or away since before this process began. What was
 * asked a moment ago is not asked again, and neither is whether there is such a home at all.
 *
 * The registry knows of a home that is there by its lease only. One that was seen within a lease before this server began was
 * lost with the server, and is expected back like one that was lost here.
 */
import type { RecalledHome } from "../../registry.ts";
import { type Access, parseAccess, TOKEN_ACCESS } from "../routing/access.ts";
import type { Recalled, ServerState } from "../state/server.ts";

/**
 * What the registry said a moment ago; undefined where it has to be asked. By default of now: a request may go to its end by what
 * was so when it came.
 */
export function recalledHome(
  state: ServerState,
  clientId: string,
  atMs: number = state.nowMs,
): Recalled | undefined {
  const recalled = state.recalled.get(clientId);
  if (recalled === undefined) return undefined;
  return atMs - recalled.askedMs < state.config.limits.recallFreshMs ? recalled : undefined;
}

/** Takes in what the registry says. */
export function noteRecalled(state: ServerState, clientId: string, home: RecalledHome | null): void {
  const { recalled, config } = state;
  // Deleted first, so that the map stays ordered by age and the oldest is the first to go.
  recalled.delete(clientId);
  if (recalled.size >= config.limits.recalledHomesMax) {
    for (const oldest of recalled.keys()) {
      recalled.delete(oldest);
      break;
    }
  }
  const lostMs = home === null ? Number.NEGATIVE_INFINITY : lossOf(state, home);
  recalled.set(clientId, { askedMs: state.nowMs, access: home === null ? null : modeOf(home), lostMs });
}

/** Whether the home is away, and was there less than `waitMs` ago as far as the registry knows. */
export function wasLostLately(state: ServerState, clientId: string): boolean {
  const recalled = state.recalled.get(clientId);
  return recalled !== undefined && state.nowMs - recalled.lostMs < state.config.limits.waitMs;
}

function lossOf({ nowMs, begunMs, config }: ServerState, { seenAgoMs }: RecalledHome): number {
  const seenMs = nowMs - seenAgoMs;
  return begunMs - seenMs <= config.limits.leaseMs ? Math.max(seenMs, begunMs) : seenMs;
}

/** What nobody can read opens no door. */
function modeOf({ access }: RecalledHome): Access {
  return parseAccess(access) ?? TOKEN_ACCESS;
}
