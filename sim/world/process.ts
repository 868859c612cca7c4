/**
 * A process of the simulated world: real state machines from `core/`, mostly one, each in a loop of its own.
 *
 * What a process adds is that it can be slow, asleep or dead: everything from outside comes in through `run`, which waits
 * while the process is stalled and does nothing once it is gone.
 */
import type { Random } from "../tools/random.ts";
import { Clock } from "./clock.ts";
import { type LoopHost, type LoopOptions, MachineLoop, type Typed } from "./machine-loop.ts";
import type { Agenda, World } from "./world.ts";

export type { Machine } from "./machine-loop.ts";

/** A timer of a real process fires late by up to this. */
const TIMER_LATENESS_US_MAX = 1_500;
/** The origin of a monotonic clock lies anywhere in the process's past. */
const CLOCK_ORIGIN_MS_MAX = 1_000_000;

export class Process<Event extends Typed, Effect extends Typed> implements LoopHost {
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
  readonly #main: MachineLoop<Event, Effect>;
  readonly #loops: Pick<MachineLoop<Event, Effect>, "awake" | "rearm" | "stop">[];
  readonly #onDead: () => void;
  readonly #random: Random;
  readonly #agenda: Agenda;
  #stalledUntilUs = 0;
  #wakeUp: (() => void) | null = null;
  #sleptUs = 0;
  readonly #delayed: (() => void)[] = [];

  constructor(
    world: World,
    options: LoopOptions<Event, Effect> & {
      /** The process has died: its kernel closes what it held. */
      readonly onDead: () => void;
    },
  ) {
    this.world = world;
    this.name = options.name;
    this.#onDead = options.onDead;
    this.#random = world.random(`process:${options.name}`);
    this.#agenda = world.agenda(`stall:${options.name}`);
    this.clock = new Clock(world.nowUs, this.#random.below(CLOCK_ORIGIN_MS_MAX) * 1000);
    this.#main = new MachineLoop(this, options);
    this.#loops = [this.#main];
  }

  /** For so long, by its own clock, its event loop did not turn. */
  get sleptMs(): number {
    return Math.ceil(this.#sleptUs / 1000);
  }

  get stalled(): boolean {
    return this.world.nowUs < this.#stalledUntilUs;
  }

  /** A further machine that lives in it. */
  drive<OtherEvent extends Typed, OtherEffect extends Typed>(
    options: LoopOptions<OtherEvent, OtherEffect>,
  ): MachineLoop<OtherEvent, OtherEffect> {
    const loop = new MachineLoop(this, options);
    this.#loops.push(loop);
    return loop;
  }

  /** Runs what came from outside: now, or when the process is awake again. */
  run(task: () => void): void {
    if (!this.alive) return;
    if (this.stalled || this.#delayed.length > 0) this.#delayed.push(task);
    else task();
  }

  dispatch(event: Event): void {
    this.#main.dispatch(event);
  }

  readonly latenessUs = (): number => this.#random.below(TIMER_LATENESS_US_MAX);

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
    for (const loop of this.#loops) loop.rearm();
  }

  /** Ends the process between two of its steps, or between two effects of one. */
  readonly kill = (): void => {
    if (!this.alive) return;
    this.alive = false;
    this.world.trace?.ended(this.world.nowUs, this.name);
    for (const loop of this.#loops) loop.stop();
    this.#delayed.length = 0;
    this.#onDead();
  };

  #awake(): void {
    for (const loop of this.#loops) loop.awake();
    const tasks = this.#delayed.splice(0);
    for (const task of tasks) if (this.alive) task();
  }
}
