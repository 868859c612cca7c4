/** A promise that this program made to itself was broken: a bug in the core, or misuse by an adapter. */
export class InvariantError extends Error {
  override readonly name = "InvariantError";
}

/** Checks what our own code promises. Stays on in production; never used on what a peer sent. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InvariantError(message);
}

/** The item of a list at a place that is there: for lists of pairs, and for places that were found before. */
export function at<T>(list: readonly (T | undefined)[], index: number): T {
  const item = list[index];
  assert(item !== undefined, "a list has nothing at a place that was counted");
  return item;
}

/** The `default` of a switch that must name every member of its union. */
export function unreachable(value: never): never {
  throw new InvariantError(`unreachable: ${JSON.stringify(value)}`);
}
