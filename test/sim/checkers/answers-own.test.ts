import { describe, expect, test } from "vitest";
import type { ExchangeId } from "../../../core/ids.ts";
import type { OriginsEffect, OriginsEvent } from "../../../core/origins/origins.ts";
import { answersOwn } from "../../../sim/checkers/answers-own.ts";
import { OriginLedger } from "../../../sim/ledger/origin-connections.ts";
import { visit as visitOperation } from "../scenarios.ts";
import { bodyOf, visitTo, watch } from "./observations.ts";

const exchange = 1 as ExchangeId;
const process = { name: "agent:a", nowMs: 0, ledger: new OriginLedger(), limits: { idleMs: 1_500 } };
const asks: OriginsEvent = {
  type: "origin_request",
  exchange,
  origin: 0,
  method: "GET",
  target: "/library?visit=1",
  headers: [],
  body: null,
  bodyBytes: null,
  upgrade: false,
};
const head = (id: number): OriginsEffect => ({
  type: "origin_head",
  exchange,
  status: 200,
  headers: ["X-Home-Answer", `a/${id}`],
});
const ended: OriginsEffect = { type: "origin_ended", exchange, trailers: [] };

describe("answers_own", () => {
  const visit = visitTo("a", visitOperation(1, 0, { answer: { bodyBytes: 20 } }));
  const body = (from: number, length: number): OriginsEffect => ({
    type: "origin_body",
    exchange,
    bytes: bodyOf(visit, from, length),
    only: true,
  });

  test.each<readonly [string, number, readonly OriginsEffect[]]>([
    ["its own answer, in pieces", 0, [head(1), body(0, 8), body(8, 12), ended]],
    ["another's head", 1, [head(2)]],
    ["another place of its body", 1, [head(1), body(1, 8)]],
    ["more than its home sent", 1, [head(1), body(0, 20), body(20, 1)]],
    ["a part of it for the whole", 1, [head(1), body(0, 8), ended]],
    [
      "an answer of somebody who is no home",
      0,
      [{ type: "origin_head", exchange, status: 404, headers: [] }, ended],
    ],
  ])("judges %s", (_, violations, effects) => {
    const { checker, found } = watch(answersOwn);
    checker.visitStarted?.(visit);
    checker.originsStep?.(process, asks, [], 0);
    checker.originsStep?.(process, { type: "tick" }, effects, effects.length);
    expect(found).toHaveLength(violations);
  });
});
