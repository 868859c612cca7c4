/**
 * How many there are of each kind, where kinds come and go: a `Map` whose entries are not deleted one by one, for what that
 * leaves behind (`id-table.ts`). A kind with none left keeps its entry for a while, since most come again; when these entries
 * are the larger part, a new map takes the place of the old one.
 */
import { assert } from "./assert.ts";

/** Entries of none that are kept at least. */
const EMPTY_MIN = 64;

export class Tally {
  #counts = new Map<string, number>();
  #empty = 0;

  /** Kinds of which there is at least one. */
  get size(): number {
    return this.#counts.size - this.#empty;
  }

  get(kind: string): number {
    return this.#counts.get(kind) ?? 0;
  }

  /** One more. */
  add(kind: string): void {
    const count = this.#counts.get(kind);
    if (count === 0) this.#empty--;
    this.#counts.set(kind, (count ?? 0) + 1);
  }

  /** One less. */
  take(kind: string): void {
    const left = this.get(kind) - 1;
    assert(left >= 0, "more are taken from a tally than were added");
    this.#counts.set(kind, left);
    if (left > 0) return;
    this.#empty++;
    if (this.#empty > Math.max(EMPTY_MIN, this.size)) this.#sweep();
  }

  #sweep(): void {
    const counts = new Map<string, number>();
    for (const [kind, count] of this.#counts) if (count > 0) counts.set(kind, count);
    this.#counts = counts;
    this.#empty = 0;
  }
}
