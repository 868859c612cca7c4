import { getHeapSpaceStatistics } from "node:v8";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { IdSet, IdTable } from "../../core/id-table.ts";

/** Close to each other as counters give them, far apart as a stranger may choose them, and such that collide. */
const id = fc.oneof(
  fc.integer({ min: 1, max: 40 }),
  fc.integer({ min: 1, max: 12 }).map((step) => step * 2 ** 31),
  fc.integer({ min: 2 ** 48 - 8, max: 2 ** 48 - 1 }),
);
const operation = fc.record({ id, deletes: fc.boolean(), value: fc.nat() });

describe("a table of ids", () => {
  it("does what a Map does, in ascending order, whatever is set and deleted", () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 400 }), (operations) => {
        const table = new IdTable<number, number>();
        const model = new Map<number, number>();
        for (const { id, deletes, value } of operations) {
          if (deletes) expect(table.delete(id)).toBe(model.delete(id));
          else {
            table.set(id, value);
            model.set(id, value);
          }
          expect(table.size).toBe(model.size);
          expect(table.has(id)).toBe(model.has(id));
          expect(table.get(id)).toBe(model.get(id));
        }
        const sorted = [...model].sort(([a], [b]) => a - b);
        expect([...table]).toEqual(sorted);
        expect([...table.keys()]).toEqual(sorted.map(([key]) => key));
        expect([...table.values()]).toEqual(sorted.map(([, value]) => value));
        const visited: [number, number][] = [];
        table.forEach((value, key) => {
          visited.push([key, value]);
        });
        expect(visited.sort(([a], [b]) => a - b)).toEqual(sorted);
      }),
    );
  });

  it("finds all after ten thousand came and went around one that stays", () => {
    const table = new IdTable<number, string>();
    table.set(1, "stays");
    for (let next = 2; next < 10_000; next++) {
      table.set(next, "passes");
      if (next > 65) expect(table.delete(next - 64)).toBe(true);
      expect(table.get(1)).toBe("stays");
    }
    expect(table.size).toBe(65);
  });

  it("skips in an iteration what is deleted meanwhile", () => {
    const table = new IdTable<number, string>();
    for (const each of [3, 1, 2]) table.set(each, String(each));
    const seen: string[] = [];
    for (const value of table.values()) {
      seen.push(value);
      table.delete(2);
    }
    expect(seen).toEqual(["1", "3"]);
  });

  it("has nothing under what is no id, and takes none", () => {
    const table = new IdTable<number, string>();
    table.set(7, "seven");
    for (const none of [0, -7, 1.5, Number.NaN]) {
      expect([table.has(none), table.get(none), table.delete(none)]).toEqual([false, undefined, false]);
      expect(() => table.set(none, "none")).toThrow("whole number");
    }
  });
});

describe("what comes and goes through a table of ids", () => {
  const ENTRIES = 40_000;
  const ENTRY_BYTES = 1_024;

  /** What the old generation grew by while entries came and went, 64 at a time, in a table that was old itself. */
  function promotedBytes(table: Pick<IdTable<number, string[]>, "set" | "delete">): number {
    table.set(ENTRIES + 1, []);
    // Long enough for what is alive to be moved to the old generation.
    for (let made = 0; made < 5 * ENTRIES; made++) entry();
    const before = oldBytes();
    for (let next = 1; next <= ENTRIES; next++) {
      table.set(next, entry());
      if (next > 64) table.delete(next - 64);
    }
    return oldBytes() - before;
  }

  function entry(): string[] {
    return new Array<string>(ENTRY_BYTES / 8).fill("a");
  }

  function oldBytes(): number {
    const space = getHeapSpaceStatistics().find(({ space_name }) => space_name === "old_space");
    return space?.space_used_size ?? expect.fail("V8 has no old space");
  }

  it("leaves the old generation alone", () => {
    expect(promotedBytes(new IdTable())).toBeLessThan((ENTRIES * ENTRY_BYTES) / 32);
  });
});

describe("a set of ids", () => {
  it("holds each id once, in ascending order", () => {
    const set = new IdSet<number>();
    for (const each of [5, 2, 5]) set.add(each);
    expect([...set]).toEqual([2, 5]);
    expect([set.size, set.has(5), set.delete(5), set.delete(5), set.has(5)]).toEqual([
      2,
      true,
      true,
      false,
      false,
    ]);
  });
});
