/**
 * One machine of a process, driven by the rules of the shipped driver: queue, step, drain, arm one timer. Effects run after
 * the step; an event that they cause waits in the queue.
 */
import { Outbox } from "../../core/outbox.ts";
import { wordOf } from "../tools/hash.ts";
import type { Clock } from "./clock.ts";
import type { Agenda, World } from "./world.ts";

export type Machine<Event, Effect> = {
  readonly step: (nowMs: number, event: Event, out: Outbox<Effect>) => void;
  readonly deadlineMs: () => number;
  /** Walks all invariants of the state and throws where one is broken; takes as long as the state is large. */
  readonly check: () => void;
};

export type Typed = { readonly type: string };

export type LoopOptions<Event extends Typed, Effect extends Typed> = {
  /** Of its timers, and in the trace hash; unique in a run. */
  readonly name: string;
  readonly machine: Machine<Event, Effect>;
  readonly tick: Event;
  readonly perform: (effect: Effect) => void;
  /** After each step, before its effects are obeyed: for the checkers. */
  readonly onStep: (event: Event, effects: readonly (Effect | undefined)[], count: number) => void;
  /** Kinds that pass between two machines of a process: the loop of the other one writes them down. */
  readonly inner?: ReadonlySet<string>;
};

/** The process that a machine lives in. */
export type LoopHost = {
  readonly world: World;
  readonly name: string;
  readonly clock: Clock;
  readonly alive: boolean;
  readonly stalled: boolean;
  readonly crashAfterEffects: number | null;
  /** What its clock showed at its last step. */
  nowMs: number;
  readonly kill: () => void;
  /** By so much a timer fires late. */
  readonly latenessUs: () => number;
};

/** Of so many steps the state is looked through after one, and when the run is over: what is unsound stays so, mostly. */
const STEPS_PER_CHECK = 8;
const NONE: ReadonlySet<string> = new Set();

export class MachineLoop<Event extends Typed, Effect extends Typed> {
  readonly #host: LoopHost;
  readonly #options: LoopOptions<Event, Effect>;
  readonly #inner: ReadonlySet<string>;
  readonly #agenda: Agenda;
  /** Stands for the name in the trace hash. */
  readonly #nameWord: number;
  readonly #outbox = new Outbox<Effect>();
  readonly #queue: Event[] = [];
  #stepping = false;
  #steps = 0;
  #wakeUs = Number.POSITIVE_INFINITY;
  /** Effects of the last step, and how many of them were obeyed. */
  #ordered = 0;
  #obeyed = 0;
  readonly #obeyOne = (effect: Effect): void => {
    const { alive, crashAfterEffects } = this.#host;
    if (!alive) return;
    if (crashAfterEffects !== null && this.#ordered > 1 && this.#obeyed >= crashAfterEffects) {
      this.#host.kill();
      return;
    }
    this.#obeyed++;
    this.#options.perform(effect);
  };

  constructor(host: LoopHost, options: LoopOptions<Event, Effect>) {
    const { world } = host;
    this.#host = host;
    this.#options = options;
    this.#inner = options.inner ?? NONE;
    this.#nameWord = wordOf(options.name);
    this.#agenda = world.agenda(`process:${options.name}`);
    world.whenOver(() => this.#check("the end of the run"));
  }

  dispatch(event: Event): void {
    if (!this.#host.alive) return;
    this.#queue.push(event);
    if (!this.#stepping && !this.#host.stalled) this.#pump();
  }

  /** The process runs again: the timers of a real event loop fire before its sockets are read. */
  awake(): void {
    if (!this.#host.alive) return;
    if (this.#deadlineDue()) this.#queue.push(this.#options.tick);
    this.#pump();
  }

  /** The clock runs at another rate from now on. */
  rearm(): void {
    this.#wakeUs = Number.POSITIVE_INFINITY;
    this.#arm();
  }

  /** What waits in the queue is lost with its process. */
  stop(): void {
    this.#queue.length = 0;
  }

  #pump(): void {
    const { world } = this.#host;
    this.#stepping = true;
    // The queue may grow while it is worked off: an effect of one event causes the next.
    for (let index = 0; index < this.#queue.length && this.#host.alive && !world.stopped; index++) {
      const event = this.#queue[index];
      if (event !== undefined) this.#step(event);
    }
    this.#queue.length = 0;
    this.#stepping = false;
    this.#arm();
  }

  #step(event: Event): void {
    const host = this.#host;
    const { world, name } = host;
    const nowMs = Math.floor(host.clock.read(world.nowUs) / 1000);
    world.hash.word(this.#nameWord);
    world.hash.word(nowMs);
    if (!this.#inner.has(event.type)) world.hash.value(event);
    world.trace?.event(world.nowUs, world.steps, name, event);
    host.nowMs = nowMs;
    if (!this.#stepMachine(nowMs, event)) return;
    const { items, count } = this.#outbox;
    for (let index = 0; index < count; index++) {
      const effect = items[index];
      if (effect === undefined || this.#inner.has(effect.type)) continue;
      world.hash.value(effect);
      world.trace?.effect(world.nowUs, name, effect);
    }
    world.stepTaken();
    this.#options.onStep(event, items, count);
    // After the checkers, who watch from outside: what they find is told better than by what the machine knows of itself.
    if (++this.#steps % STEPS_PER_CHECK === 0 && !this.#check(event.type)) return;
    if (count > 0) this.#obey(count);
  }

  /** Whether the machine did not throw; one that did is dead. */
  #stepMachine(nowMs: number, event: Event): boolean {
    try {
      this.#options.machine.step(nowMs, event, this.#outbox);
      return true;
    } catch (error) {
      this.#fail("never_throws", event.type, error);
      return false;
    }
  }

  /** Whether its state is sound; a machine whose state is not is dead. */
  #check(occasion: string): boolean {
    if (!this.#host.alive) return true;
    try {
      this.#options.machine.check();
      return true;
    } catch (error) {
      this.#fail("state_invariant", occasion, error);
      return false;
    }
  }

  #fail(property: string, occasion: string, error: unknown): void {
    const { world, name, kill } = this.#host;
    world.violate("safety", property, `${name} threw on ${occasion}: ${describe(error)}`);
    kill();
  }

  #obey(count: number): void {
    this.#obeyed = 0;
    this.#ordered = count;
    this.#outbox.drain(this.#obeyOne);
  }

  /** Arms one timer for the machine's next deadline; an earlier one that is armed already finds out by itself. */
  #arm(): void {
    const host = this.#host;
    const { world } = host;
    if (!host.alive) return;
    const deadlineMs = this.#options.machine.deadlineMs();
    if (deadlineMs === Number.POSITIVE_INFINITY) return;
    const dueUs = Math.max(host.clock.when(deadlineMs * 1000), world.nowUs);
    if (dueUs >= this.#wakeUs) return;
    this.#wakeUs = dueUs;
    this.#agenda.at(dueUs + host.latenessUs(), () => {
      if (this.#wakeUs !== dueUs || !host.alive) return;
      this.#wakeUs = Number.POSITIVE_INFINITY;
      if (host.stalled) return;
      if (this.#deadlineDue()) this.dispatch(this.#options.tick);
      else this.#arm();
    });
  }

  #deadlineDue(): boolean {
    const { clock, world } = this.#host;
    return this.#options.machine.deadlineMs() <= Math.floor(clock.read(world.nowUs) / 1000);
  }
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const frame = error.stack?.split("\n").find((line) => line.includes("/core/")) ?? "";
  return `${error.message} ${frame.trim().replace(/\(.*\/core\//, "(core/")}`.trim();
}
