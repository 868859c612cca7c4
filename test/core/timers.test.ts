import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InvariantError } from "../../core/assert.ts";
import {
  arm,
  createTimer,
  createTimers,
  disarm,
  fireDue,
  isArmed,
  nextDeadlineMs,
  type Timer,
  takeDue,
} from "../../core/timers.ts";

const TIMERS = 12;

/** A list in the order of arming, searched from the front each time. */
class NaiveTimers {
  readonly #armed: { owner: number; atMs: number }[] = [];

  arm(owner: number, atMs: number): void {
    this.disarm(owner);
    this.#armed.push({ owner, atMs });
  }

  disarm(owner: number): void {
    const index = this.#armed.findIndex((each) => each.owner === owner);
    if (index >= 0) this.#armed.splice(index, 1);
  }

  isArmed(owner: number): boolean {
    return this.#armed.some((each) => each.owner === owner);
  }

  nextDeadlineMs(): number {
    return Math.min(...this.#armed.map(({ atMs }) => atMs));
  }

  takeDue(nowMs: number): number | undefined {
    const first = this.#armed.find(({ atMs }) => atMs === this.nextDeadlineMs());
    if (first === undefined || first.atMs > nowMs) return undefined;
    this.disarm(first.owner);
    return first.owner;
  }
}

const anyOperation = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ type: fc.constant("arm"), owner: fc.nat(TIMERS - 1), atMs: fc.nat(20) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constant("disarm"), owner: fc.nat(TIMERS - 1), atMs: fc.constant(0) }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("take"), owner: fc.constant(0), atMs: fc.nat(20) }) },
);

function timerOf(all: readonly Timer<number>[], owner: number): Timer<number> {
  const timer = all[owner];
  if (timer === undefined) throw new Error(`no timer ${owner}`);
  return timer;
}

describe("timers", () => {
  it("fire as a naive list does, however they are armed, moved, disarmed and taken", () => {
    fc.assert(
      fc.property(fc.array(anyOperation, { maxLength: 120 }), (operations) => {
        const timers = createTimers<number>();
        const all = Array.from({ length: TIMERS }, (_, owner) => createTimer(owner));
        const naive = new NaiveTimers();
        for (const { type, owner, atMs } of operations) {
          if (type === "arm") {
            arm(timers, timerOf(all, owner), atMs);
            naive.arm(owner, atMs);
          } else if (type === "disarm") {
            disarm(timers, timerOf(all, owner));
            naive.disarm(owner);
          } else {
            expect(takeDue(timers, atMs)?.owner).toBe(naive.takeDue(atMs));
          }
          expect(nextDeadlineMs(timers)).toBe(naive.nextDeadlineMs());
          expect(all.map(isArmed)).toEqual(all.map((timer) => naive.isArmed(timer.owner)));
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it("fire in the order of arming where their deadlines are equal, and a moved one last", () => {
    const timers = createTimers<string>();
    const [a, b, c] = ["a", "b", "c"].map(createTimer);
    if (a === undefined || b === undefined || c === undefined) throw new Error("three were made");
    for (const timer of [a, b, c, a]) arm(timers, timer, 5);
    const fired = [5, 5, 5, 5].map((nowMs) => takeDue(timers, nowMs)?.owner);
    expect(fired).toEqual(["b", "c", "a", undefined]);
  });

  it("do not fire before their deadline, and fire at it", () => {
    const timers = createTimers<string>();
    arm(timers, createTimer("a"), 10);
    expect(takeDue(timers, 9)).toBeUndefined();
    expect(takeDue(timers, 10)?.owner).toBe("a");
    expect(nextDeadlineMs(timers)).toBe(Number.POSITIVE_INFINITY);
  });

  it("fire in one go with those that are armed meanwhile and are due, and leave what is not", () => {
    const timers = createTimers<string>();
    const [a, b, c] = ["a", "b", "c"].map(createTimer);
    if (a === undefined || b === undefined || c === undefined) throw new Error("three were made");
    arm(timers, a, 5);
    arm(timers, b, 7);
    const fired: string[] = [];
    fireDue(timers, 7, (owner) => {
      fired.push(owner);
      if (owner === "a") arm(timers, c, 6);
      else if (owner === "b") arm(timers, a, 8);
    });
    expect(fired).toEqual(["a", "c", "b"]);
    expect(nextDeadlineMs(timers)).toBe(8);
  });

  it("are not armed for a time that never comes", () => {
    const timers = createTimers<string>();
    expect(() => arm(timers, createTimer("a"), Number.POSITIVE_INFINITY)).toThrow(InvariantError);
    expect(() => arm(timers, createTimer("a"), Number.NaN)).toThrow(InvariantError);
  });
});
