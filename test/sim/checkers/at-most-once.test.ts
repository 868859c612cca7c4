import { describe, expect, test } from "vitest";
import { atMostOnce } from "../../../sim/checkers/at-most-once.ts";
import type { Setting } from "../../../sim/record/setting.ts";
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

  test("lets a safe request come again where the home closed a connection that it had kept, without a word", () => {
    const unanswered = (method: string) => {
      const { checker, found } = watch(atMostOnce);
      const call = { ...callOf(visitOperation(1, 0, { request: { method } })), end: "aborted" as const };
      const calls = [call, call];
      const connection = { clientId: "a", agent: "agent:a", calls, logins: new Set<number>() };
      checker.begun?.({
        scenario: { homes: [{ agent: "culvert", protocol: "native" }] },
      } as unknown as Setting);
      checker.homeCalled?.({ ...call, connection });
      checker.homeCalled?.({ ...call, connection });
      return found.length;
    };
    expect(unanswered("GET")).toBe(0);
    expect(unanswered("POST")).toBe(1);
  });

  test("finds a request that was altered on its way", () => {
    const { checker, found } = watch(atMostOnce);
    checker.homeCalled?.({ ...callOf(visitOperation(1, 0)), bodyIntact: false });
    checker.homeCalled?.({ ...callOf(visitOperation(2, 0)), method: "PUT" });
    expect(found).toHaveLength(2);
  });
});
