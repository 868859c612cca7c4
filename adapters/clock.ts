/** Whole milliseconds from an origin of this process that no change of the wall clock moves. */
export function monotonicNowMs(): number {
  return Math.floor(performance.now());
}

/** Wall-clock time at 0 of `monotonicNowMs`, in milliseconds since 1970, as far as the wall clock is right now. */
export function monotonicEpochMs(): number {
  return Date.now() - monotonicNowMs();
}
