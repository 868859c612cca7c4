/** What has to be undone at the end, in reverse order of being done, whatever happened in between. */
export class Cleanup {
  readonly #steps: (() => void | Promise<void>)[] = [];
  #running: Promise<void> | null = null;

  /** Registers the undoing of something that has just been done. */
  add(step: () => void | Promise<void>): void {
    this.#steps.push(step);
  }

  get started(): boolean {
    return this.#running !== null;
  }

  /** Undoes everything. A second call, from a second Ctrl-C perhaps, waits for the first. */
  run(): Promise<void> {
    this.#running ??= this.#undo();
    return this.#running;
  }

  async #undo(): Promise<void> {
    for (const step of this.#steps.reverse()) {
      // One failed step must not keep the others from being taken.
      try {
        await step();
      } catch (error) {
        console.error(`clean-up: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  }
}
