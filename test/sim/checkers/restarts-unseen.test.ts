import { describe, expect, test } from "vitest";
import { edgeLimits } from "../../../core/edge/limits.ts";
import { agentLimits, serverLimits } from "../../../core/limits.ts";
import { restartsUnseen } from "../../../sim/checkers/restarts-unseen.ts";
import { targetOf } from "../../../sim/faults/index.ts";
import { Ledger } from "../../../sim/ledger/ledger.ts";
import type { Finish } from "../../../sim/record/finish.ts";
import { Visit, type VisitEnd } from "../../../sim/record/visit.ts";
import { answerOf } from "../../../sim/scenario/model.ts";
import type { Fault } from "../../../sim/scenario/scenario.ts";
import { busyScenario, homeNamed, visit as visitOf } from "../scenarios.ts";

const FINISH: Finish = {
  visits: [],
  visitorSockets: [],
  homeCalls: [],
  held: [],
  faultFree: false,
  servers: [],
  rows: new Map(),
};

type Came = {
  readonly end: VisitEnd;
  readonly status: number | null;
  readonly closeCode?: number;
  readonly lastedMs?: number;
  readonly protocol?: "native" | "moosicbox";
};

/** What is found where that is what came of a visit while nodes were replaced, or something else happened. */
function found(came: Came, kind = "node_is_replaced", askedMs = 0): number {
  const violations: string[] = [];
  const { finished, begun, serverStep } = restartsUnseen.create(
    (_kind, message) => violations.push(message),
    () => {},
  );
  const fault: Fault = { id: 0, kind, fromMs: 0, toMs: 1, target: 0, parameters: {} };
  const scenario = { ...busyScenario(), faults: [fault] };
  begun?.({ scenario, serverLimits, edgeLimits, agentLimits, targetOf });
  const snapshot = () => {
    throw new Error("this checker looks at events alone");
  };
  const server = { name: "node-0", nowMs: askedMs, ledger: new Ledger(0), snapshot, heldBytes: 0 };
  serverStep?.(server, { type: "drain_requested" }, [], 0);
  const operation = visitOf(1, 0);
  const spec = { ...homeNamed("a"), agent: "culvert", protocol: came.protocol ?? "native" } as const;
  const seen = new Visit(operation, spec, answerOf("a", operation), 0);
  seen.end = came.end;
  seen.status = came.status;
  seen.closeCode = came.closeCode ?? null;
  seen.endedUs = (came.lastedMs ?? 1) * 1_000;
  finished?.({ ...FINISH, visits: [seen] });
  return violations.length;
}

describe("restarts_unseen", () => {
  test.each<readonly [string, number, Came]>([
    ["a request that is refused", 1, { end: "refused", status: null }],
    ["one that is told that its home is away", 1, { end: "complete", status: 424 }],
    ["one that is cut although it is short", 1, { end: "cut", status: 200, lastedMs: 1_000 }],
    ["one that is cut and took as long as it may", 0, { end: "cut", status: 200, lastedMs: 8_000 }],
    ["one that is told 503 and took as long as it may", 0, { end: "complete", status: 503, lastedMs: 8_000 }],
    ["one that is told 503 at once", 1, { end: "complete", status: 503 }],
    ["a WebSocket that is closed with a code", 0, { end: "complete", status: 101, closeCode: 1001 }],
    ["one that is closed without", 1, { end: "complete", status: 101 }],
    ["a home whose agent cannot move", 0, { end: "complete", status: 424, protocol: "moosicbox" }],
  ])("%s: %i violations", (_name, violations, came) => {
    expect(found(came)).toBe(violations);
  });

  test("judges no visit that was over before a process was asked to stop", () => {
    expect(found({ end: "complete", status: 503 }, "node_is_replaced", 2)).toBe(0);
  });

  test("judges no run in which something else happened", () => {
    expect(found({ end: "refused", status: null }, "node_crashes")).toBe(0);
  });
});
