/**
 * The loop between a state machine and the outside world: an event goes in, the step's effects are carried out, then the
 * next event. What an effect causes at once is queued, so that the machine is never entered while it runs or before its
 * last step was drained.
 *
 * One timer serves all deadlines of the machine. It is moved only to an earlier time: a timer that fires too early costs
 * one look at the deadline, while following each change would cost two calls to the timer list per event.
 */
import { Outbox } from "../core/outbox.ts";

type Tick = { readonly type: "tick" };

export type DriverOptions<State, Event, Effect> = {
  readonly state: State;
  readonly step: (state: State, nowMs: number, event: Event | Tick, out: Outbox<Effect>) => void;
  /** When the next `tick` is due, on the same clock; Infinity when nothing is armed. */
  readonly deadlineMs: (state: State) => number;
  /** Carries out one effect. What it causes comes back through `dispatch`, during the call or later. */
  readonly perform: (effect: Effect) => void;
  /** A monotonic clock in whole milliseconds. */
  readonly nowMs: () => number;
  /** Told once of what a step or an effect threw: a bug. The driver has stopped, the process should end. */
  readonly onFatal: (error: unknown) => void;
};

const TICK: Tick = { type: "tick" };

/** Node's timers take no longer delay; they would fire at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** A queue that grew beyond this in a burst gives its memory back. */
const QUEUE_KEPT_MAX = 4_096;

export class Driver<State, Event, Effect> {
  readonly #options: DriverOptions<State, Event, Effect>;
  readonly #out = new Outbox<Effect>();
  #queue: (Event | Tick | undefined)[] = [];
  #queued = 0;
  #running = false;
  #stopped = false;
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;
  /** What the timer or the immediate was armed for; Infinity where neither is. */
  #armedForMs = Number.POSITIVE_INFINITY;

  constructor(options: DriverOptions<State, Event, Effect>) {
    this.#options = options;
  }

  /** Hands an event to the machine: now, or after the events that are being worked on. */
  dispatch(event: Event | Tick): void {
    if (this.#stopped) return;
    this.#queue[this.#queued++] = event;
    if (this.#running) return;
    this.#running = true;
    try {
      this.#run();
      this.#armTimer();
    } catch (error) {
      this.stop();
      this.#options.onFatal(error);
    } finally {
      this.#running = false;
    }
  }

  /** Drives no more: events are ignored and the timer is gone. */
  stop(): void {
    this.#stopped = true;
    this.#queue = [];
    this.#queued = 0;
    this.#disarmTimer();
  }

  #run(): void {
    const { state, step, perform, nowMs } = this.#options;
    for (let index = 0; index < this.#queued; index++) {
      const event = this.#queue[index];
      this.#queue[index] = undefined;
      if (event === undefined) continue;
      step(state, nowMs(), event, this.#out);
      this.#out.drain(perform);
    }
    this.#queued = 0;
    if (this.#queue.length > QUEUE_KEPT_MAX) this.#queue = [];
  }

  #armTimer(): void {
    if (this.#stopped) return;
    const deadlineMs = this.#options.deadlineMs(this.#options.state);
    // With nothing to wait for, no timer is left behind.
    if (deadlineMs === Number.POSITIVE_INFINITY) return this.#disarmTimer();
    if (deadlineMs >= this.#armedForMs) return;
    this.#disarmTimer();
    this.#armedForMs = deadlineMs;
    const delayMs = deadlineMs - this.#options.nowMs();
    // A deadline that is due already waits for the end of the loop's turn, so that sockets are served in between.
    if (delayMs <= 0) this.#immediate = setImmediate(this.#onTimer);
    else this.#timer = setTimeout(this.#onTimer, Math.min(delayMs, TIMER_MS_MAX));
  }

  #disarmTimer(): void {
    if (this.#armedForMs === Number.POSITIVE_INFINITY) return;
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
    this.#armedForMs = Number.POSITIVE_INFINITY;
  }

  readonly #onTimer = (): void => {
    this.#armedForMs = Number.POSITIVE_INFINITY;
    const isDue = this.#options.deadlineMs(this.#options.state) <= this.#options.nowMs();
    if (isDue) this.dispatch(TICK);
    else this.#armTimer();
  };
}
