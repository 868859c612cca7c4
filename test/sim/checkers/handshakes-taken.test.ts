import { describe, expect, test } from "vitest";
import { handshakesTaken } from "../../../sim/checkers/handshakes-taken.ts";
import { MISREADS_HANDSHAKE } from "../../../sim/scenario/answers.ts";
import { visit } from "../scenarios.ts";
import { answered, watch } from "./observations.ts";

describe("handshakes_taken", () => {
  test.each([
    [101, [MISREADS_HANDSHAKE], 1],
    [101, [], 0],
    [502, [MISREADS_HANDSHAKE], 0],
  ] as const)("%i for a home with the quirks %j: %i violations", (status, quirks, violations) => {
    const { checker, found } = watch(handshakesTaken);
    const plain = visit(1, 0);
    const operation = { ...plain, answer: { ...plain.answer, quirks } };
    checker.visitHead?.(answered(1, "a", operation), status, []);
    expect(found).toHaveLength(violations);
  });
});
