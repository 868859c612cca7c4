import { expect, test } from "vitest";
import { recovers } from "../../../sim/checkers/recovers.ts";
import { PROBES_FROM } from "../../../sim/scenario/scenario.ts";
import { visit as visitOperation } from "../scenarios.ts";
import { answered, finish, visitTo, watch } from "./observations.ts";

const done = answered();
done.end = "complete";
const failed = visitTo("a", visitOperation(2, 0));
failed.end = "cut";
const open = visitTo("a", visitOperation(3, 0));
const probe = visitTo("a", visitOperation(PROBES_FROM, 0));
probe.end = "complete";
probe.status = 424;

test.each([
  ["where visits of the scenario fail", 0, { visits: [done, failed, open] }],
  ["where the visit that proves it fails", 1, { visits: [probe] }],
] as const)("recovers, %s: %i violations", (_name, violations, parts) => {
  const { checker, found } = watch(recovers);
  checker.finished?.(finish(parts));
  expect(found).toHaveLength(violations);
});
