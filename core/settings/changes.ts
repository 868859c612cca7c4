/** What of settings that were read anew is new, and what of that can be had without a restart. */

/** Names of settings, or of limits, as `limits.NAME`. */
export type Changes = {
  /** Holds from now on. */
  readonly changed: readonly string[];
  /** Holds from the next start on. */
  readonly waiting: readonly string[];
};

type Plain = { readonly [Name in string]: unknown };

/** The names whose values differ. Values are plain data, in which the order of members is that in which they were read. */
export function changedNames(before: Plain, after: Plain, names: Iterable<string>): string[] {
  return [...names].filter((name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]));
}

/** Takes of `after` what is live, and tells all that is new. */
export function liveLimits<Limits extends Readonly<Record<string, number>>>(
  before: Limits,
  after: Limits,
  live: ReadonlySet<string>,
): { readonly limits: Limits } & Changes {
  const names = changedNames(before, after, Object.keys(before));
  const changed = names.filter((name) => live.has(name));
  const taken = Object.fromEntries(changed.map((name) => [name, after[name]]));
  return {
    limits: { ...before, ...taken },
    changed: changed.map(limitName),
    waiting: names.filter((name) => !live.has(name)).map(limitName),
  };
}

function limitName(name: string): string {
  return `limits.${name}`;
}

/** The members of these names alone. */
export function picked<Whole, Name extends keyof Whole>(
  whole: Whole,
  names: readonly Name[],
): Pick<Whole, Name> {
  return Object.fromEntries(names.map((name) => [name, whole[name]])) as Pick<Whole, Name>;
}
