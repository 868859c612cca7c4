/** Who takes what comes from outside: at once, or when it is awake again. */
import type { Agenda, World } from "./world.ts";

/** Who reads: a process that may be stalled, or anybody else. `name` is for a recorder. */
export type Host = { readonly name: string; readonly run: (task: () => void) => void };

/** A host that always has time. */
export const attentive: Host = { name: "", run: (task) => task() };

/** A process that is a model and no machine: it may be asleep, and what comes meanwhile waits; it may be dead. */
export class SleepyHost implements Host {
  readonly name: string;
  readonly #world: World;
  readonly #agenda: Agenda;
  #alive = true;
  #awakeUs = 0;
  #delayed: (() => void)[] = [];

  /** `name` is unique in a run. */
  constructor(world: World, name: string) {
    this.name = name;
    this.#world = world;
    this.#agenda = world.agenda(name);
  }

  run(task: () => void): void {
    if (!this.#alive) return;
    if (this.#world.nowUs < this.#awakeUs || this.#delayed.length > 0) this.#delayed.push(task);
    else task();
  }

  /** A timer of the process. */
  after(delayUs: number, task: () => void): void {
    this.#agenda.after(delayUs, () => this.run(task));
  }

  stall(durationUs: number): void {
    if (this.#world.nowUs < this.#awakeUs) return;
    const awakeUs = this.#world.nowUs + durationUs;
    this.#awakeUs = awakeUs;
    this.#agenda.at(awakeUs, () => {
      if (this.#awakeUs === awakeUs) this.wake();
    });
  }

  /** Ends a stall, at its time or before. */
  wake(): void {
    this.#awakeUs = 0;
    const tasks = this.#delayed;
    this.#delayed = [];
    for (const task of tasks) this.run(task);
  }

  die(): void {
    this.#alive = false;
    this.#delayed = [];
  }
}
