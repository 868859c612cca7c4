import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Tally } from "../../core/tally.ts";

describe("a tally", () => {
  it("has of each kind what was added and not taken", () => {
    const operation = fc.record({ kind: fc.nat(200).map(String), takes: fc.boolean() });
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 1_000 }), (operations) => {
        const tally = new Tally();
        const model = new Map<string, number>();
        for (const { kind, takes } of operations) {
          const count = model.get(kind) ?? 0;
          if (takes && count === 0) continue;
          if (takes) tally.take(kind);
          else tally.add(kind);
          model.set(kind, count + (takes ? -1 : 1));
          expect(tally.get(kind)).toBe(model.get(kind));
        }
        expect(tally.size).toBe([...model.values()].filter((count) => count > 0).length);
        for (const [kind, count] of model) expect(tally.get(kind)).toBe(count);
      }),
    );
  });

  it("does not take what was not added", () => {
    const tally = new Tally();
    tally.add("a");
    tally.take("a");
    expect(() => tally.take("a")).toThrow();
  });
});
