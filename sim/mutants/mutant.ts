/** A planted bug: a patch of `core/` in `mutants/`, one plausible mistake, and what has to notice it. */

export type Mutant = {
  /** Name of its patch. */
  readonly id: string;
  readonly mistake: string;
  /** The invariants that it breaks, in words. */
  readonly kind: string;
  /** The checkers that state them. Anything else that goes off is a wrong alarm, and no find. */
  readonly shownBy: readonly string[];
};

export function mutant(id: string, mistake: string, kind: string, shownBy: readonly string[]): Mutant {
  return { id, mistake, kind, shownBy };
}
