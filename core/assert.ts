/** A promise that this program made to itself was broken: a bug in the core, or misuse by an adapter. */
export class InvariantError extends Error {
  override readonly name = "InvariantError";
}

/** Checks what our own code promises. Stays on in production; never used on what a peer sent. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InvariantError(message);
}

/** The `default` of a switch that must name every member of its union. */
export function unreachable(value: never): never {
  throw new InvariantError(`unreachable: ${JSON.stringify(value)}`);
}
