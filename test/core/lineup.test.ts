import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createPlace, Lineup, type Place } from "../../core/lineup.ts";

type Guest = { readonly name: number; readonly place: Place<Guest> };

const guests: readonly Guest[] = Array.from({ length: 6 }, (_, name) => ({ name, place: createPlace() }));
const operation = fc.record({ guest: fc.constantFrom(...guests), joins: fc.boolean() });

describe("a line", () => {
  it("does what a Set does", () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
        const line = new Lineup<Guest>(({ place }) => place);
        const model = new Set<Guest>();
        for (const { guest, joins } of operations) {
          if (joins) {
            model.add(guest);
            line.join(guest);
          } else {
            model.delete(guest);
            line.leave(guest);
          }
          expect(line.size).toBe(model.size);
          expect(line.has(guest)).toBe(joins);
          expect(line.first).toBe([...model][0] ?? null);
          expect([...line]).toEqual([...model]);
        }
        for (const guest of guests) line.leave(guest);
        expect(line.first).toBeNull();
      }),
    );
  });
});
