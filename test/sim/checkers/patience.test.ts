import { describe, expect, test } from "vitest";
import { patience } from "../../../sim/checkers/patience.ts";
import { opened, tick, tunnel, upgrade, violationsOf, visitor } from "./server-steps.ts";

describe("patience", () => {
  test.each([
    ["a request", opened("/library"), 3_000],
    ["a request for a token", opened("/auth/signature-token?clientId=a"), 6_250],
    ["a visitor socket", upgrade(visitor, false), 5_000],
    ["a tunnel", upgrade(tunnel, true), 10_250],
  ])("lets %s wait for the registry as long as the limit says", (_, event, patienceMs) => {
    expect(
      violationsOf(patience, [
        [0, event],
        [patienceMs - 1, tick],
      ]),
    ).toEqual([]);
    expect(
      violationsOf(patience, [
        [0, event],
        [patienceMs, tick],
      ]),
    ).toHaveLength(1);
  });
});
