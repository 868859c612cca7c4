import { at } from "./assert.ts";

/**
 * The effects of one step: filled by the step, emptied by the driver before the next.
 * It resets by cursor, because `length = 0` would make V8 free the store and grow it again at each step.
 */
export class Outbox<E> {
  readonly items: (E | undefined)[] = [];
  count = 0;

  push(effect: E): void {
    this.items[this.count++] = effect;
  }

  /** Hands out every effect in order and leaves the outbox empty. */
  drain(perform: (effect: E) => void): void {
    for (let index = 0; index < this.count; index++) {
      const effect = at(this.items, index);
      this.items[index] = undefined;
      perform(effect);
    }
    this.count = 0;
  }
}
