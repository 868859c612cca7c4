import { describe, expect, test } from "vitest";
import type { Outbox } from "../../../core/outbox.ts";
import { Clock } from "../../../sim/world/clock.ts";
import { Process } from "../../../sim/world/process.ts";
import { World } from "../../../sim/world/world.ts";

const seed = (low: number) => ({ high: 0, low });

describe("the world", () => {
  test("lets things happen in the order of time", () => {
    const world = new World({ seed: seed(1) });
    const seen: string[] = [];
    world.at(30, () => seen.push(`c${world.nowUs}`));
    world.at(10, () => {
      seen.push(`a${world.nowUs}`);
      world.after(5, () => seen.push(`b${world.nowUs}`));
    });
    world.runUntil(100);
    expect(seen).toEqual(["a10", "b15", "c30"]);
    expect(world.nowUs).toBe(100);
  });

  test("orders what happens at one instant by the seed, and always the same way", () => {
    const orderOf = (low: number) => {
      const world = new World({ seed: seed(low) });
      const order: number[] = [];
      for (let index = 0; index < 8; index++) world.at(5, () => order.push(index));
      world.runUntil(5);
      return order.join();
    };
    const orders = new Set(Array.from({ length: 20 }, (_, low) => orderOf(low)));
    expect(orders.size).toBeGreaterThan(15);
    expect(orderOf(3)).toBe(orderOf(3));
  });

  test("makes ties where times are rounded to a grid", () => {
    const world = new World({ seed: seed(1) });
    world.gridUs = 1000;
    const times = new Set<number>();
    for (let us = 1; us < 900; us++) world.at(us, () => times.add(world.nowUs));
    world.runUntil(5000);
    expect([...times]).toEqual([1000]);
  });

  test("leaves what is due later for later", () => {
    const world = new World({ seed: seed(1) });
    let ran = false;
    world.at(11, () => {
      ran = true;
    });
    world.runUntil(10);
    expect(ran).toBe(false);
    world.runUntil(11);
    expect(ran).toBe(true);
  });

  test("reports a livelock when time stands still", () => {
    const world = new World({ seed: seed(1) });
    const again = () => world.after(0, again);
    again();
    world.runUntil(10);
    expect(world.violations).toMatchObject([{ kind: "liveness", name: "livelock" }]);
  });

  test("stops at the first violation", () => {
    const world = new World({ seed: seed(1) });
    world.at(1, () => world.violate("safety", "test", "broken"));
    world.at(2, () => expect.unreachable());
    world.runUntil(10);
    expect(world.violations).toEqual([{ kind: "safety", name: "test", message: "broken", step: 0, atMs: 0 }]);
  });
});

describe("a clock", () => {
  test("runs at its rate, jumps, and knows when it will show a time", () => {
    const clock = new Clock(1_000, 50_000);
    expect(clock.read(3_000)).toBe(52_000);
    clock.setRate(3_000, 1_100);
    expect(clock.read(13_000)).toBe(63_000);
    clock.jump(-3_000);
    expect(clock.read(13_000)).toBe(60_000);
    for (const reading of [60_001, 61_000, 99_999]) {
      const when = clock.when(reading);
      expect(clock.read(when)).toBeGreaterThanOrEqual(reading);
      expect(clock.read(when - 1)).toBeLessThan(reading);
    }
  });
});

type Event = { readonly type: "tick" } | { readonly type: "said"; readonly word: string };
type Effect = { readonly type: "echo"; readonly word: string };

/** A machine that repeats each word after ten milliseconds, twice in one step. */
function start(options: { fails?: boolean } = {}) {
  const world = new World({ seed: seed(1) });
  const log: string[] = [];
  let dueMs = Number.POSITIVE_INFINITY;
  let last = "";
  let startMs = 0;
  const process: Process<Event, Effect> = new Process<Event, Effect>(world, {
    name: "p",
    tick: { type: "tick" },
    machine: {
      step: (nowMs: number, event: Event, out: Outbox<Effect>) => {
        if (options.fails === true) throw new Error("broken");
        if (event.type === "said") {
          if (startMs === 0) startMs = nowMs;
          last = event.word;
          dueMs = nowMs + 10;
        } else if (nowMs >= dueMs) {
          dueMs = Number.POSITIVE_INFINITY;
          out.push({ type: "echo", word: last });
          out.push({ type: "echo", word: `${last}!` });
        }
        log.push(`step ${event.type} ${nowMs - startMs}`);
      },
      deadlineMs: () => dueMs,
      check: () => {},
    },
    perform: (effect) => {
      log.push(effect.word);
      if (effect.word === "a") process.dispatch({ type: "said", word: "b" });
    },
    onStep: () => {},
    onDead: () => log.push("dead"),
  });
  return { world, process, log };
}

describe("a process", () => {
  test("steps, then obeys all effects, then takes what they caused", () => {
    const { world, process, log } = start();
    process.dispatch({ type: "said", word: "a" });
    world.runUntil(15_000);
    expect(log.map((line) => line.replace(/tick 1\d/, "tick"))).toEqual([
      "step said 0",
      "step tick",
      "a",
      "a!",
      expect.stringMatching(/^step said 1[0-2]$/),
    ]);
  });

  test("ticks when its machine's deadline is due, and not before", () => {
    const { world, process, log } = start();
    process.dispatch({ type: "said", word: "x" });
    world.runUntil(9_000);
    expect(log).toEqual(["step said 0"]);
    world.runUntil(13_000);
    expect(log).toContain("x!");
  });

  test("does nothing while it is stalled, and everything in order when it wakes", () => {
    const { world, process, log } = start();
    process.stall(50_000, false);
    process.run(() => process.dispatch({ type: "said", word: "x" }));
    world.runUntil(49_999);
    expect(log).toEqual([]);
    world.runUntil(50_000);
    expect(log).toEqual(["step said 0"]);
  });

  test("wakes before its time when it is woken", () => {
    const { world, process, log } = start();
    process.stall(50_000, false);
    process.run(() => log.push("ran"));
    process.wake();
    world.runUntil(100_000);
    expect(log).toEqual(["ran"]);
  });

  test.each([
    [true, 10],
    [false, 10_010],
  ])("sleeps with a monotonic clock that stops: %s", (clockStops, echoMs) => {
    const { world, process, log } = start();
    process.dispatch({ type: "said", word: "x" });
    process.stall(10_000_000, clockStops);
    world.runUntil(10_500_000);
    const tick = log.find((line) => line.startsWith("step tick"));
    expect(Math.abs(Number(tick?.split(" ")[2]) - (clockStops ? 10 : echoMs - 10))).toBeLessThan(3);
  });

  test("dies between two effects of one step, and obeys no more", () => {
    const { world, process, log } = start();
    process.crashAfterEffects = 1;
    process.dispatch({ type: "said", word: "x" });
    world.runUntil(20_000);
    expect(log.slice(-2)).toEqual(["x", "dead"]);
    process.run(() => expect.unreachable());
  });

  test("makes a throw of its machine a violation", () => {
    const { world, process, log } = start({ fails: true });
    process.dispatch({ type: "tick" });
    expect(world.violations).toMatchObject([{ kind: "safety", name: "never_throws" }]);
    expect(log).toEqual(["dead"]);
  });

  test("puts every event and effect into the hash", () => {
    const hashAfter = (word: string) => {
      const { world, process } = start();
      process.dispatch({ type: "said", word });
      world.runUntil(20_000);
      return world.hash.digest();
    };
    expect(hashAfter("x")).toBe(hashAfter("x"));
    expect(hashAfter("x")).not.toBe(hashAfter("y"));
  });
});
