/** Something that tells of its changes, so that a test waits for a condition and never for a time. */
export class Watch {
  #waiting = new Set<() => void>();

  changed(): void {
    for (const look of [...this.#waiting]) look();
  }

  /** Settles with what `find` gives as soon as that is neither undefined nor false; looks now and at each change. */
  until<T>(find: () => T | undefined | false): Promise<T> {
    return new Promise((resolve, reject) => {
      const look = () => {
        try {
          const found = find();
          if (found === undefined || found === false) return;
          resolve(found);
        } catch (error) {
          reject(error);
        }
        this.#waiting.delete(look);
      };
      this.#waiting.add(look);
      look();
    });
  }
}
