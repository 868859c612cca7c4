/**
 * Values by ids: what a `Map` does, without what it leaves behind.
 *
 * A `Map` whose entries come and go is rebuilt again and again. V8 links each old table to the next and leaves in it what it
 * held, so once one of them has grown old, all that follow are kept until the next full collection, with every entry they ever
 * had. A quarter of what small requests allocate went the long way of the collector by that, and half of its time.
 *
 * Here entries move within two arrays (open addressing, linear probing, no tombstones), which are made anew only where the
 * number of entries changes a lot. Iteration is in ascending order of ids, and skips what is deleted meanwhile.
 */
import { assert } from "./assert.ts";

/** Ids are whole numbers from 1. */
export class IdTable<Id extends number, Value> {
  #ids: number[] = [];
  #values: (Value | undefined)[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(id: Id): Value | undefined {
    return this.#size === 0 ? undefined : this.#values[this.#slotOf(id)];
  }

  has(id: Id): boolean {
    return this.#size > 0 && id !== FREE && this.#ids[this.#slotOf(id)] === id;
  }

  set(id: Id, value: Value): void {
    assert(Number.isSafeInteger(id) && id > 0, "an id is not a whole number from 1");
    if ((this.#size + 1) * 2 > this.#ids.length) this.#resize(Math.max(CAPACITY_MIN, this.#ids.length * 2));
    const slot = this.#slotOf(id);
    if (this.#ids[slot] === FREE) this.#size++;
    this.#ids[slot] = id;
    this.#values[slot] = value;
  }

  /** Whether it was there. */
  delete(id: Id): boolean {
    if (!this.has(id)) return false;
    this.#vacate(this.#slotOf(id));
    this.#size--;
    const capacity = this.#ids.length;
    if (capacity > CAPACITY_MIN && this.#size * 8 < capacity) this.#resize(capacity / 2);
    return true;
  }

  /** In no particular order, for which nothing is allocated. `visit` must neither set nor delete. */
  forEach(visit: (value: Value, id: Id) => void): void {
    for (let slot = 0; slot < this.#ids.length; slot++) {
      const id = this.#ids[slot];
      const value = this.#values[slot];
      if (id !== undefined && value !== undefined) visit(value, id as Id);
    }
  }

  *keys(): IterableIterator<Id> {
    for (const id of this.#sortedIds()) if (this.has(id)) yield id;
  }

  *values(): IterableIterator<Value> {
    for (const [, value] of this) yield value;
  }

  *[Symbol.iterator](): IterableIterator<[Id, Value]> {
    for (const id of this.#sortedIds()) {
      const value = this.get(id);
      if (value !== undefined) yield [id, value];
    }
  }

  #sortedIds(): Id[] {
    const sorted: Id[] = [];
    if (this.#size === 0) return sorted;
    for (const id of this.#ids) if (id !== FREE) sorted.push(id as Id);
    return sorted.length === 1 ? sorted : sorted.sort((a, b) => a - b);
  }

  /** The slot that has the id, or the free one that it would have. */
  #slotOf(id: number): number {
    const ids = this.#ids;
    const mask = ids.length - 1;
    let slot = homeOf(id, mask);
    while (ids[slot] !== id && ids[slot] !== FREE) slot = (slot + 1) & mask;
    return slot;
  }

  /** Frees a slot. What stands behind it moves up, unless it would come to stand before its home. */
  #vacate(slot: number): void {
    const ids = this.#ids;
    const values = this.#values;
    const mask = ids.length - 1;
    let free = slot;
    for (let next = (free + 1) & mask; ; next = (next + 1) & mask) {
      const id = ids[next];
      if (id === undefined || id === FREE) break;
      if (((next - homeOf(id, mask)) & mask) < ((next - free) & mask)) continue;
      ids[free] = id;
      values[free] = values[next];
      free = next;
    }
    ids[free] = FREE;
    values[free] = undefined;
  }

  #resize(capacity: number): void {
    const ids = this.#ids;
    const values = this.#values;
    this.#ids = new Array<number>(capacity).fill(FREE);
    this.#values = new Array<Value | undefined>(capacity).fill(undefined);
    for (const [index, id] of ids.entries()) {
      if (id === FREE) continue;
      const slot = this.#slotOf(id);
      this.#ids[slot] = id;
      this.#values[slot] = values[index];
    }
  }
}

/** Ids alone, as a `Set` would have them. */
export class IdSet<Id extends number> {
  readonly #table = new IdTable<Id, true>();

  get size(): number {
    return this.#table.size;
  }

  has(id: Id): boolean {
    return this.#table.has(id);
  }

  add(id: Id): void {
    this.#table.set(id, true);
  }

  /** Whether it was there. */
  delete(id: Id): boolean {
    return this.#table.delete(id);
  }

  /** As that of the table. */
  forEach(visit: (id: Id) => void): void {
    this.#table.forEach((_, id) => {
      visit(id);
    });
  }

  [Symbol.iterator](): IterableIterator<Id> {
    return this.#table.keys();
  }
}

const FREE = 0;
/** Powers of two, of which half is used at most. */
const CAPACITY_MIN = 16;

/** Where an id belongs: spread, so that long probes are rare whatever numbers are in use. */
function homeOf(id: number, mask: number): number {
  const spread = Math.imul(id, 0x9e3779b1);
  return (spread ^ (spread >>> 15)) & mask;
}
