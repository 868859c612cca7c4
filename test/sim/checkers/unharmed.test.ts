import { describe, expect, test } from "vitest";
import { unharmed } from "../../../sim/checkers/unharmed.ts";
import { Visit } from "../../../sim/record/visit.ts";
import { answerOf } from "../../../sim/scenario/model.ts";
import { homeNamed, visit as visitOperation } from "../scenarios.ts";
import { Shows } from "./steps.ts";

describe("unharmed", () => {
  const operation = visitOperation(1, 5_000);
  const failed = new Visit(operation, { clientId: "home0" }, answerOf("home0", operation), 0);
  failed.end = "complete";
  failed.endedUs = 6_000_000;
  failed.status = 504;
  const faultAt = (fromMs: number, kind: string, target: number) => [
    { id: 0, kind, fromMs, toMs: fromMs, target, parameters: {} },
  ];
  test.each([
    ["nothing went wrong", 1, []],
    ["its own home was hit before", 0, faultAt(5_500, "half_open", 0)],
    ["its own home was hit later", 1, faultAt(6_500, "half_open", 0)],
    ["another home was hit", 1, faultAt(5_500, "half_open", 1)],
    ["its node was hit", 0, faultAt(5_500, "node_crashes", 0)],
    ["another node was hit", 1, faultAt(5_500, "node_crashes", 1)],
    ["a visit to the same home was hit", 0, faultAt(5_500, "visitor_leaves", 1)],
    ["the registry was hit", 0, faultAt(5_500, "registry_down", 0)],
  ])("a visit failed, and %s: %i violations", (_name, violations, faults) => {
    const scenario = { homes: [homeNamed("home0"), homeNamed("home1")], operations: [operation], faults };
    expect(new Shows(unharmed, { scenario }).finish({ visits: [failed] }).found).toHaveLength(violations);
  });
});
