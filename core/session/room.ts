/** How much one stream may have queued before its source is paused. */
import type { Session } from "./state.ts";

/**
 * As long as little is queued for all together, each has its whole queue. A thousand streams whose other side stands still
 * leave each with what its source gives at once.
 */
export function queueRoom({ limits, queuedBytes }: Session): number {
  const { queueBytesMax, tunnelQueueBytes } = limits;
  return Math.min(queueBytesMax, Math.max(0, (tunnelQueueBytes - queuedBytes) / SHARE));
}

/** What is left of the whole shrinks with each that takes its share, and does not end at once. */
const SHARE = 8;
