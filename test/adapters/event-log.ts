/** Collects what an adapter dispatches, and lets a test wait for it. */
export class EventLog<E extends { readonly type: string }> {
  readonly events: E[] = [];
  #waiting: (() => void)[] = [];

  readonly dispatch = (event: E): void => {
    this.events.push(event);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const check of waiting) check();
  };

  /** Settles once the events so far fulfil the condition, which is checked after each. */
  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const check = () => {
        if (condition()) resolve();
        else this.#waiting.push(check);
      };
      check();
    });
  }

  /** The first event of that type, whether it has come or is still to come. */
  async first<T extends E["type"]>(type: T): Promise<Extract<E, { readonly type: T }>> {
    await this.until(() => this.events.some((event) => event.type === type));
    for (const event of this.events) if (isOfType(event, type)) return event;
    throw new Error("unreachable");
  }

  types(): string[] {
    return this.events.map((event) => event.type);
  }

  all<T extends E["type"]>(type: T): Extract<E, { readonly type: T }>[] {
    return this.events.filter((event) => isOfType(event, type));
  }
}

function isOfType<E extends { readonly type: string }, T extends E["type"]>(
  event: E,
  type: T,
): event is Extract<E, { readonly type: T }> {
  return event.type === type;
}
