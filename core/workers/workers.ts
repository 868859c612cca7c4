/**
 * The worker processes of one machine: each has a slot, and a slot whose worker dies gets another. One that dies at its start, or soon
 * after, is started again later each time; where none can start, the machine gives up with the code of the last.
 *
 * The first worker starts alone. What keeps all of them from starting, such as a port that is taken, is then said once.
 */
import { assert, unreachable } from "../assert.ts";
import type { Outbox } from "../outbox.ts";

export type WorkersEvent =
  | { readonly type: "tick" }
  /** It listens. */
  | { readonly type: "worker_ready"; readonly slot: number }
  /** Its process is gone; the code is null after a signal. */
  | { readonly type: "worker_exited"; readonly slot: number; readonly code: number | null }
  | { readonly type: "stop_requested" };

export type WorkersEffect =
  | { readonly type: "worker_start"; readonly slot: number }
  /** Ask it to finish what runs, and to exit. */
  | { readonly type: "worker_stop"; readonly slot: number }
  /** All slots serve, for the first time. */
  | { readonly type: "all_ready" }
  /** No worker is left, and none will start: exit with that code. The last effect. */
  | { readonly type: "ended"; readonly code: number };

export type WorkerPhase =
  /** Not before another worker is ready: at the beginning alone. */
  "held" | "starting" | "serving" | "waiting" | "gone";

export type WorkerSlot = {
  phase: WorkerPhase;
  /** Of `serving`: since when. */
  readyMs: number;
  /** Of `waiting`: when it starts. */
  startMs: number;
  /** Ends in a row at a start or soon after it. */
  failures: number;
  /** Processes that it has had. */
  starts: number;
};

export type Workers = {
  nowMs: number;
  readonly slots: readonly WorkerSlot[];
  hasBegun: boolean;
  hasServed: boolean;
  wasWhole: boolean;
  isStopping: boolean;
  hasEnded: boolean;
  /** Of the workers that were asked to stop: the first that is not 0. */
  code: number;
};

export const workerLimits = {
  /** Whoever has served for so long died of something that came up since, and is replaced at once. */
  stableMs: 10_000,
  /** The pause after a start that failed; it doubles each time. */
  retryMs: 250,
  /** A person who mends what is wrong does not want to wait for longer. */
  retryMostMs: 30_000,
  /** Failures in a row of each slot, with none that serves, after which a supervisor shall know: some 8 seconds. */
  failuresMax: 6,
} as const;

/** A worker that a signal has ended says no code. */
const CODE_OF_SIGNAL = 1;

export function createWorkers(count: number): Workers {
  assert(Number.isInteger(count) && count > 0, "there is no worker");
  return {
    nowMs: 0,
    slots: Array.from({ length: count }, () => ({
      phase: "held",
      readyMs: 0,
      startMs: 0,
      failures: 0,
      starts: 0,
    })),
    hasBegun: false,
    hasServed: false,
    wasWhole: false,
    isStopping: false,
    hasEnded: false,
    code: 0,
  };
}

export function stepWorkers(
  state: Workers,
  nowMs: number,
  event: WorkersEvent,
  out: Outbox<WorkersEffect>,
): void {
  assert(nowMs >= state.nowMs, "time went backwards");
  assert(out.count === 0, "the effects of the previous step were not carried out");
  state.nowMs = nowMs;
  if (state.hasEnded) return;
  switch (event.type) {
    case "tick":
      return onTick(state, out);
    case "worker_ready":
      return onReady(state, event.slot, out);
    case "worker_exited":
      return onExited(state, event.slot, event.code, out);
    case "stop_requested":
      return onStop(state, out);
    default:
      unreachable(event);
  }
}

/** Infinity where nothing is to be started later. */
export function workersDeadlineMs({ slots, hasEnded }: Workers): number {
  if (hasEnded) return Number.POSITIVE_INFINITY;
  return Math.min(...slots.map(({ phase, startMs }) => (phase === "waiting" ? startMs : Infinity)));
}

/** The first tick begins. */
function onTick(state: Workers, out: Outbox<WorkersEffect>): void {
  if (!state.hasBegun) {
    state.hasBegun = true;
    return start(state, 0, out);
  }
  for (const [slot, { phase, startMs }] of state.slots.entries()) {
    if (phase === "waiting" && startMs <= state.nowMs) start(state, slot, out);
  }
}

function onReady(state: Workers, slot: number, out: Outbox<WorkersEffect>): void {
  const worker = slotOf(state, slot);
  assert(worker.phase === "starting", "a worker is ready that did not start");
  worker.phase = "serving";
  worker.readyMs = state.nowMs;
  state.hasServed = true;
  if (state.isStopping) return;
  for (const [other, { phase }] of state.slots.entries()) if (phase === "held") start(state, other, out);
  if (state.wasWhole || state.slots.some(({ phase }) => phase !== "serving")) return;
  state.wasWhole = true;
  out.push({ type: "all_ready" });
}

function onExited(state: Workers, slot: number, code: number | null, out: Outbox<WorkersEffect>): void {
  const worker = slotOf(state, slot);
  assert(worker.phase === "starting" || worker.phase === "serving", "a worker exited that was not there");
  const hadStarted = worker.phase === "serving";
  worker.phase = "gone";
  if (state.isStopping) {
    state.code ||= code ?? CODE_OF_SIGNAL;
    return endWhereAllAreGone(state, out);
  }
  const isStable = hadStarted && state.nowMs - worker.readyMs >= workerLimits.stableMs;
  worker.failures = isStable ? 0 : worker.failures + 1;
  if (!hadStarted && isHopeless(state)) {
    state.hasEnded = true;
    out.push({ type: "ended", code: code || CODE_OF_SIGNAL });
    return;
  }
  // The first end of one that has served is not held against it.
  const pauses = hadStarted ? worker.failures - 1 : worker.failures;
  if (pauses <= 0) return start(state, slot, out);
  worker.phase = "waiting";
  const { retryMs, retryMostMs } = workerLimits;
  worker.startMs = state.nowMs + Math.min(retryMs * 2 ** (pauses - 1), retryMostMs);
}

/** Nobody serves or is about to: the very first could not, or each has tried often enough. */
function isHopeless({ slots, hasServed }: Workers): boolean {
  if (slots.some(({ phase }) => phase === "serving" || phase === "starting")) return false;
  return !hasServed || slots.every(({ failures }) => failures >= workerLimits.failuresMax);
}

function onStop(state: Workers, out: Outbox<WorkersEffect>): void {
  state.isStopping = true;
  for (const [slot, worker] of state.slots.entries()) {
    if (worker.phase === "starting" || worker.phase === "serving") out.push({ type: "worker_stop", slot });
    else worker.phase = "gone";
  }
  endWhereAllAreGone(state, out);
}

function endWhereAllAreGone(state: Workers, out: Outbox<WorkersEffect>): void {
  if (state.slots.some(({ phase }) => phase !== "gone")) return;
  state.hasEnded = true;
  out.push({ type: "ended", code: state.code });
}

function start(state: Workers, slot: number, out: Outbox<WorkersEffect>): void {
  const worker = slotOf(state, slot);
  worker.phase = "starting";
  worker.starts++;
  out.push({ type: "worker_start", slot });
}

function slotOf({ slots }: Workers, slot: number): WorkerSlot {
  const worker = slots[slot];
  assert(worker !== undefined, "there is no such slot");
  return worker;
}
