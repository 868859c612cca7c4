import { describe, expect, test } from "vitest";
import { atMostOnce } from "../../../sim/checkers/at-most-once.ts";
import { visit as visitOperation } from "../scenarios.ts";
import { callOf, watch } from "./observations.ts";

describe("at_most_once_at_home", () => {
  test("lets an idempotent request come twice, and no other", () => {
    const { checker, found } = watch(atMostOnce);
    const get = callOf(visitOperation(1, 0));
    const post = callOf(visitOperation(2, 0, { request: { method: "POST" } }));
    for (const call of [get, get, post]) checker.homeCalled?.(call);
    expect(found).toEqual([]);
    checker.homeCalled?.(post);
    expect(found).toHaveLength(1);
  });

  test("finds a request that was altered on its way", () => {
    const { checker, found } = watch(atMostOnce);
    checker.homeCalled?.({ ...callOf(visitOperation(1, 0)), bodyIntact: false });
    checker.homeCalled?.({ ...callOf(visitOperation(2, 0)), method: "PUT" });
    expect(found).toHaveLength(2);
  });
});
