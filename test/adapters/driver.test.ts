import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Driver } from "../../adapters/driver.ts";
import type { Outbox } from "../../core/outbox.ts";

type Event = { readonly type: "say"; readonly text: string };
type Effect = { readonly type: "heard"; readonly text: string };
type State = { deadlineMs: number; ticksAtMs: number[] };

beforeEach(() => {
  vi.useFakeTimers({ now: 0 });
});
afterEach(() => {
  vi.useRealTimers();
});

describe("dispatch", () => {
  test("carries out the effects of one event before the next event is stepped", () => {
    const run = start({
      step: (_state, event, out) => {
        run.trace.push(`step ${event}`);
        out.push({ type: "heard", text: `${event}1` });
        out.push({ type: "heard", text: `${event}2` });
      },
      perform: (effect) => {
        run.trace.push(`perform ${effect.text}`);
        if (effect.text === "a1") {
          run.say("b");
          run.say("c");
        }
      },
    });
    run.say("a");
    expect(run.trace).toEqual([
      "step a",
      "perform a1",
      "perform a2",
      "step b",
      "perform b1",
      "perform b2",
      "step c",
      "perform c1",
      "perform c2",
    ]);
  });

  test("works off an event that causes ten thousand others, in order", () => {
    let next = 0;
    const heard: number[] = [];
    const run = start({
      step: (_state, event, out) => out.push({ type: "heard", text: event }),
      perform: (effect) => {
        heard.push(Number(effect.text));
        if (next < 10_000) run.say(String(++next));
        if (next < 10_000) run.say(String(++next));
      },
    });
    run.say("0");
    expect(heard).toEqual(Array.from({ length: 10_001 }, (_, index) => index));
    run.say("10001");
    expect(heard.at(-1)).toBe(10_001);
  });
});

describe("the timer", () => {
  test("ticks when the deadline is due and not before", () => {
    const run = start({ deadlineMs: 1_000 });
    run.say("arm");
    vi.advanceTimersByTime(999);
    expect(run.state.ticksAtMs).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(run.state.ticksAtMs).toEqual([1_000]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("follows a deadline that moved to an earlier time", () => {
    const run = start({ deadlineMs: 1_000 });
    run.say("arm");
    run.state.deadlineMs = 400;
    run.say("earlier");
    expect(vi.getTimerCount()).toBe(1);
    vi.advanceTimersByTime(400);
    expect(run.state.ticksAtMs).toEqual([400]);
  });

  test("keeps its timer while the deadline moves away, and ticks only at the new one", () => {
    const run = start({ deadlineMs: 1_000 });
    run.say("arm");
    const arming = vi.spyOn(globalThis, "setTimeout");
    for (let times = 0; times < 100; times++) {
      run.state.deadlineMs += 10;
      run.say("later");
    }
    expect(arming).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1_999);
    expect(run.state.ticksAtMs).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(run.state.ticksAtMs).toEqual([2_000]);
    arming.mockRestore();
  });

  test("ticks for a deadline that is due already after the current turn, not inside dispatch", () => {
    const run = start({ deadlineMs: 0 });
    run.say("arm");
    expect(run.state.ticksAtMs).toEqual([]);
    vi.advanceTimersToNextTimer();
    expect(run.state.ticksAtMs).toEqual([0]);
  });

  test("waits out a deadline that lies beyond what one timer can wait for", () => {
    const farMs = 2 ** 31 + 5_000;
    const run = start({ deadlineMs: farMs });
    run.say("arm");
    vi.advanceTimersByTime(farMs - 1);
    expect(run.state.ticksAtMs).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(run.state.ticksAtMs).toEqual([farMs]);
  });

  test("is not there while nothing is armed", () => {
    const run = start({});
    run.say("nothing");
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("the end", () => {
  test.each(["step", "perform"])("hands on what %s throws, once, and stops", (thrower) => {
    const bug = new Error("bug");
    const run = start({
      deadlineMs: 1_000,
      step: (_state, event, out) => {
        if (thrower === "step" && event === "bad") throw bug;
        out.push({ type: "heard", text: event });
      },
      perform: (effect) => {
        run.trace.push(effect.text);
        if (effect.text === "bad") throw bug;
      },
    });
    run.say("good");
    run.say("bad");
    run.say("late");
    vi.advanceTimersByTime(5_000);
    expect(run.fatal).toEqual([bug]);
    expect(run.trace).not.toContain("late");
    expect(run.state.ticksAtMs).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("ignores events and forgets its timer after stop", () => {
    const run = start({ deadlineMs: 1_000 });
    run.say("arm");
    run.driver.stop();
    run.say("late");
    vi.advanceTimersByTime(5_000);
    expect(run.trace).toEqual(["arm"]);
    expect(run.state.ticksAtMs).toEqual([]);
  });
});

/** A driver over a machine that disarms its deadline when it ticks and otherwise does what the test says. */
function start(options: {
  readonly deadlineMs?: number;
  readonly step?: (state: State, text: string, out: Outbox<Effect>) => void;
  readonly perform?: (effect: Effect) => void;
}) {
  const trace: string[] = [];
  const fatal: unknown[] = [];
  const state: State = { deadlineMs: options.deadlineMs ?? Number.POSITIVE_INFINITY, ticksAtMs: [] };
  const driver = new Driver<State, Event, Effect>({
    state,
    step: (machine, nowMs, event, out) => {
      if (event.type === "tick") {
        machine.ticksAtMs.push(nowMs);
        machine.deadlineMs = Number.POSITIVE_INFINITY;
      } else if (options.step === undefined) trace.push(event.text);
      else options.step(machine, event.text, out);
    },
    deadlineMs: (machine) => machine.deadlineMs,
    perform: (effect) => options.perform?.(effect),
    nowMs: () => Date.now(),
    onFatal: (error) => fatal.push(error),
  });
  return { driver, state, trace, fatal, say: (text: string) => driver.dispatch({ type: "say", text }) };
}
