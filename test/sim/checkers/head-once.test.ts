import { describe, expect, test } from "vitest";
import { headOnce } from "../../../sim/checkers/head-once.ts";
import { visit as visitOperation } from "../scenarios.ts";
import { answered, visitTo, watch } from "./observations.ts";

describe("head_once", () => {
  const headOf = (status: number, headers: readonly string[], before: number | null = null) => {
    const { checker, found } = watch(headOnce);
    const visit = visitTo("a", visitOperation(1, 0));
    visit.status = before;
    checker.visitHead?.(visit, status, headers);
    return found.length;
  };
  const { headers } = answered();

  test("takes the home's head, and a failure of the server", () => {
    expect(headOf(200, headers)).toBe(0);
    expect(headOf(502, ["content-type", "application/problem+json"])).toBe(0);
  });

  test("finds a second head, another status, other headers, and a success that is no home's", () => {
    expect(headOf(200, headers, 200)).toBe(1);
    expect(headOf(206, headers)).toBe(1);
    expect(headOf(200, [...headers.slice(0, 2), "content-type", "text/html"])).toBe(1);
    expect(headOf(200, [])).toBe(1);
  });

  test("finds a body without a head", () => {
    const { checker, found } = watch(headOnce);
    checker.visitBody?.(visitTo("a", visitOperation(1, 0)), new Uint8Array(1));
    expect(found).toHaveLength(1);
  });
});
