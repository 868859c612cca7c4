import { expect, test } from "vitest";
import { quiescence } from "../../../sim/checkers/quiescence.ts";
import { visit as visitOperation } from "../scenarios.ts";
import { callOf, finish, watch } from "./observations.ts";

test.each([
  ["where nothing is held", 0, { held: [{ process: "node", what: "exchanges", count: 0 }] }],
  ["where an exchange is held", 1, { held: [{ process: "node", what: "exchanges", count: 1 }] }],
  ["where a home still answers", 1, { homeCalls: [callOf(visitOperation(1, 0))] }],
] as const)("quiescence, %s: %i violations", (_name, violations, parts) => {
  const { checker, found } = watch(quiescence);
  checker.finished?.(finish(parts));
  expect(found).toHaveLength(violations);
});
