/**
 * Who stands in line, first come first: what a `Set` of them would do, without what it leaves behind (`id-table.ts`). Each has
 * its place in itself, made once, so that nothing is allocated when it joins or leaves.
 */

/** Where something stands in one line, if it stands there at all. */
export type Place<Item> = {
  ahead: Item | null;
  behind: Item | null;
  stands: boolean;
};

export function createPlace<Item>(): Place<Item> {
  return { ahead: null, behind: null, stands: false };
}

export class Lineup<Item> {
  readonly #placeOf: (item: Item) => Place<Item>;
  #first: Item | null = null;
  #last: Item | null = null;
  #size = 0;

  /** `placeOf`: the place that something has for this line and no other. */
  constructor(placeOf: (item: Item) => Place<Item>) {
    this.#placeOf = placeOf;
  }

  get size(): number {
    return this.#size;
  }

  /** Who has stood there longest. */
  get first(): Item | null {
    return this.#first;
  }

  has(item: Item): boolean {
    return this.#placeOf(item).stands;
  }

  /** At the end. Does nothing where it stands in the line already. */
  join(item: Item): void {
    const place = this.#placeOf(item);
    if (place.stands) return;
    place.stands = true;
    place.ahead = this.#last;
    if (this.#last === null) this.#first = item;
    else this.#placeOf(this.#last).behind = item;
    this.#last = item;
    this.#size++;
  }

  /** Does nothing where it does not stand in the line. */
  leave(item: Item): void {
    const place = this.#placeOf(item);
    if (!place.stands) return;
    const { ahead, behind } = place;
    if (ahead === null) this.#first = behind;
    else this.#placeOf(ahead).behind = behind;
    if (behind === null) this.#last = ahead;
    else this.#placeOf(behind).ahead = ahead;
    place.stands = false;
    place.ahead = null;
    place.behind = null;
    this.#size--;
  }

  /** From the first to the last. Each may leave when it is its turn, and nobody else meanwhile. */
  *[Symbol.iterator](): IterableIterator<Item> {
    let next = this.#first;
    while (next !== null) {
      const item = next;
      next = this.#placeOf(item).behind;
      yield item;
    }
  }
}
