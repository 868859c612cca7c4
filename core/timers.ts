/**
 * A heap of deadlines. Each timer lives inside its owner and knows its place in the heap, so that arming and disarming
 * need no search and no timer can outlive what it is for: the owner disarms it when it goes.
 * Equal deadlines fire in the order in which they were armed.
 */
import { assert } from "./assert.ts";

export type Timer<O> = {
  readonly owner: O;
  atMs: number;
  order: number;
  /** Place in the heap, -1 while disarmed. */
  index: number;
};

export type Timers<O> = {
  readonly heap: Timer<O>[];
  armed: number;
};

export function createTimers<O>(): Timers<O> {
  return { heap: [], armed: 0 };
}

export function createTimer<O>(owner: O): Timer<O> {
  return { owner, atMs: 0, order: 0, index: -1 };
}

export function isArmed<O>(timer: Timer<O>): boolean {
  return timer.index >= 0;
}

/** Arms the timer for `atMs`, or moves it there. */
export function arm<O>(timers: Timers<O>, timer: Timer<O>, atMs: number): void {
  assert(Number.isFinite(atMs), "a deadline is not a finite time");
  timer.atMs = atMs;
  timer.order = timers.armed++;
  if (timer.index < 0) {
    timer.index = timers.heap.length;
    timers.heap.push(timer);
  }
  siftDown(timers.heap, siftUp(timers.heap, timer.index));
}

export function disarm<O>(timers: Timers<O>, timer: Timer<O>): void {
  const index = timer.index;
  if (index < 0) return;
  assert(timers.heap[index] === timer, "a timer is not where it says it is");
  timer.index = -1;
  const moved = timers.heap.pop();
  assert(moved !== undefined, "an armed timer is in an empty heap");
  if (moved === timer) return;
  timers.heap[index] = moved;
  moved.index = index;
  siftDown(timers.heap, siftUp(timers.heap, index));
}

/** The earliest deadline, Infinity when nothing is armed. */
export function nextDeadlineMs<O>(timers: Timers<O>): number {
  return timers.heap[0]?.atMs ?? Number.POSITIVE_INFINITY;
}

/** Takes the first timer that is due, disarmed; undefined when none is. */
export function takeDue<O>(timers: Timers<O>, nowMs: number): Timer<O> | undefined {
  const first = timers.heap[0];
  if (first === undefined || first.atMs > nowMs) return undefined;
  disarm(timers, first);
  return first;
}

/**
 * Takes all that is due, in order, and calls `fire` for each: those included that are armed meanwhile for a time that has
 * come, so that no step leaves a deadline behind that has passed.
 */
export function fireDue<O>(timers: Timers<O>, nowMs: number, fire: (owner: O) => void): void {
  for (let timer = takeDue(timers, nowMs); timer !== undefined; timer = takeDue(timers, nowMs)) {
    fire(timer.owner);
  }
}

function siftUp<O>(heap: Timer<O>[], start: number): number {
  let index = start;
  while (index > 0) {
    const parent = (index - 1) >> 1;
    if (!swapIfBefore(heap, index, parent)) break;
    index = parent;
  }
  return index;
}

function siftDown<O>(heap: Timer<O>[], start: number): void {
  let index = start;
  for (;;) {
    const left = 2 * index + 1;
    const right = left + 1;
    const child = isBefore(heap[right], heap[left]) ? right : left;
    if (child >= heap.length || !swapIfBefore(heap, child, index)) return;
    index = child;
  }
}

function isBefore<O>(a: Timer<O> | undefined, b: Timer<O> | undefined): boolean {
  if (a === undefined || b === undefined) return false;
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

/** Swaps the two when `lower` must fire before `upper`. */
function swapIfBefore<O>(heap: Timer<O>[], lower: number, upper: number): boolean {
  const a = heap[lower];
  const b = heap[upper];
  if (a === undefined || b === undefined || !isBefore(a, b)) return false;
  heap[upper] = a;
  heap[lower] = b;
  a.index = upper;
  b.index = lower;
  return true;
}
