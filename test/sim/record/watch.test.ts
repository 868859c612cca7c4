import { expect, test } from "vitest";
import { Watch } from "../../../sim/record/watch.ts";
import { callOf } from "../checkers/observations.ts";
import { visit as visitOperation } from "../scenarios.ts";

test("a watch shows each observation to every checker that wants it", () => {
  const seen: string[] = [];
  const watching = new Watch([
    { healed: () => seen.push("a") },
    {},
    { healed: () => seen.push("b"), homeCalled: () => seen.push("call") },
  ]);
  watching.healed();
  watching.homeCalled(callOf(visitOperation(1, 0)));
  expect(seen).toEqual(["a", "b", "call"]);
});
