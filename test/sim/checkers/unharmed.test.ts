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
  test.each([
    ["was stored", 1, "complete"],
    ["was lost with the connection that another visitor left", 0, "forsaken"],
  ] as const)("a token that %s is not known: %i violations", (_name, violations, end) => {
    const visitOf = (id: number, endpoint: "magic_token_store" | "magic_token_use") => {
      const { request, ...rest } = visitOperation(id, 5_000 + id);
      const asked = { ...rest, request: { ...request, endpoint } };
      return new Visit(asked, { clientId: "home0" }, answerOf("home0", asked), 0);
    };
    const store = visitOf(1, "magic_token_store");
    store.end = end;
    store.endedUs = 5_900_000;
    store.status = end === "complete" ? 200 : null;
    const use = visitOf(2, "magic_token_use");
    use.end = "complete";
    use.endedUs = 6_000_000;
    use.status = 401;
    const scenario = {
      homes: [homeNamed("home0")],
      operations: [store.operation, use.operation],
      faults: [],
    };
    expect(new Shows(unharmed, { scenario }).finish({ visits: [store, use] }).found).toHaveLength(violations);
  });
  test.each([
    ["behind it nobody asked", 1, { readBytesPerMs: 35 }, []],
    ["behind it somebody sent a body", 0, { readBytesPerMs: 35 }, [{ onto: 1, pipelined: true }]],
    ["it was read at once", 1, { readBytesPerMs: 0 }, [{ onto: 1, pipelined: true }]],
    ["the body came when it was over", 1, { readBytesPerMs: 35 }, [{ onto: 1 }]],
  ] as const)("an answer was cut, and %s: %i violations", (_name, violations, pace, connections) => {
    const slow = { ...operation, ...pace };
    const cut = new Visit(slow, { clientId: "home0" }, answerOf("home0", slow), 0);
    cut.end = "cut";
    cut.endedUs = 6_000_000;
    cut.status = 200;
    const behind = connections.map((connection, index) => {
      const { request, ...rest } = visitOperation(2 + index, 5_001);
      return { ...rest, request: { ...request, method: "POST", bodyBytes: 10 }, connection };
    });
    const scenario = { homes: [homeNamed("home0")], operations: [slow, ...behind], faults: [] };
    expect(new Shows(unharmed, { scenario }).finish({ visits: [cut] }).found).toHaveLength(violations);
  });
});
