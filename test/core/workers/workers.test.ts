import { describe, expect, test } from "vitest";
import { Outbox } from "../../../core/outbox.ts";
import {
  createWorkers,
  stepWorkers,
  type WorkersEffect,
  type WorkersEvent,
  workerLimits,
  workersDeadlineMs,
} from "../../../core/workers/workers.ts";

/** Workers with a clock. */
function machine(count: number) {
  const state = createWorkers(count);
  const out = new Outbox<WorkersEffect>();
  let nowMs = 0;
  const step = (event: WorkersEvent): readonly WorkersEffect[] => {
    stepWorkers(state, nowMs, event, out);
    const effects: WorkersEffect[] = [];
    out.drain((effect) => effects.push(effect));
    return effects;
  };
  return {
    state,
    step,
    ready: (slot: number) => step({ type: "worker_ready", slot }),
    exited: (slot: number, code: number | null = 1) => step({ type: "worker_exited", slot, code }),
    wait: (ms: number) => {
      nowMs += ms;
    },
    /** Goes to the next deadline, and tells how long that took. */
    next: () => {
      const beganMs = nowMs;
      nowMs = workersDeadlineMs(state);
      return { waitedMs: nowMs - beganMs, effects: step({ type: "tick" }) };
    },
    /** All of them serve. */
    begin() {
      step({ type: "tick" });
      for (let slot = 0; slot < count; slot++) this.ready(slot);
      return this;
    },
  };
}

const started = (slot: number) => ({ type: "worker_start", slot });

describe("at the beginning", () => {
  test("starts one worker, and the others when that one is ready", () => {
    const workers = machine(3);
    expect(workers.step({ type: "tick" })).toEqual([started(0)]);
    expect(workers.ready(0)).toEqual([started(1), started(2)]);
    expect(workers.ready(2)).toEqual([]);
    expect(workers.ready(1)).toEqual([{ type: "all_ready" }]);
  });

  test("ends with the code of the first worker when that cannot start", () => {
    const workers = machine(3);
    workers.step({ type: "tick" });
    expect(workers.exited(0, 70)).toEqual([{ type: "ended", code: 70 }]);
    expect(workers.step({ type: "stop_requested" })).toEqual([]);
  });

  test.each([0, null])("ends as a failure when a worker that was to serve exits with %s", (code) => {
    const workers = machine(1);
    workers.step({ type: "tick" });
    expect(workers.exited(0, code)).toEqual([{ type: "ended", code: 1 }]);
  });
});

describe("a worker that dies", () => {
  test("is replaced at once when it has served for a while, however often", () => {
    const workers = machine(2).begin();
    for (let times = 0; times < 20; times++) {
      workers.wait(workerLimits.stableMs);
      expect(workers.exited(1, null)).toEqual([started(1)]);
      expect(workers.ready(1)).toEqual([]);
    }
  });

  test("is replaced at once when it has hardly served, and later when that happens again", () => {
    const workers = machine(2).begin();
    expect(workers.exited(1)).toEqual([started(1)]);
    workers.ready(1);
    expect(workers.exited(1)).toEqual([]);
    expect(workers.next()).toEqual({ waitedMs: workerLimits.retryMs, effects: [started(1)] });
    workers.ready(1);
    workers.wait(workerLimits.stableMs);
    expect(workers.exited(1)).toEqual([started(1)]);
  });

  test("at its start waits twice as long each time, within a bound, while another serves", () => {
    const workers = machine(2).begin();
    workers.exited(1);
    const waits = Array.from({ length: 10 }, () => {
      expect(workers.exited(1)).toEqual([]);
      return workers.next().waitedMs;
    });
    // Its first end was that of one that had served.
    expect(waits).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000, 30_000]);
  });

  test("ends the machine with its code when none serves and each has failed often enough", () => {
    const workers = machine(2).begin();
    const ends: WorkersEffect[] = [];
    for (const slot of [0, 1]) workers.exited(slot);
    let tries = 0;
    const running = new Set([0, 1]);
    while (ends.length === 0) {
      for (const slot of running) ends.push(...workers.exited(slot, 70));
      running.clear();
      if (ends.length > 0) break;
      for (const effect of workers.next().effects) if ("slot" in effect) running.add(effect.slot);
      expect(++tries).toBeLessThan(20);
    }
    expect(ends).toEqual([{ type: "ended", code: 70 }]);
    expect(workers.state.slots.map(({ failures }) => failures)).toEqual([6, 6]);
    expect(workersDeadlineMs(workers.state)).toBe(Number.POSITIVE_INFINITY);
  });
});

describe("when it is asked to stop", () => {
  test("asks each that is there, replaces none, and ends when the last is gone", () => {
    const workers = machine(3).begin();
    workers.exited(2);
    workers.exited(2);
    expect(workers.step({ type: "stop_requested" })).toEqual([
      { type: "worker_stop", slot: 0 },
      { type: "worker_stop", slot: 1 },
    ]);
    expect(workersDeadlineMs(workers.state)).toBe(Number.POSITIVE_INFINITY);
    expect(workers.exited(1, 0)).toEqual([]);
    expect(workers.exited(0, 0)).toEqual([{ type: "ended", code: 0 }]);
  });

  test("ends with the code of the first that did not end well", () => {
    const workers = machine(3).begin();
    workers.step({ type: "stop_requested" });
    workers.exited(0, 0);
    workers.exited(1, 70);
    expect(workers.exited(2, null)).toEqual([{ type: "ended", code: 70 }]);
  });

  test("asks one that starts, and starts none behind it", () => {
    const workers = machine(2);
    workers.step({ type: "tick" });
    expect(workers.step({ type: "stop_requested" })).toEqual([{ type: "worker_stop", slot: 0 }]);
    expect(workers.ready(0)).toEqual([]);
    expect(workers.exited(0, 0)).toEqual([{ type: "ended", code: 0 }]);
  });

  test("ends at once where none is there", () => {
    expect(machine(2).step({ type: "stop_requested" })).toEqual([{ type: "ended", code: 0 }]);
  });
});
