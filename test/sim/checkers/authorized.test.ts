import { describe, expect, test } from "vitest";
import { authorized } from "../../../sim/checkers/authorized.ts";
import { visit as visitOperation } from "../scenarios.ts";
import { callOf, socketWith, visitTo, watch } from "./observations.ts";

describe("authorized", () => {
  test.each([
    ["client", 0],
    ["none", 1],
    ["wrong", 1],
    ["foreign", 1],
    ["expired", 1],
  ] as const)("a visit with the credential %s at a home: %i violations", (credential, violations) => {
    const operation = visitOperation(1, 0, { request: { credential } });
    const { checker, found } = watch(authorized);
    checker.homeCalled?.(callOf(operation));
    checker.visitHead?.(visitTo("a", operation), 200, []);
    checker.visitHead?.(visitTo("a", operation), 401, []);
    checker.visitorSocketText?.(socketWith(credential), "{}");
    expect(found).toHaveLength(3 * violations);
  });
});
