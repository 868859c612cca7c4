import { describe, expect, test } from "vitest";
import { bodyPrefix } from "../../../sim/checkers/body-prefix.ts";
import type { Visit } from "../../../sim/record/visit.ts";
import { visit as visitOperation } from "../scenarios.ts";
import { answered, bodyOf, watch } from "./observations.ts";

describe("body_prefix", () => {
  test("takes the model's bytes from wherever a range begins", () => {
    const { checker, found } = watch(bodyPrefix);
    const ranged = answered(1, "a", visitOperation(1, 0, { request: { range: { first: 100, last: 199 } } }));
    checker.visitBody?.(ranged, bodyOf(ranged, 0, 60));
    ranged.bytesReceived = 60;
    checker.visitBody?.(ranged, bodyOf(ranged, 60, 40));
    expect(found).toEqual([]);
  });

  test.each([
    ["one wrong byte", (visit: Visit) => bodyOf(visit, 0, 500).with(250, 0)],
    ["bytes from further on", (visit: Visit) => bodyOf(visit, 1, 500)],
    ["more than there is", (visit: Visit) => bodyOf(visit, 0, 40_001)],
  ])("finds %s", (_name, bytesOf) => {
    const { checker, found } = watch(bodyPrefix);
    const visit = answered();
    checker.visitBody?.(visit, bytesOf(visit));
    expect(found).toHaveLength(1);
  });
});
