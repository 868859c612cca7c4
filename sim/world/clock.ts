/**
 * A clock inside the world: it may run fast or slow and may be set. A process reads one as its monotonic clock, the
 * registry one as its wall clock. Rates are in thousandths, so that reading is whole-number arithmetic.
 */
export class Clock {
  #worldUs: number;
  #readingUs: number;
  #ratePermille = 1000;

  /** Shows `readingUs` at the world's time `worldUs`. */
  constructor(worldUs: number, readingUs: number) {
    this.#worldUs = worldUs;
    this.#readingUs = readingUs;
  }

  read(worldUs: number): number {
    return this.#readingUs + Math.floor(((worldUs - this.#worldUs) * this.#ratePermille) / 1000);
  }

  /** The world's time at which the clock shows `readingUs` or the first thing after it. */
  when(readingUs: number): number {
    return this.#worldUs + Math.ceil(((readingUs - this.#readingUs) * 1000) / this.#ratePermille);
  }

  setRate(worldUs: number, ratePermille: number): void {
    this.#readingUs = this.read(worldUs);
    this.#worldUs = worldUs;
    this.#ratePermille = ratePermille;
  }

  /** Sets the clock forward, or back where `byUs` is negative. */
  jump(byUs: number): void {
    this.#readingUs += byUs;
  }
}
