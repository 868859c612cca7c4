/** Whole milliseconds from an origin of this process that no change of the wall clock moves. */
export function monotonicNowMs(): number {
  return Math.floor(performance.now());
}
