/** What strangers' connections are turned away for: each cause is counted, and told at most once a minute. */
import type { Logger } from "./log.ts";

const PERIOD_MS = 60_000;

type Cause = {
  /** Since it was last told. */
  count: number;
  toldMs: number;
};

/** Gives a function that is to be called with each cause. `nowMs` is a monotonic clock. */
export function createRefusalLog(logger: Logger, nowMs: () => number): (cause: string) => void {
  // The causes are the core's and the system's own words, of which there are few.
  const causes = new Map<string, Cause>();
  return (cause) => {
    const known = causes.get(cause) ?? { count: 0, toldMs: Number.NEGATIVE_INFINITY };
    causes.set(cause, known);
    known.count++;
    if (nowMs() - known.toldMs < PERIOD_MS) return;
    logger.warn({ cause, count: known.count }, "connections were turned away");
    known.count = 0;
    known.toldMs = nowMs();
  };
}
