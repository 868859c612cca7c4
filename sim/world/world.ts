/**
 * The simulated world: one virtual clock and one queue of what will happen.
 *
 * A run is one synchronous loop. Nothing in it waits, and nothing happens but by an entry of the queue, so a run is a
 * function of its scenario. Entries are ordered by virtual time, then by a tie key, then by age: what happens at the same
 * instant happens in an order that the seed chose, and always in that order.
 */
import type { Checker, Property, Violation } from "../record/checker.ts";
import type { Mark } from "../record/marks.ts";
import type { Recorder } from "../record/recorder.ts";
import { Watch } from "../record/watch.ts";
import { TraceHash } from "../tools/hash.ts";
import { Random, type Seed, scramble } from "../tools/random.ts";

/** More entries than this at one instant mean that nothing but the queue moves. */
const ENTRIES_PER_INSTANT_MAX = 200_000;

type Entry = {
  readonly atUs: number;
  readonly tie: number;
  readonly order: number;
  readonly run: () => void;
};

export type WorldOptions = {
  readonly seed: Seed;
  /** Records readable lines; costs time, changes nothing else. */
  readonly trace?: Recorder | null;
  /** Stops the run after this many machine steps. */
  readonly stepsMax?: number;
  /** Keeps one word per machine step, to find where two runs part. */
  readonly checkpoints?: boolean;
};

export class World {
  /** Virtual time since the start of the run. */
  nowUs = 0;
  /** Steps taken by all machines: the count that `--until` and a failure report speak of. */
  steps = 0;
  /** The times of new entries are rounded up to a multiple of this: above 1 it makes exact ties common. */
  gridUs = 1;
  readonly hash = new TraceHash();
  readonly watch: Watch;
  readonly trace: Recorder | null;
  readonly violations: Violation[] = [];
  /** How often each situation worth reaching was reached. */
  readonly sometimesCounts = new Map<string, number>();
  /** How often each kind of fault really did something. */
  readonly faultCounts = new Map<string, number>();
  /** How often each property judged something. */
  readonly judgements: readonly { readonly name: string; count: number }[];
  /** One word per machine step, where asked for. */
  readonly checkpoints: number[] = [];
  readonly #random: Random;
  /** The tie keys of agendas; no draw of a run, so the hash is not told. */
  readonly #ties: Random;
  /** What the world itself plans. */
  readonly #own: Agenda;
  readonly #heap: Entry[] = [];
  readonly #atEnd: (() => void)[] = [];
  readonly #stepsMax: number;
  readonly #keepsCheckpoints: boolean;
  #entries = 0;
  #instantUs = -1;
  #instantEntries = 0;

  constructor(options: WorldOptions, properties: readonly Property[] = []) {
    this.#random = new Random(options.seed, this.hash);
    this.#ties = new Random(options.seed).stream("ties");
    this.#own = this.agenda("world");
    this.#stepsMax = options.stepsMax ?? Number.POSITIVE_INFINITY;
    this.#keepsCheckpoints = options.checkpoints ?? false;
    this.trace = options.trace ?? null;
    this.judgements = properties.map(({ name }) => ({ name, count: 0 }));
    this.watch = new Watch(properties.map((property, index) => this.#checkerOf(property, index)));
  }

  get nowMs(): number {
    return Math.floor(this.nowUs / 1000);
  }

  /** The run ends before its time: something was violated, or the wanted step is reached. */
  get stopped(): boolean {
    return this.violations.length > 0 || this.steps >= this.#stepsMax;
  }

  /** A stream of its own for whoever goes by that name. */
  random(name: string): Random {
    return this.#random.stream(name);
  }

  /** A place to plan in, for whoever goes by that name. */
  agenda(name: string): Agenda {
    return new Agenda(this, this.#ties.stream(name).next());
  }

  at(atUs: number, run: () => void): void {
    this.#own.at(atUs, run);
  }

  after(delayUs: number, run: () => void): void {
    this.#own.after(delayUs, run);
  }

  /** To be done when the run is over, and nothing was violated until then. */
  whenOver(task: () => void): void {
    this.#atEnd.push(task);
  }

  /** The run is over. */
  end(): void {
    for (const task of this.#atEnd) task();
  }

  /** For agendas. */
  enter(atUs: number, tie: number, run: () => void): void {
    const due = Math.max(atUs, this.nowUs);
    const onGrid = this.gridUs === 1 ? due : Math.ceil(due / this.gridUs) * this.gridUs;
    this.#push({ atUs: onGrid, tie, order: this.#entries++, run });
  }

  /** Lets everything happen that is due up to `untilUs`, and ends there. */
  runUntil(untilUs: number): void {
    while (!this.stopped) {
      const first = this.#heap[0];
      if (first === undefined || first.atUs > untilUs) {
        this.nowUs = untilUs;
        return;
      }
      this.#pop();
      this.nowUs = first.atUs;
      this.#countInstant();
      first.run();
    }
  }

  /** Called by a process after each step of its machine. */
  stepTaken(): void {
    this.steps++;
    if (this.#keepsCheckpoints) this.checkpoints.push(this.hash.checkpoint());
  }

  violate(kind: Violation["kind"], name: string, message: string): void {
    this.trace?.line(this.nowUs, "VIOLATION", `${name}: ${message}`);
    this.violations.push({ kind, name, message, step: this.steps, atMs: this.nowMs });
  }

  /** Marks that the run came by here; a mark that no seed of a large run reaches is a hole in the scenarios. */
  sometimes(mark: Mark): void {
    this.sometimesCounts.set(mark, (this.sometimesCounts.get(mark) ?? 0) + 1);
  }

  faultFired(kind: string): void {
    this.faultCounts.set(kind, (this.faultCounts.get(kind) ?? 0) + 1);
    this.trace?.line(this.nowUs, "FAULT", kind);
  }

  #checkerOf({ name, create }: Property, index: number): Checker {
    const judgement = this.judgements[index];
    return create(
      (kind, message) => this.violate(kind, name, message),
      () => {
        if (judgement !== undefined) judgement.count++;
      },
    );
  }

  #countInstant(): void {
    if (this.nowUs !== this.#instantUs) {
      this.#instantUs = this.nowUs;
      this.#instantEntries = 0;
    }
    if (++this.#instantEntries === ENTRIES_PER_INSTANT_MAX) {
      this.violate("liveness", "livelock", `${ENTRIES_PER_INSTANT_MAX} things happened in one instant`);
    }
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let index = heap.length;
    heap.push(entry);
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = heap[parentIndex];
      if (parent === undefined || !isBefore(entry, parent)) break;
      heap[index] = parent;
      index = parentIndex;
    }
    heap[index] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const moved = heap.pop();
    if (moved === undefined || heap.length === 0) return;
    let index = 0;
    for (;;) {
      let childIndex = 2 * index + 1;
      let child = heap[childIndex];
      const right = heap[childIndex + 1];
      if (child !== undefined && right !== undefined && isBefore(right, child)) {
        child = right;
        childIndex++;
      }
      if (child === undefined || !isBefore(child, moved)) break;
      heap[index] = child;
      index = childIndex;
    }
    heap[index] = moved;
  }
}

/**
 * What one actor plans. Its tie keys depend on its name and on how much it planned before, and on nobody else: an actor
 * that is taken out of a scenario does not change in which order the others act.
 */
export class Agenda {
  readonly #world: World;
  readonly #key: number;
  #planned = 0;

  constructor(world: World, key: number) {
    this.#world = world;
    this.#key = key;
  }

  at(atUs: number, run: () => void): void {
    this.#world.enter(atUs, scramble(this.#key + Math.imul(++this.#planned, 0x9e3779b1)), run);
  }

  after(delayUs: number, run: () => void): void {
    this.at(this.#world.nowUs + delayUs, run);
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  if (a.atUs !== b.atUs) return a.atUs < b.atUs;
  if (a.tie !== b.tie) return a.tie < b.tie;
  return a.order < b.order;
}
