import { describe, expect, test } from "vitest";
import type { Outbox } from "../../../core/outbox.ts";
import { Process } from "../../../sim/world/process.ts";
import { World } from "../../../sim/world/world.ts";

const seed = (low: number) => ({ high: 0, low });

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
