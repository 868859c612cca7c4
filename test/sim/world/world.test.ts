import { describe, expect, test } from "vitest";
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
