import { describe, expect, test } from "vitest";
import { serverLimits } from "../../../core/limits.ts";
import { patience } from "../../../sim/checkers/patience.ts";
import { opened, tick, tunnel, upgrade, violationsOf, visitor } from "./server-steps.ts";

const LINE_MS = 2 * serverLimits.handshakeLineMs;
const LOOK_MS = serverLimits.registryCallMs + 250;

describe("patience", () => {
  test.each([
    // The last look is at when its home was there.
    ["a request", opened("/library"), 3_000 + LOOK_MS],
    ["a request for a token", opened("/auth/signature-token?clientId=a"), 6_250 + LOOK_MS],
    ["a request for a magic token", opened("/auth/magic-token?clientId=a"), 9_250 + LOOK_MS],
    ["a visitor socket", upgrade(visitor, false), LINE_MS + 5_000],
    ["a tunnel", upgrade(tunnel, true), LINE_MS + 10_250],
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
