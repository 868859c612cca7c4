/**
 * A process of the simulated world: one real state machine from `core/`, driven by the rules of the shipped driver.
 *
 * Queue, step, drain, arm one timer. Effects run after the step; an event that they cause waits in the queue. What a
 * process adds is that it can be slow, asleep or dead: everything from outside comes in through `run`, which waits while
 * the process is stalled and does nothing once it is gone.
 */
import { Outbox } from "../../core/outbox.ts";
import { wordOf } from "../tools/hash.ts";
import type { Random } from "../tools/random.ts";
import { Clock } from "./clock.ts";
import type { Agenda, World } from "./world.ts";

export type Machine<Event, Effect> = {
  readonly step: (nowMs: number, event: Event, out: Outbox<Effect>) => void;
  readonly deadlineMs: () => number;
  /** Walks all invariants of the state and throws where one is broken; takes as long as the state is large. */
  readonly check: () => void;
};

type Typed = { readonly type: string };

/** A timer of a real process fires late by up to this. */
const TIMER_LATENESS_US_MAX = 1_500;
/** Of so many steps the state is looked through after one, and when the run is over: what is unsound stays so, mostly. */
const STEPS_PER_CHECK = 8;
/** The origin of a monotonic clock lies anywhere in the process's past. */
const CLOCK_ORIGIN_MS_MAX = 1_000_000;

export class Process<Event extends Typed, Effect extends Typed> {
  readonly world: World;
  /** Unique in a run. */
  readonly name: string;
  readonly clock: Clock;
  /** False for ever once the process has crashed or ended; a restart is another process. */
  alive = true;
  /** What its clock showed at its last step. */
  nowMs = 0;
  /** Crashes after this many more effects of a step that has more than one: the rest of its orders is never obeyed. */
  crashAfterEffects: number | null = null;
  readonly #machine: Machine<Event, Effect>;
  readonly #tick: Event;
  readonly #perform: (effect: Effect) => void;
  readonly #onStep: (event: Event, effects: readonly (Effect | undefined)[], count: number) => void;
  readonly #onDead: () => void;
  readonly #random: Random;
  readonly #agenda: Agenda;
  /** Stands for the name in the trace hash. */
  readonly #nameWord: number;
  readonly #outbox = new Outbox<Effect>();
  readonly #queue: Event[] = [];
  #stepping = false;
  #steps = 0;
  #wakeUs = Number.POSITIVE_INFINITY;
  #stalledUntilUs = 0;
  #wakeUp: (() => void) | null = null;
  #sleptUs = 0;
  /** Effects of the last step, and how many of them were obeyed. */
  #ordered = 0;
  #obeyed = 0;
  readonly #obeyOne = (effect: Effect): void => {
    if (!this.alive) return;
    if (this.crashAfterEffects !== null && this.#ordered > 1 && this.#obeyed >= this.crashAfterEffects) {
      this.kill();
      return;
    }
    this.#obeyed++;
    this.#perform(effect);
  };
  readonly #delayed: (() => void)[] = [];

  constructor(
    world: World,
    options: {
      readonly name: string;
      readonly machine: Machine<Event, Effect>;
      readonly tick: Event;
      readonly perform: (effect: Effect) => void;
      /** After each step, before its effects are obeyed: for the checkers. */
      readonly onStep: (event: Event, effects: readonly (Effect | undefined)[], count: number) => void;
      /** The process has died: its kernel closes what it held. */
      readonly onDead: () => void;
    },
  ) {
    this.world = world;
    this.name = options.name;
    this.#nameWord = wordOf(options.name);
    this.#machine = options.machine;
    this.#tick = options.tick;
    this.#perform = options.perform;
    this.#onStep = options.onStep;
    this.#onDead = options.onDead;
    this.#random = world.random(`process:${options.name}`);
    this.#agenda = world.agenda(`process:${options.name}`);
    this.clock = new Clock(world.nowUs, this.#random.below(CLOCK_ORIGIN_MS_MAX) * 1000);
    world.whenOver(() => this.#check("the end of the run"));
  }

  /** For so long, by its own clock, its event loop did not turn. */
  get sleptMs(): number {
    return Math.ceil(this.#sleptUs / 1000);
  }

  get stalled(): boolean {
    return this.world.nowUs < this.#stalledUntilUs;
  }

  /** Runs what came from outside: now, or when the process is awake again. */
  run(task: () => void): void {
    if (!this.alive) return;
    if (this.stalled || this.#delayed.length > 0) this.#delayed.push(task);
    else task();
  }

  dispatch(event: Event): void {
    if (!this.alive) return;
    this.#queue.push(event);
    if (!this.#stepping && !this.stalled) this.#pump();
  }

  /** The event loop does not turn for that long; a sleeping machine's monotonic clock may stand still meanwhile. */
  stall(durationUs: number, clockStops: boolean): void {
    if (!this.alive || this.stalled) return;
    const sinceUs = this.world.nowUs;
    const shownUs = this.clock.read(sinceUs);
    this.#stalledUntilUs = sinceUs + durationUs;
    this.#wakeUp = () => {
      this.#wakeUp = null;
      this.#stalledUntilUs = 0;
      if (clockStops) this.clock.jump(shownUs - this.clock.read(this.world.nowUs));
      this.#sleptUs += this.clock.read(this.world.nowUs) - shownUs;
      this.#awake();
    };
    const wakeUp = this.#wakeUp;
    this.#agenda.at(this.#stalledUntilUs, () => {
      if (this.#wakeUp === wakeUp) wakeUp();
    });
  }

  /** Ends a stall before its time. */
  wake(): void {
    this.#wakeUp?.();
  }

  setClockRate(ratePermille: number): void {
    this.clock.setRate(this.world.nowUs, ratePermille);
    this.#wakeUs = Number.POSITIVE_INFINITY;
    this.#arm();
  }

  /** Ends the process between two of its steps, or between two effects of one. */
  kill(): void {
    if (!this.alive) return;
    this.alive = false;
    this.world.trace?.ended(this.world.nowUs, this.name);
    this.#queue.length = 0;
    this.#delayed.length = 0;
    this.#onDead();
  }

  #awake(): void {
    if (!this.alive) return;
    // The timers of a real event loop fire before its sockets are read.
    if (this.#deadlineDue()) this.#queue.push(this.#tick);
    this.#pump();
    const tasks = this.#delayed.splice(0);
    for (const task of tasks) if (this.alive) task();
  }

  #pump(): void {
    this.#stepping = true;
    // The queue may grow while it is worked off: an effect of one event causes the next.
    for (let index = 0; index < this.#queue.length && this.alive; index++) {
      const event = this.#queue[index];
      if (event !== undefined) this.#step(event);
    }
    this.#queue.length = 0;
    this.#stepping = false;
    this.#arm();
  }

  #step(event: Event): void {
    const { world } = this;
    const nowMs = Math.floor(this.clock.read(world.nowUs) / 1000);
    world.hash.word(this.#nameWord);
    world.hash.word(nowMs);
    world.hash.value(event);
    world.trace?.event(world.nowUs, world.steps, this.name, event);
    this.nowMs = nowMs;
    if (!this.#stepMachine(nowMs, event)) return;
    const { items, count } = this.#outbox;
    for (let index = 0; index < count; index++) {
      const effect = items[index];
      world.hash.value(effect);
      if (effect !== undefined) world.trace?.effect(world.nowUs, this.name, effect);
    }
    world.stepTaken();
    this.#onStep(event, items, count);
    // After the checkers, who watch from outside: what they find is told better than by what the machine knows of itself.
    if (++this.#steps % STEPS_PER_CHECK === 0 && !this.#check(event.type)) return;
    if (count > 0) this.#obey(count);
  }

  /** Whether the machine did not throw; one that did is dead. */
  #stepMachine(nowMs: number, event: Event): boolean {
    try {
      this.#machine.step(nowMs, event, this.#outbox);
      return true;
    } catch (error) {
      this.#fail("never_throws", event.type, error);
      return false;
    }
  }

  /** Whether its state is sound; a machine whose state is not is dead. */
  #check(occasion: string): boolean {
    if (!this.alive) return true;
    try {
      this.#machine.check();
      return true;
    } catch (error) {
      this.#fail("state_invariant", occasion, error);
      return false;
    }
  }

  #fail(property: string, occasion: string, error: unknown): void {
    this.world.violate("safety", property, `${this.name} threw on ${occasion}: ${describe(error)}`);
    this.kill();
  }

  #obey(count: number): void {
    this.#obeyed = 0;
    this.#ordered = count;
    this.#outbox.drain(this.#obeyOne);
  }

  /** Arms one timer for the machine's next deadline; an earlier one that is armed already finds out by itself. */
  #arm(): void {
    if (!this.alive) return;
    const deadlineMs = this.#machine.deadlineMs();
    if (deadlineMs === Number.POSITIVE_INFINITY) return;
    const dueUs = Math.max(this.clock.when(deadlineMs * 1000), this.world.nowUs);
    if (dueUs >= this.#wakeUs) return;
    this.#wakeUs = dueUs;
    this.#agenda.at(dueUs + this.#random.below(TIMER_LATENESS_US_MAX), () => {
      if (this.#wakeUs !== dueUs || !this.alive) return;
      this.#wakeUs = Number.POSITIVE_INFINITY;
      if (this.stalled) return;
      if (this.#deadlineDue()) this.dispatch(this.#tick);
      else this.#arm();
    });
  }

  #deadlineDue(): boolean {
    return this.#machine.deadlineMs() <= Math.floor(this.clock.read(this.world.nowUs) / 1000);
  }
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const frame = error.stack?.split("\n").find((line) => line.includes("/core/")) ?? "";
  return `${error.message} ${frame.trim().replace(/\(.*\/core\//, "(core/")}`.trim();
}
