import { expect, test } from "vitest";
import { settles } from "../../../sim/checkers/settles.ts";
import { visit as visitOperation } from "../scenarios.ts";
import { answered, finish, visitTo, watch } from "./observations.ts";

const done = answered();
done.end = "complete";
const failed = visitTo("a", visitOperation(2, 0));
failed.end = "cut";
const open = visitTo("a", visitOperation(3, 0));

test.each([
  ["where a visit fails", 0, { visits: [done, failed] }],
  ["where a visit goes on", 1, { visits: [done, open] }],
  ["where a visit fails without faults", 1, { visits: [done, failed], faultFree: true }],
] as const)("settles, %s: %i violations", (_name, violations, parts) => {
  const { checker, found } = watch(settles);
  checker.finished?.(finish(parts));
  expect(found).toHaveLength(violations);
});
