/** What a CI run lacks although every seed passed. */
import { describe, expect, test } from "vitest";
import { properties } from "../../../sim/checkers/index.ts";
import { faultKinds } from "../../../sim/faults/index.ts";
import { MARKS } from "../../../sim/record/marks.ts";
import type { Trial } from "../../../sim/record/outcome.ts";
import { Tally } from "../../../sim/report/tally.ts";
import { missing } from "../../../sim/run/gate.ts";
import { tryScenario } from "../../../sim/run/trial.ts";
import { busyScenario } from "../scenarios.ts";

/** A trial of a seed that reached everything there is. */
function thorough(changes: Partial<Trial> = {}): Trial {
  return {
    ...tryScenario(busyScenario(), false),
    visits: 100,
    visitsAsExpected: 60,
    faultFree: false,
    faultCounts: faultKinds.map(({ name }) => [name, 1] as const),
    sometimes: MARKS.map((mark) => [mark, 1] as const),
    judgements: properties.map(({ name }) => ({ name, count: 1 })),
    ...changes,
  };
}

function calm(changes: Partial<Trial> = {}): Trial {
  return thorough({ visitsAsExpected: 100, faultFree: true, ...changes });
}

function lacks(...trials: readonly Trial[]): string[] {
  const tally = new Tally();
  for (const trial of trials) tally.add(trial);
  return missing(tally);
}

describe("a CI run", () => {
  test("that reached everything lacks nothing", () => {
    expect(lacks(calm(), thorough())).toEqual([]);
  });

  test("lacks seeds without faults", () => {
    expect(lacks(thorough())).toEqual(["no seed ran without faults"]);
  });

  test("lacks success where a single visit fails without faults", () => {
    expect(lacks(calm({ visitsAsExpected: 99 }), thorough())).toEqual([
      "without faults 99 of 100 visits came to what they should",
    ]);
  });

  test("lacks success where under faults more than 40 % of the visits fail", () => {
    expect(lacks(calm(), thorough({ visitsAsExpected: 59 }))).toEqual([
      "under faults 59 of 100 visits came to what they should, less than 60 %",
    ]);
  });

  test.each([
    [
      { judgements: properties.map(({ name }, index) => ({ name, count: index })) },
      "the checker taint judged nothing",
    ],
    [{ sometimes: MARKS.slice(1).map((mark) => [mark, 1] as const) }, `never reached: ${MARKS[0]}`],
    [
      { faultCounts: faultKinds.slice(1).map(({ name }) => [name, 1] as const) },
      `never fired: ${faultKinds[0]?.name}`,
    ],
  ])("lacks what no seed reached", (changes, line) => {
    expect(lacks(calm(changes), thorough(changes))).toEqual([line]);
  });
});

test("a run counts what each checker judged", () => {
  const { judgements } = tryScenario(busyScenario(), false);
  expect(judgements.map(({ name }) => name)).toEqual(properties.map(({ name }) => name));
  expect(judgements.find(({ name }) => name === "body_prefix")?.count).toBeGreaterThan(100);
});
